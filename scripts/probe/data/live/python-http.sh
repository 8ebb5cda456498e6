# task: serve the directory and fetch a file from it
# needs: python3 curl

echo hello > index.html
python3 -m http.server --bind 127.0.0.1 8123 > server.log 2>&1 &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do curl -s -o /dev/null http://127.0.0.1:8123/ && break; sleep 0.3; done
curl -s http://localhost:8123/index.html
curl -fsSL http://127.0.0.1:8123/index.html -o fetched.html
curl -s --retry 3 --max-time 5 http://localhost:8123/missing -o /dev/null -w '%{http_code}'
curl -v http://localhost:8123/ 2>&1 | head -n 5
python3 -c "import urllib.request as u; print(u.urlopen('http://localhost:8123/').status)"
cmp index.html fetched.html
kill $server

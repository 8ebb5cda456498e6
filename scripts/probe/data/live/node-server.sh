# task: start the development server and try it
# needs: node curl jq

cat > server.js <<'EOF'
const http = require("http");
const server = http.createServer((req, res) => {
  res.setHeader("content-type", "application/json");
  res.end(JSON.stringify({path: req.url}));
});
server.listen(3000, "127.0.0.1");
EOF
node server.js &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do curl -s -o /dev/null http://localhost:3000/ && break; sleep 0.3; done
curl -s http://localhost:3000/health
curl -sf http://127.0.0.1:3000/api/items?limit=5 | jq .path
curl -s -X POST -H 'content-type: application/json' -d '{"name":"x"}' http://localhost:3000/api/items
curl -s -o page.json -w '%{http_code}\n' http://localhost:3000/
curl -sI http://localhost:3000/
wget -q -O - http://localhost:3000/wget || true
kill $server
wait $server || true

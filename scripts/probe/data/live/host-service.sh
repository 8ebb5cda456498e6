# task: ask the service that runs on this machine for its state
# needs: curl python3

curl -s --max-time 2 http://host.gmcp.internal:8080/health || true
curl -s -o /dev/null -w '%{http_code}' --max-time 2 http://host.gmcp.internal:5000/api/v1/items || true
curl -sf --max-time 2 http://host.gmcp.internal:9200/_cluster/health || true
curl -s --max-time 2 -X POST -d '{"q":1}' -H 'content-type: application/json' http://host.gmcp.internal:8000/query || true
python3 -c "import urllib.request as u; u.urlopen('http://host.gmcp.internal:8080/', timeout=2)" 2> err.log || true
wget -q -T 2 -t 1 -O - http://host.gmcp.internal:3000/ || true

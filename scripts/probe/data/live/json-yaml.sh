# task: change the version in the manifest
# needs: jq python3

echo '{"name":"app","version":"1.0.0","items":[{"id":1},{"id":2}]}' > package.json
jq -r .version package.json
jq '.version = "1.1.0"' package.json > tmp.json && mv tmp.json package.json
jq -c '.items[] | select(.id > 1)' package.json
jq --arg v 2 '.major = ($v | tonumber)' package.json
python3 -c "import json; d = json.load(open('package.json')); d['x'] = 1; json.dump(d, open('package.json', 'w'))"
python3 -c "import tomllib; print(tomllib.loads('a = 1'))"
printf 'a: 1\n' > c.yml
sed -i 's/^a:.*/a: 2/' c.yml
envsubst < c.yml || true

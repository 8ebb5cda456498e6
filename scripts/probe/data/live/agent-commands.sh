# task: look around in the project and run its tests
# needs: git python3

git init -q -b main .
git config user.email dev@example.com
git config user.name Dev

mkdir -p src tests; printf 'def f(): return 1\n' > src/m.py; printf 'def test(): pass\n' > tests/test_m.py
git add -A && git commit -q -m start
bash -c 'ls -la && git status --short && git log --oneline -5'
bash -lc 'cd src && grep -n "def " *.py | head -20'
bash -c 'python3 -m pytest -q tests 2>&1 | tail -5'
bash -c "sed -n '1,80p' src/m.py"
bash -c "cat > src/n.py <<'EOF'
def g(x):
    return x + 1
EOF
python3 -c 'import sys; sys.path.insert(0, \"src\"); import n; print(n.g(1))'"
bash -c 'find . -name "*.py" -not -path "./.git/*" | xargs wc -l'
bash -c 'git add -A && git commit -q -m "Add g" && git push 2>&1 || true'
bash -c 'rm -rf build/ dist/ *.egg-info && mkdir -p build'
bash -c 'which python3 node cargo go java; python3 --version; node --version'
bash -c 'for f in src/*.py; do echo "== $f"; head -3 "$f"; done'
bash -c 'git stash && git checkout -q -b try && git stash pop || true'
bash -c 'git diff HEAD~1 --stat; git reset --hard HEAD~1; git clean -fd'
bash -c 'ps aux | grep python | grep -v grep || true'
bash -c 'pkill -f "http.server 8000" || true'
bash -c 'kill $(lsof -t -i:8000) 2>/dev/null || true'
bash -c 'env | sort | head -5; pwd; whoami; id'
bash -c 'cat /etc/os-release | head -2; cat /proc/cpuinfo | grep -c processor'
bash -c 'export FOO=1; set -o pipefail; (true && echo ok) | cat'
bash -c 'sleep 1 & wait'
bash -c 'curl -s http://localhost:8000/health || echo down'

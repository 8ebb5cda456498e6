# task: run the steps of the continuous integration here
# needs: python3

export CI=true
set -x
mkdir -p src tests dist
printf 'def f():\n    return 1\n' > src/mod.py
printf 'import sys; sys.path.insert(0, "src")\nfrom mod import f\ndef test_f():\n    assert f() == 1\n' > tests/test_mod.py
python3 -m pytest -q --junitxml=dist/junit.xml tests
python3 -m py_compile src/mod.py
bash -n ci.sh 2> /dev/null || true
bash -euo pipefail -c 'python3 -m pytest -q tests 2>&1 | tee dist/test.log'
sh -c 'test -f dist/junit.xml'
env FOO=bar sh -c 'echo $FOO'
tar -C dist -czf artifact.tar.gz .
xargs -n1 -P2 echo < <(seq 4)
nproc
uname -a
date -u +%Y-%m-%dT%H:%M:%SZ
df -h . | tail -n 1
free -m || true
time -p true
timeout 10 make -v
nice -n 5 true
nohup true > /dev/null 2>&1

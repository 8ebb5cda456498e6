# task: look at the data with a few lines of Python
# needs: python3

printf 'name,size\na,3\nb,5\n' > data.csv
python3 -c "import csv; print(sum(int(r['size']) for r in csv.DictReader(open('data.csv'))))"
python3 -c 'import json,sys; print(json.load(sys.stdin)["a"])' <<< '{"a": 1}'
echo '{"b":2}' | python3 -m json.tool
python3 -c "import os; open('old.tmp','w').close(); os.unlink('old.tmp')"
python3 -c "import os; os.makedirs('a/b', exist_ok=True); os.rename('a/b', 'a/c')"
python3 -c "import shutil; shutil.rmtree('a')"
python3 -c "import pathlib; [p.unlink() for p in pathlib.Path('.').glob('*.tmp')]"
python3 -c "import subprocess; print(subprocess.run(['ls'], capture_output=True).returncode)"
python3 -c "import os; print(os.environ.get('HOME'))"
python3 -c "import hashlib; print(hashlib.sha256(open('data.csv','rb').read()).hexdigest())"
python3 -c "import sqlite3; print(sqlite3.sqlite_version)"
python3 -c "import socket; print(socket.gethostname())"
python3 -c "import time; time.sleep(0.1)"
python3 -c "import base64; print(base64.b64decode('aGVsbG8=').decode())"
python3 - <<'EOF'
print("from standard input")
EOF
python3 -m timeit -n 10 '"-".join(map(str, range(100)))'

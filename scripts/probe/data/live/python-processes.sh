# task: run the job in several processes
# needs: python3

cat > job.py <<'EOF'
import multiprocessing, subprocess, sys
def work(x): return x * x
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool: print(pool.map(work, range(4)))
    with multiprocessing.get_context("forkserver").Pool(2) as pool: print(pool.map(work, range(4)))
    subprocess.run([sys.executable, "-c", "print('child')"], check=True)
    subprocess.run("echo shell | tr a-z A-Z", shell=True, check=True)
EOF
python3 job.py
python3 -u job.py > job.log 2>&1
python3 -X importtime -c 'import json' 2>&1 | tail -n 3
python3 -m cProfile -s cumtime -o prof.out job.py
python3 -W error -c 'pass'
PYTHONPATH=. python3 -c 'import job'

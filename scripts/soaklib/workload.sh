# One round of everything that agents do, over and over; arguments: seconds, and how many to rest after a round.
# Prints one line a round.
# Programs that are not installed are left out, and said once.
set -u
end=$((SECONDS + $1))
pause=$2
round=0
top=$PWD
export TMPDIR=/tmp GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
have() { command -v "$1" >/dev/null 2>&1; }
for program in git sqlite3 gcc fio dbench stress-ng; do have "$program" || echo "without $program"; done

commits() {
    git init -q repo && cd repo || return 1
    for i in $(seq 8); do
        mkdir -p "d$i"; for f in $(seq 12); do echo "$i $f $RANDOM" > "d$i/f$f"; done
        git add -A && git commit -qm "number $i" || return 1
    done
    git checkout -q -b side HEAD~4 && echo side > side && git add -A && git commit -qm side || return 1
    git rebase -q - >/dev/null 2>&1 || git rebase --abort
    git gc -q && git fsck --strict --no-progress >/dev/null 2>&1
    local status=$?
    cd .. && rm -rf repo
    return $status
}
databases() {
    rm -f a.db*
    sqlite3 a.db 'pragma journal_mode=wal; create table t(a integer primary key, b text)' >/dev/null
    for w in 1 2 3; do
        (for i in $(seq 15); do sqlite3 -cmd '.timeout 20000' a.db "insert into t(b) values('$w $i')"; done) &
    done
    wait
    [ "$(sqlite3 a.db 'select count(*) from t; pragma integrity_check' | tr '\n' ' ')" = "45 ok " ]
}
small_files() {
    mkdir many && cd many || return 1
    for i in $(seq 400); do echo "$i" > "f$i"; done
    for i in $(seq 400); do mv "f$i" "g$i"; done
    cat g* | wc -l >/dev/null
    cd .. && tar cf many.tar many && rm -r many && tar xf many.tar && rm -r many many.tar
}
programs() { for _ in $(seq 60); do /bin/true; env printf x >/dev/null; done; }
python_work() {
    /usr/bin/python3 -c '
import concurrent.futures, json, mmap, os, tempfile
with tempfile.TemporaryDirectory(dir=".") as top:
    def work(n):
        path = f"{top}/{n}"
        with open(path, "w") as file: json.dump(list(range(500)), file)
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory: memory[:1] = b"["
        os.rename(path, path + "x"); os.stat(path + "x"); os.link(path + "x", path); os.unlink(path)
    with concurrent.futures.ThreadPoolExecutor(4) as pool: list(pool.map(work, range(200)))
held = [os.open("/etc/hostname", os.O_RDONLY) for _ in range(200)]
os._exit(0)'
}
building() { printf 'int main(void) { return 0; }\n' > m.c && gcc -o m m.c && ./m; }
refused() { cat /etc/shadow 2>/dev/null; ls /root /home/nobody 2>/dev/null; true; }
loopback() {
    /usr/bin/python3 -c '
import http.server, threading, urllib.request
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for _ in range(10): urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").read()
server.shutdown()' >/dev/null 2>&1
}
inside() { /usr/bin/python3 -I "$top/inside.py" "$1" "$round"; }
network() { inside net; }
servers() { inside mcp; }
paths() { inside paths; }
verified() { fio --name=v --rw=randwrite --size=4m --verify=crc32c --do_verify=1 --output=/dev/null && rm -f v.*; }
clients() { dbench -t 3 2 >/dev/null; }
stressed() { stress-ng --temp-path . --rename 1 --dir 1 --link 1 --utime 1 --timeout 3s --quiet; }

try() {  # program it needs, step
    have "$1" && [ $SECONDS -lt $end ] || return 0
    "$2" || echo "FAILED $2 in round $round"
}
while [ $SECONDS -lt $end ]; do
    round=$((round + 1))
    mkdir -p "work$((round % 3))" && cd "work$((round % 3))" || exit 1
    try git commits; try sqlite3 databases; try true small_files; try true programs; try python3 python_work
    try gcc building; try true refused; try python3 loopback; try python3 network; try python3 servers; try python3 paths; try fio verified; try dbench clients
    try stress-ng stressed
    cd .. && rm -rf "work$((round % 3))"
    echo "round $round"
    sleep "$pause"
done

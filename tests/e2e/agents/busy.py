"""An agent that uses what agents use: programs, threads, processes, an event loop, temporary files, maps, locks."""

import asyncio
import concurrent.futures
import fcntl
import json
import mmap
import multiprocessing
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading


def square(number):
    return number * number


def programs():
    print(subprocess.run(["sort"], input="b\na\n", capture_output=True, text=True).stdout.split())
    first = subprocess.Popen(["seq", "100"], stdout=subprocess.PIPE)
    second = subprocess.run(["tail", "-n", "2"], stdin=first.stdout, capture_output=True, text=True)
    first.stdout.close()
    print(second.stdout.split(), first.wait())
    print(subprocess.run("exit 3", shell=True).returncode)
    print(subprocess.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 15)"]).returncode)
    pathlib.Path("tool").write_text("#!/bin/sh\necho tool $1\n")
    os.chmod("tool", 0o755)
    print(subprocess.check_output(["./tool", "x"], text=True).strip())


def threads():
    total, lock = [0], threading.Lock()

    def work(number):
        path = pathlib.Path(f"thread{number}.txt")
        path.write_text("x" * number)
        with lock:
            total[0] += len(path.read_text())
        path.unlink()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    print(total)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print(sum(pool.map(square, range(100))))


def processes():
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            print(method, sum(pool.map(square, range(50))))
    queue = multiprocessing.Queue()
    child = multiprocessing.Process(target=queue.put, args=("from a child",))
    child.start()
    print(queue.get(timeout=20))
    child.join()
    shared = multiprocessing.Value("i", 5)
    print(shared.value)


async def loop():
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    out, _ = await child.communicate(b"through a pipe")
    print(out, child.returncode)

    async def greet(_, writer):
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    print(await reader.read())
    writer.close()
    server.close()
    print(await asyncio.gather(*(asyncio.to_thread(square, number) for number in range(5))))


def files():
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "deep", "down")
        path.mkdir(parents=True)
        (path / "f").write_bytes(bytes(range(256)) * 1000)
        shutil.copytree(directory + "/deep", "copied", dirs_exist_ok=True)
        print(directory.startswith(tempfile.gettempdir()), os.path.getsize("copied/down/f"))
    with tempfile.NamedTemporaryFile() as named, tempfile.TemporaryFile() as nameless:
        named.write(b"n")
        nameless.write(b"unlinked but open")
        nameless.seek(0)
        print(os.path.exists(named.name), nameless.read())
    with open("mapped", "w+b") as file:
        file.truncate(8192)
        with mmap.mmap(file.fileno(), 8192) as view:
            view[4096:4100] = b"page"
        file.seek(4096)
        print(file.read(4))
    with open("locked", "w") as one, open("locked", "w") as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("locked")
    os.rename("locked", "renamed")
    os.link("renamed", "linked")
    print(os.stat("linked").st_nlink, os.path.samefile("linked", "renamed"), sorted(os.listdir(".")))
    os.utime("renamed", ns=(1, 1_700_000_000_123_456_789))
    print(os.stat("linked").st_mtime_ns)
    try:
        os.open(".", os.O_TMPFILE | os.O_RDWR)
    except OSError:
        pass  # file systems may have none


def others():
    left, right = socket.socketpair()
    left.sendall(b"ping")
    print(right.recv(4))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("socket")
    listener.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect("socket")
    print(listener.accept()[0] is not None)
    os.unlink("socket")
    signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()
    print(json.dumps({"uid": os.getuid(), "gid": os.getgid(), "cwd": os.getcwd(), "home": os.path.expanduser("~")}))
    print(sys.version, sys.executable, os.environ.get("TMPDIR"), os.cpu_count() > 0)


if __name__ == "__main__":
    programs()
    threads()
    processes()
    asyncio.run(loop())
    files()
    others()

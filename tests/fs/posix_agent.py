"""An agent that checks, in its working directory, that files behave as POSIX says. Any difference is a traceback."""

from __future__ import annotations

import errno
import mmap
import multiprocessing
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable


def refused(code: int, action: Callable[..., object], *args: object) -> None:
    try:
        action(*args)
    except OSError as error:
        assert error.errno == code, error
    else:
        raise AssertionError(f"{action} worked")


def contents(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def unlinked_files() -> None:
    with tempfile.TemporaryFile(dir=".") as file:
        file.write(b"x" * 100)
        file.flush()
        file.seek(0)
        assert file.read() == b"x" * 100
    fd = os.open("u", os.O_RDWR | os.O_CREAT)
    os.unlink("u")
    os.write(fd, b"abc")
    assert (os.fstat(fd).st_nlink, os.fstat(fd).st_size, os.pread(fd, 3, 0)) == (0, 3, b"abc")
    os.ftruncate(fd, 1)
    os.fchmod(fd, 0o600)
    os.utime(fd)
    assert os.fstat(fd).st_size == 1
    os.close(fd)
    os.mkdir("d")
    held = os.open("d", os.O_RDONLY)
    os.rmdir("d")
    os.fstat(held)
    os.close(held)


def links_and_renames() -> None:
    with open("a", "wb") as file:
        file.write(b"a")
    os.link("a", "b")
    assert os.stat("a").st_ino == os.stat("b").st_ino
    assert os.stat("a").st_nlink == 2
    assert {entry.inode() for entry in os.scandir(".") if entry.name in "ab"} == {os.stat("a").st_ino}
    os.unlink("a")
    assert os.stat("b").st_nlink == 1
    with open("c", "wb") as file:
        file.write(b"c")
    with open("c", "rb") as replaced:
        os.rename("b", "c")
        assert replaced.read() == b"c"
    assert contents("c") == b"a"
    os.symlink("c", "l")
    assert os.readlink("l") == "c"
    os.utime("l", ns=(1, 2), follow_symlinks=False)
    assert os.lstat("l").st_mtime_ns == 2
    os.mkdir("sticky", 0o1777)
    assert stat.S_IMODE(os.stat("sticky").st_mode) & 0o1000


def opening() -> None:
    refused(errno.EEXIST, os.open, "c", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    refused(errno.ENOTDIR, os.open, "c/x", os.O_RDONLY)
    refused(errno.EISDIR, os.open, "sticky", os.O_WRONLY)
    refused(errno.ELOOP, os.open, "l", os.O_RDONLY | os.O_NOFOLLOW)
    first = os.open("ap", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    second = os.open("ap", os.O_WRONLY | os.O_APPEND)
    for _ in range(5):
        os.write(first, b"a")
        os.write(second, b"b")
    assert contents("ap") == b"ab" * 5
    os.close(os.open("ap", os.O_WRONLY | os.O_TRUNC))
    assert os.stat("ap").st_size == 0
    old = os.umask(0o027)
    os.close(os.open("masked", os.O_WRONLY | os.O_CREAT, 0o777))
    os.umask(old)
    assert stat.S_IMODE(os.stat("masked").st_mode) == 0o750


def sizes() -> None:
    fd = os.open("big", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"end", 5 << 30)
    assert os.fstat(fd).st_size == (5 << 30) + 3
    assert os.stat("big").st_blocks < 100
    assert os.pread(fd, 3, 5 << 30) == b"end"
    assert os.pread(fd, 3, 1 << 30) == b"\0\0\0"
    os.fsync(fd)
    os.fdatasync(fd)
    os.close(fd)
    os.truncate("big", 10)
    assert os.stat("big").st_size == 10
    with open("big", "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, 8192)  # libc falls back to writing
    assert os.stat("big").st_size == 8192
    refused(errno.EOPNOTSUPP, os.open, ".", os.O_TMPFILE | os.O_RDWR)


def mapped() -> None:
    with open("m", "w+b") as file:
        file.truncate(1 << 20)
        with mmap.mmap(file.fileno(), 1 << 20) as memory:
            memory[5000:5005] = b"hello"
            memory.flush()
    assert contents("m")[5000:5005] == b"hello"


def names_and_times() -> None:
    for name in (b"n" * 255, b"\xff\xfe", "µ".encode(), b"new\nline"):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
        assert name in os.listdir(b".")
        os.unlink(name)
    refused(errno.ENAMETOOLONG, os.open, "n" * 256, os.O_CREAT | os.O_WRONLY)
    os.utime("c", ns=(1234567890123456789, 987654321987654321))
    found = os.stat("c")
    assert (found.st_atime_ns, found.st_mtime_ns) == (1234567890123456789, 987654321987654321)
    os.chmod("c", 0o4755)
    assert stat.S_IMODE(os.stat("c").st_mode) == 0o755
    before = os.stat("c").st_ctime_ns
    os.chmod("c", 0o700)
    assert os.stat("c").st_ctime_ns >= before
    os.chown("c", os.getuid(), os.getgid())


def special() -> None:
    os.mkfifo("fifo")
    if os.fork() == 0:
        with open("fifo", "wb") as pipe:
            pipe.write(b"hi")
        os._exit(0)
    assert contents("fifo") == b"hi"
    os.wait()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("socket")
        server.listen()
        client.connect("socket")
    assert stat.S_ISSOCK(os.stat("socket").st_mode)
    refused(errno.EPERM, os.mknod, "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))


def many_names() -> None:
    os.mkdir("many")
    for index in range(1500):
        os.close(os.open(f"many/{index}", os.O_CREAT | os.O_WRONLY))
    listed = []
    with os.scandir("many") as entries:
        for count, entry in enumerate(entries):
            listed.append(entry.name)
            if count == 100:
                os.unlink("many/1499")
                os.close(os.open("many/later", os.O_CREAT | os.O_WRONLY))
    assert len(listed) == len(set(listed))
    assert {str(index) for index in range(1499)} <= set(listed)
    for name in os.listdir("many"):
        os.unlink(f"many/{name}")
    os.rmdir("many")


def side_by_side() -> None:
    def churn(number: int) -> None:
        for turn in range(60):
            path = f"t{number}-{turn}"
            with open(path, "wb") as file:
                file.write(path.encode())
            os.rename(path, path + "x")
            assert contents(path + "x") == path.encode()
            os.unlink(path + "x")

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert sum(pool.map(abs, range(100))) == 4950


if __name__ == "__main__":
    for check in (unlinked_files, links_and_renames, opening, sizes, mapped, names_and_times, special, many_names):
        check()
    side_by_side()
    print("all as POSIX says")

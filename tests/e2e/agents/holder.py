"""Take hold of a file in every way, read a private one, and say what is left of the hold. Prints one JSON object."""

import json
import mmap
import os
import signal
import sys
import threading

HELD, PRIVATE = sys.argv[1], sys.argv[2]


def tried(action):
    try:
        action()
    except OSError as error:
        import errno

        return errno.errorcode[error.errno]
    return "ok"


def touched(view):
    """Touch a mapping in a child; return "ok" or the name of the signal that ended it."""
    child = os.fork()
    if child == 0:
        os._exit(len(view[:1]) - 1)
    status = os.waitpid(child, 0)[1]
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "ok"


def look(fd, shared, private):
    return {
        "read": tried(lambda: os.pread(fd, 4, 0)),
        "write": tried(lambda: os.pwrite(fd, b"x", 5)),
        "shared mapping": touched(shared),
        "private mapping": touched(private),
        "open": tried(lambda: os.close(os.open(HELD, os.O_RDONLY))),
        "stat": tried(lambda: os.stat(HELD)),
        "fstat": tried(lambda: os.fstat(fd)),
        "other": tried(lambda: os.close(os.open("other.txt", os.O_RDONLY))),
    }


fd = os.open(HELD, os.O_RDWR)
shared = mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ)
private = mmap.mmap(fd, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)
shared[0], private[0]
before = look(fd, shared, private)


def read_from_below():
    """Read the file again and again as if for the first time, so that requests for it are always under way."""
    while True:
        for offset in range(0, os.path.getsize("other.txt"), 1 << 16):
            tried(lambda offset=offset: os.pread(fd, 1 << 16, offset))
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def look_up():
    while True:
        tried(lambda: os.stat(HELD))
        tried(lambda: os.stat(HELD + ".absent"))
        tried(lambda: os.close(os.open(HELD + ".new", os.O_WRONLY | os.O_CREAT)))


if len(sys.argv) > 3:
    for work in (read_from_below, read_from_below, look_up, look_up):
        threading.Thread(target=work, daemon=True).start()
with open(PRIVATE, "rb") as source:
    content = source.read()
after = look(fd, shared, private)
print(json.dumps({"before": before, "after": after, "content": len(content)}))
sys.stdout.flush()
os._exit(0)

"""An agent that keeps reads, execs, page faults, writes and renames under way all the time, until it is killed."""

import mmap
import os
import subprocess
import threading

SIZE = 4 << 20


def forever(function):
    def loop():
        while True:
            function()

    threading.Thread(target=loop, daemon=True).start()


def read():
    with open("big", "rb") as file:
        os.pread(file.fileno(), 1 << 16, 0)
    os.listdir(".")


def fault():
    with open("big", "rb") as file, mmap.mmap(file.fileno(), SIZE, prot=mmap.PROT_READ) as view:
        for offset in range(0, SIZE, 1 << 16):
            view[offset]
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def write():
    with open("written", "w") as file:
        file.write("x" * 1000)
    os.rename("written", "renamed")


with open("big", "wb") as file:
    file.truncate(SIZE)
print("ready", flush=True)
forever(read)
forever(fault)
forever(write)
while True:
    subprocess.run(["/bin/true"], check=True)

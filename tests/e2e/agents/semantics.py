"""Tries corners of POSIX's file semantics and says what came of each, so that two runs can be compared.

Prints one line of JSON a corner: its name and what was seen, an errno by its name. Each corner has a directory of its
own. Nothing here depends on clocks, inode numbers, or which user runs it.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import stat
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
PAGE = mmap.PAGESIZE


CORNERS = []


def corner(action):
    """Have this one tried by `main`."""
    CORNERS.append(action)
    return action


def tried(action, *args, **named):
    """Return what a call returned, or the name of its errno."""
    try:
        return action(*args, **named)
    except OSError as error:
        return errno.errorcode[error.errno]


def raw(name, *args):
    """Return what a function of libc returned, or the name of its errno."""
    found = getattr(libc, name)(*args)
    return errno.errorcode[ctypes.get_errno()] if found < 0 else found


def make(path, data=b""):
    with open(path, "wb") as file:
        file.write(data)
    return path


def get(path):
    with open(path, "rb") as file:
        return file.read().decode("latin-1")


def child(action):
    """Run something in a child; return its exit status, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = int(action() or 0)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# ------------------------------------------------------------------------------------------------------------ names


@corner
def rename_over_an_open_file():
    make("old", b"old")
    make("new", b"new")
    with open("old", "r+b") as held:
        number = os.stat("new").st_ino
        os.rename("new", "old")
        held.seek(0, os.SEEK_END)
        held.write(b"er")
        held.flush()
        seen = os.pread(held.fileno(), 9, 0).decode(), os.fstat(held.fileno()).st_nlink, os.fstat(held.fileno()).st_size
        return *seen, get("old"), os.stat("old").st_ino == number, os.listdir(".")


@corner
def renames_and_what_stands_there():
    for path in ("d", "d/e", "empty", "full", "full/x"):
        os.mkdir(path)
    make("f", b"f")
    os.link("f", "twin")
    os.symlink("f", "l")
    pairs = [
        ("d", "full"), ("d", "f"), ("f", "empty"), ("d", "d/e/inside"), ("f", "twin"), ("f", "f"), ("d", "d"),
        ("l", "twin"), ("d", "empty"), ("absent", "x"), ("f", "absent/x"), ("empty", "."),
        ("empty/e", ".."), (".", "y"),
    ]  # fmt: skip
    return [[*pair, tried(os.rename, *pair)] for pair in pairs], sorted(os.listdir(".")), os.path.islink("twin")


@corner
def exchange_and_no_replace():
    make("a", b"a")
    os.mkdir("d")
    make("d/b", b"b")
    flags = {"no replace": 1, "exchange": 2, "both": 3, "unknown": 1 << 10}
    found = {name: raw("renameat2", AT_FDCWD, b"a", AT_FDCWD, b"d/b", flag) for name, flag in flags.items()}
    found["file and directory"] = raw("renameat2", AT_FDCWD, b"a", AT_FDCWD, b"d", 2)
    return found, os.path.isdir("a"), os.path.isfile("d"), sorted(os.listdir("a"))


@corner
def removing():
    os.mkdir("d")
    os.mkdir("d/e")
    make("f")
    calls = (
        (os.rmdir, "d"),
        (os.rmdir, "f"),
        (os.unlink, "d"),
        (os.rmdir, "d/e/."),
        (os.rmdir, "d/e/.."),
        (os.unlink, "f/"),
    )
    return [tried(*each) for each in calls], tried(os.rmdir, "absent"), sorted(os.listdir("."))


@corner
def counts_of_links():
    os.mkdir("d")
    seen = [os.stat("d").st_nlink]
    for name in ("d/a", "d/b"):
        os.mkdir(name)
    make("d/f")
    seen.append(os.stat("d").st_nlink)
    os.rename("d/a", "a")
    seen += [os.stat("d").st_nlink, os.stat("a").st_nlink]
    for number in range(300):
        os.link("d/f", f"a/{number}")
    seen += [os.stat("d/f").st_nlink, os.stat("a/7").st_nlink]
    for number in range(0, 300, 2):
        os.unlink(f"a/{number}")
    os.rename("a/1", "a/3")  # two names of one file: nothing happens
    seen += [os.stat("d/f").st_nlink, sorted(os.listdir("a")) == sorted(str(n) for n in range(1, 300, 2))]
    return seen, tried(os.link, "d", "hard"), tried(os.link, "absent", "x"), tried(os.link, "d/f", "a/3")


@corner
def links_to_what_has_no_name():
    fd = os.open("gone", os.O_RDWR | os.O_CREAT)
    os.unlink("gone")
    return raw("linkat", AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, b"back", 0x400), os.listdir(".")


@corner
def long_names():
    deep = "/".join(["d" * 200] * 19)
    at = os.getcwd()
    for part in deep.split("/"):
        os.mkdir(part)
        os.chdir(part)
    make("f", b"deep")
    os.chdir(at)
    names = [
        tried(make, b"n" * 255),
        tried(make, b"n" * 256),
        tried(os.mkdir, "ü" * 128),
        tried(os.symlink, "x", "n" * 256),
    ]
    paths = [tried(get, deep + "/f"), tried(os.stat, deep + "/" + "x/" * 200), tried(os.symlink, "t" * 4095, "l")]
    links = [tried(os.symlink, "t" * 4096, "m"), tried(os.symlink, "", "e"), len(os.readlink("l")), tried(os.stat, "l")]
    return [str(each)[:20] for each in (*names, *paths, *links)]


@corner
def loops_of_links():
    os.symlink("b", "a")
    os.symlink("a", "b")
    os.symlink("self/x", "self")
    make("end", b"end")
    os.symlink("end", "l0")
    for number in range(1, 45):
        os.symlink(f"l{number - 1}", f"l{number}")
    calls = [tried(get, "a"), tried(os.stat, "self"), tried(os.chmod, "a", 0o600), tried(os.truncate, "b", 0)]
    calls += [
        tried(os.open, "a", os.O_CREAT | os.O_WRONLY),
        tried(os.mkdir, "a/x"),
        tried(get, "l39"),
        tried(get, "l40"),
    ]
    return calls, len(os.readlink("l44")), os.lstat("l3").st_size


@corner
def changing_while_it_is_listed():
    names = {f"{number:04}" for number in range(600)}
    for name in names:
        make(name)
    seen = []
    with os.scandir(".") as entries:
        for count, entry in enumerate(entries):
            seen.append(entry.name)
            if count == 10:
                gone = sorted(names - set(seen))[::3]
                for name in gone:
                    os.unlink(name)
                for number in range(50):
                    make(f"later{number}")
    stayed = names - set(gone)
    return len(seen) == len(set(seen)), stayed <= set(seen), len(os.listdir(".")) == len(stayed) + 50


class Entry(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("len", ctypes.c_uint16), ("type", ctypes.c_uint8),
                ("name", ctypes.c_char * 256)]  # fmt: skip


@corner
def a_place_in_a_listing():
    for number in range(300):
        make(f"{number}")
    libc.opendir.restype = ctypes.c_void_p
    libc.readdir.restype = ctypes.POINTER(Entry)
    libc.telldir.restype = ctypes.c_long
    stream = ctypes.c_void_p(libc.opendir(b"."))

    def rest():
        found = []
        while entry := libc.readdir(stream):
            found.append(entry.contents.name)
        return found

    first = [libc.readdir(stream).contents.name for _ in range(100)]
    place = ctypes.c_long(libc.telldir(stream))
    after = rest()
    libc.seekdir(stream, place)
    again = rest()
    libc.rewinddir(stream)
    whole = rest()
    make("made-later")
    libc.rewinddir(stream)
    later = b"made-later" in rest()
    libc.closedir(stream)
    return after == again, sorted(first + after) == sorted(whole), len(set(whole)), later


@corner
def a_directory_that_is_gone():
    os.mkdir("d")
    os.chdir("d")
    held = os.open(".", os.O_RDONLY)
    os.rmdir("../d")
    calls = [tried(os.getcwd), tried(os.listdir, "."), tried(os.listdir, held), tried(make, "x"), tried(os.mkdir, "y")]
    calls += [tried(os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=held), tried(os.symlink, "a", "b")]
    return calls, stat.S_ISDIR(os.fstat(held).st_mode), os.fstat(held).st_nlink


# ---------------------------------------------------------------------------------------------------- opening, bytes


@corner
def ways_to_open():
    make("f", b"content")
    os.mkdir("d")
    os.symlink("nowhere", "dangling")
    ways = {
        "exclusive, dangling": ("dangling", os.O_CREAT | os.O_EXCL | os.O_WRONLY),
        "dangling, not followed": ("dangling", os.O_RDONLY | os.O_NOFOLLOW),
        "directory to write": ("d", os.O_WRONLY),
        "directory to make": ("d", os.O_CREAT | os.O_RDONLY),
        "file as directory": ("f", os.O_RDONLY | os.O_DIRECTORY),
        "slash behind file": ("f/", os.O_RDONLY),
        "make with slash": ("new/", os.O_CREAT | os.O_WRONLY),
        "nameless": ("", os.O_RDONLY),
        "NUL-free but not UTF-8": (b"\xff\xfe\x01", os.O_CREAT | os.O_WRONLY),
    }
    found = {name: type(tried(os.open, *way)) is int or tried(os.open, *way) for name, way in ways.items()}
    through = os.open("dangling", os.O_CREAT | os.O_WRONLY)
    os.write(through, b"through")
    path = os.open("f", getattr(os, "O_PATH", 0o10000000))
    seen = [tried(os.read, path, 1), tried(os.fchmod, path, 0o600), os.fstat(path).st_size]
    cut = tried(os.open, "f", os.O_WRONLY | os.O_TRUNC | os.O_APPEND)
    return found, get("nowhere"), seen, os.write(cut, b"12"), get("f")


@corner
def what_a_descriptor_may():
    make("f", b"0123456789")
    reading, writing = os.open("f", os.O_RDONLY), os.open("f", os.O_WRONLY)
    calls = [tried(os.write, reading, b"x"), tried(os.read, writing, 1), tried(os.ftruncate, reading, 1)]
    calls += [tried(os.lseek, reading, -1, 0), tried(os.lseek, reading, 100, 1), os.read(reading, 5).decode()]
    calls += [tried(os.pwrite, writing, b"x", -1), tried(os.truncate, "f", -1), tried(os.pread, reading, 0, 0).decode()]
    calls += [tried(os.lseek, reading, 0, 9), tried(os.posix_fallocate, reading, 0, 10)]
    twin = os.dup(reading)
    os.lseek(twin, 3, 0)
    child(lambda: os.lseek(twin, 2, 1) and 0)
    return calls, os.read(reading, 2).decode(), tried(os.preadv, reading, [bytearray(2), bytearray(99)], 8)


@corner
def appending():
    make("f", b"0123")
    fd = os.open("f", os.O_RDWR | os.O_APPEND)
    os.pwrite(fd, b"AB", 0)  # Linux appends all the same
    seen = [get("f"), os.lseek(fd, 0, 1)]
    os.write(fd, b"C")
    seen += [get("f"), os.lseek(fd, 0, 1)]
    other = os.open("f", os.O_RDWR)
    fcntl.fcntl(other, fcntl.F_SETFL, os.O_APPEND)
    os.write(other, b"D")
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    os.pwrite(fd, b"z", 0)
    return *seen, get("f"), fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND


@corner
def many_processes_append():
    make("log")

    def write(number):
        fd = os.open("log", os.O_WRONLY | os.O_APPEND)
        for _ in range(60):
            os.write(fd, str(number).encode() * 99 + b"\n")
        os._exit(0)

    for number in range(6):
        if os.fork() == 0:
            write(number)
    codes = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(6)]
    lines = get("log").splitlines()
    whole = all(len(line) == 99 and len(set(line)) == 1 for line in lines)
    return codes, len(lines), whole, sorted({line[0]: 0 for line in lines})


@corner
def files_too_long():
    def over():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        fd = os.open("f", os.O_RDWR | os.O_CREAT)
        seen = [tried(os.write, fd, b"x" * 150), tried(os.write, fd, b"x"), tried(os.ftruncate, fd, 101)]
        make_report(json.dumps([*seen, os.fstat(fd).st_size]))

    def make_report(text):
        os.write(pipe[1], text.encode())

    pipe = os.pipe()
    return child(over), json.loads(os.read(pipe[0], 999)), tried(os.truncate, "f", (1 << 63) - 1)


@corner
def holes():
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"end", 1 << 30)
    os.pwrite(fd, b"middle", 1 << 20)
    facts = os.fstat(fd)
    seen = [facts.st_size, facts.st_blocks < 100, os.pread(fd, 6, 1 << 20).decode(), not any(os.pread(fd, 4096, 5))]
    os.ftruncate(fd, (1 << 20) + 3)
    os.ftruncate(fd, 1 << 21)
    beyond = [tried(os.lseek, fd, 1 << 21, whence) for whence in (os.SEEK_DATA, os.SEEK_HOLE)]
    found = os.lseek(fd, 1 << 20, os.SEEK_DATA), os.lseek(fd, 1 << 20, os.SEEK_HOLE) > 1 << 20
    return seen, os.pread(fd, 8, 1 << 20).hex(), beyond, found


@corner
def cut_and_grown():
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"x" * (PAGE + 100))
    os.ftruncate(fd, PAGE + 10)
    os.ftruncate(fd, PAGE * 2)
    seen = [set(os.pread(fd, PAGE, PAGE + 10)) == {0}, os.pread(fd, 12, PAGE).hex(), os.fstat(fd).st_size]
    os.truncate("f", 0)
    return *seen, os.pread(fd, 10, 0).hex(), os.lseek(fd, 0, 1), os.write(fd, b"y"), os.fstat(fd).st_size


@corner
def copied_within_the_kernel():
    make("from", b"0123456789" * 1000)
    source, target = os.open("from", os.O_RDONLY), os.open("to", os.O_RDWR | os.O_CREAT)
    both, directory = os.open("from", os.O_RDWR), os.open(".", os.O_RDONLY)
    append = os.open("to", os.O_WRONLY | os.O_APPEND)
    copy = os.copy_file_range
    seen: list[object] = [
        copy(source, target, 5000),
        copy(source, target, 99999),
        copy(source, target, 1),
        os.fstat(target).st_size,
    ]
    seen += [tried(copy, both, both, 100, 0, 50), tried(copy, both, both, 100, 0, 5000), tried(copy, target, source, 1)]
    seen += [tried(copy, source, append, 1), tried(copy, directory, target, 1), copy(source, target, 10, 99999, 0)]
    pipe = os.pipe()
    seen += [os.splice(source, pipe[1], 300, offset_src=5), os.read(pipe[0], 999).decode()]
    seen += [os.write(pipe[1], b"piped"), os.splice(pipe[0], target, 5, offset_dst=3), os.pread(target, 10, 0).decode()]
    return seen, os.sendfile(target, source, 0, 30), get("to")[-40:], get("from")[4990:5110]


# ------------------------------------------------------------------------------------------------- locks and mappings


def lock(kind, start=0, length=0):
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0)


@corner
def locks_of_processes():
    make("f", b"x" * 100)
    ours, theirs = os.open("f", os.O_RDWR), os.open("f", os.O_RDWR)
    fcntl.fcntl(ours, fcntl.F_SETLK, lock(fcntl.F_WRLCK, 10, 10))
    fcntl.fcntl(ours, fcntl.F_SETLK, lock(fcntl.F_RDLCK, 30, 10))

    def look():
        wanted = (fcntl.F_WRLCK, 15, 1), (fcntl.F_WRLCK, 20, 10), (fcntl.F_RDLCK, 35, 9), (fcntl.F_WRLCK, 39, 1)
        took = [tried(fcntl.fcntl, theirs, fcntl.F_SETLK, lock(*each)) for each in wanted]
        held = struct.unpack("hhqqi4x", fcntl.fcntl(theirs, fcntl.F_GETLK, lock(fcntl.F_WRLCK)))
        os.write(pipe[1], json.dumps([[str(each)[:7] for each in took], held[:4], held[4] == os.getppid()]).encode())

    pipe = os.pipe()
    first = child(look), json.loads(os.read(pipe[0], 999))
    os.close(os.open("f", os.O_RDONLY))  # any close gives up all locks of the process
    return *first, child(look), json.loads(os.read(pipe[0], 999))


@corner
def locks_of_open_files():
    make("f")
    one, two = os.open("f", os.O_RDWR), os.open("f", os.O_RDWR)
    take, wait, ask = fcntl.F_OFD_SETLK, 38, fcntl.F_OFD_GETLK
    seen: list[object] = [str(tried(fcntl.fcntl, one, take, lock(fcntl.F_WRLCK)))[:7] == "EAGAIN"]
    seen += [tried(fcntl.fcntl, two, take, lock(fcntl.F_RDLCK))]
    seen += [struct.unpack("hhqqi4x", fcntl.fcntl(two, ask, lock(fcntl.F_RDLCK)))[0::4]]
    seen += [child(lambda: fcntl.fcntl(one, wait, lock(fcntl.F_UNLCK)) and 0)]  # the child shares it
    seen += [type(tried(fcntl.fcntl, two, take, lock(fcntl.F_RDLCK))) is bytes]
    seen += [child(lambda: tried(fcntl.fcntl, os.open("f", os.O_RDWR), take, lock(fcntl.F_WRLCK)) == "EAGAIN")]
    os.close(two)
    return seen, type(tried(fcntl.fcntl, one, take, lock(fcntl.F_WRLCK))) is bytes


@corner
def locks_of_whole_files():
    make("f")
    one, two = os.open("f", os.O_RDONLY), os.open("f", os.O_RDWR)
    now = fcntl.LOCK_NB
    seen = [tried(fcntl.flock, one, fcntl.LOCK_EX | now), tried(fcntl.flock, two, fcntl.LOCK_SH | now)]
    seen += [tried(fcntl.flock, one, fcntl.LOCK_SH | now), tried(fcntl.flock, two, fcntl.LOCK_SH | now)]
    seen += [tried(fcntl.flock, one, fcntl.LOCK_EX | now), child(lambda: fcntl.flock(os.dup(two), fcntl.LOCK_UN))]
    return *seen, tried(fcntl.flock, one, fcntl.LOCK_EX | now), tried(fcntl.flock, two, fcntl.LOCK_EX | now)


@corner
def a_waiting_lock_is_granted():
    make("f")
    fd = os.open("f", os.O_RDWR)
    pipe = os.pipe()
    fcntl.lockf(fd, fcntl.LOCK_EX)
    if (pid := os.fork()) == 0:
        os.write(pipe[1], b"1")
        fcntl.lockf(os.open("f", os.O_RDWR), fcntl.LOCK_EX)
        os.write(pipe[1], get("f").encode())
        os._exit(0)
    seen = [os.read(pipe[0], 1).decode()]
    os.write(fd, b"first")
    fcntl.lockf(fd, fcntl.LOCK_UN)
    return *seen, os.read(pipe[0], 9).decode(), os.waitpid(pid, 0)[1]


@corner
def mapped_by_two():
    make("f", bytes(PAGE * 3))
    fd = os.open("f", os.O_RDWR)
    ours = mmap.mmap(fd, PAGE * 3)

    def write():
        other = os.open("f", os.O_RDWR)
        theirs = mmap.mmap(other, PAGE * 3)
        theirs[PAGE : PAGE + 5] = b"child"
        os.pwrite(other, b"by write", 2 * PAGE)
        return theirs[2 * PAGE : 2 * PAGE + 8] != b"by write"

    seen = [child(write), ours[PAGE : PAGE + 5].decode(), ours[2 * PAGE : 2 * PAGE + 8].decode()]
    ours[:4] = b"ours"
    seen.append(os.pread(fd, 4, 0).decode())
    private = mmap.mmap(fd, PAGE, flags=mmap.MAP_PRIVATE)
    private[:4] = b"mine"
    ours.flush()
    os.unlink("f")
    ours[8:12] = b"gone"
    return *seen, os.pread(fd, 12, 0).hex(), os.fstat(fd).st_nlink, private[:4].decode()


@corner
def mapping_and_rights():
    make("f", b"x" * 100)
    reading = os.open("f", os.O_RDONLY)
    writing = os.open("f", os.O_WRONLY)
    seen = [tried(lambda: len(mmap.mmap(reading, 100, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)))]
    seen += [tried(lambda: len(mmap.mmap(writing, 100, mmap.MAP_SHARED, mmap.PROT_READ)))]
    seen += [tried(lambda: len(mmap.mmap(reading, 100, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)))]
    memory = mmap.mmap(os.open("f", os.O_RDWR), 100)
    return *seen, memory[99:].decode(), len(get("f"))


@corner
def cut_while_it_is_mapped():
    make("f", b"x" * PAGE * 3)

    def read_beyond():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        fd = os.open("f", os.O_RDWR)
        memory = mmap.mmap(fd, PAGE * 3)
        assert memory[PAGE * 2] == ord("x")
        os.ftruncate(fd, PAGE + 10)
        if memory[PAGE + 10 : PAGE * 2] != bytes(PAGE - 10):
            return 1
        return memory[PAGE * 2]

    return child(read_beyond) == -signal.SIGBUS, os.stat("f").st_size


# --------------------------------------------------------------------------------------------------------- attributes


@corner
def bits_of_modes():
    os.mkdir("d")
    seen = []
    for mode in (0o1777, 0o2755, 0o3770, 0o700):
        os.chmod("d", mode)
        seen.append(oct(os.stat("d").st_mode))
    os.chmod("d", 0o2755)
    os.mkdir("d/e")
    make("d/f")
    os.chmod("d/f", 0o1644)
    seen += [oct(os.stat(each).st_mode) for each in ("d/e", "d/f")]
    os.umask(0o077)
    os.mkdir("closed", 0o1777)
    os.mkfifo("pipe", 0o666)
    os.umask(0o022)
    return *seen, oct(os.stat("closed").st_mode), oct(os.stat("pipe").st_mode), oct(os.lstat("closed").st_mode)


def times(*pairs):
    return ctypes.byref((ctypes.c_long * 4)(*[number for pair in pairs for number in pair]))


@corner
def special_times():
    now, omit = (0, (1 << 30) - 1), (0, (1 << 30) - 2)
    make("f")
    os.symlink("f", "l")

    def set_to(path, *pairs, flags=0):
        return raw("utimensat", AT_FDCWD, path, times(*pairs), flags)

    seen = [
        set_to(b"f", (5, 6), (7, 8)),
        set_to(b"f", omit, (9, 10)),
        os.stat("f").st_atime_ns,
        os.stat("f").st_mtime_ns,
    ]
    seen += [set_to(b"f", now, omit), os.stat("f").st_atime > 10**9, os.stat("f").st_mtime_ns]
    seen += [set_to(b"f", (0, 10**9), (1, 1)), set_to(b"f", (0, -1), (1, 1)), set_to(b"absent", omit, omit)]
    seen += [set_to(b"f", (-100, 999), (2**33, 5)), os.stat("f").st_atime_ns, os.stat("f").st_mtime_ns]
    seen += [set_to(b"l", (1, 2), (3, 4), flags=0x100), os.lstat("l").st_mtime_ns, os.stat("f").st_mtime_ns]
    return *seen, set_to(b"f", omit, omit), os.stat("f").st_mtime_ns, raw("futimens", os.open("f", 0), None)


def tick():
    """Let the clock go on by which file systems date."""
    start = time.clock_gettime_ns(5)
    while time.clock_gettime_ns(5) - start < 20_000_000:
        os.sched_yield()


@corner
def which_times_move():
    """Not by chown to the owner that is: the kernel, and we, may leave that out."""
    os.mkdir("d")
    make("d/f", b"content")
    os.mkdir("e")
    fd = os.open("d/f", os.O_RDWR)
    held = os.open("d/f", os.O_RDWR)
    steps = {
        "read": lambda: os.read(fd, 3),
        "write": lambda: os.pwrite(fd, b"x", 0),
        "write nothing": lambda: os.write(fd, b""),
        "truncate": lambda: os.truncate("d/f", 3),
        "truncate to the same": lambda: os.truncate("d/f", 3),
        "ftruncate to the same": lambda: os.ftruncate(held, 3),
        "chmod": lambda: os.chmod("d/f", 0o600),
        "link": lambda: os.link("d/f", "d/g"),
        "unlink": lambda: os.unlink("d/g"),
        "rename": lambda: os.rename("d/f", "e/f"),
        "rename back": lambda: os.rename("e/f", "d/f"),
        "list": lambda: os.listdir("d"),
        "open to write": lambda: os.close(os.open("d/f", os.O_RDWR)),
        "open with truncation": lambda: make("d/f"),
        "mkdir": lambda: os.mkdir("d/s"),
        "rmdir": lambda: os.rmdir("d/s"),
        "symlink": lambda: os.symlink("f", "d/l"),
        "fsync": lambda: os.fsync(fd),
        "setxattr": lambda: tried(os.setxattr, "d/f", "user.a", b"1"),
    }

    def look():
        return [getattr(os.stat(path), key) for path in ("d/f", "d", "e") for key in ("st_mtime_ns", "st_ctime_ns")]

    found = {}
    for name, step in steps.items():
        known = look() if os.path.exists("d/f") else None
        tick()
        keep = step()
        if known and os.path.exists("d/f"):
            found[name] = [one != other for one, other in zip(known, look(), strict=True)]
        del keep
    return found


@corner
def attributes_of_the_user():
    make("f")
    os.symlink("f", "l")
    os.mkdir("d")
    calls = [tried(os.setxattr, "f", "user." + "n" * size, b"v") for size in (1, 250, 251)]
    calls += [tried(os.setxattr, "f", "user.", b"v"), tried(os.setxattr, "f", "nospace.a", b"v")]
    calls += [tried(os.setxattr, "f", "user.big", b"v" * 65537), tried(os.getxattr, "f", "user.absent")]
    calls += [tried(os.setxattr, "l", "user.a", b"v", follow_symlinks=False), tried(os.setxattr, "d", "user.a", b"")]
    calls += [
        tried(os.setxattr, "f", "user.a", b"1", os.XATTR_REPLACE),
        tried(os.setxattr, "f", "user.n", b"2", os.XATTR_CREATE),
    ]
    calls += [
        raw("getxattr", b"f", b"user.n", None, 0),
        raw("getxattr", b"f", b"user.n", b"", 0),
        os.getxattr("d", "user.a").hex(),
    ]
    calls += [
        raw("listxattr", b"f", ctypes.create_string_buffer(3), 3),
        sorted(len(name) for name in os.listxattr("f")),
    ]
    calls += [tried(os.removexattr, "f", "user.n"), tried(os.removexattr, "f", "user.n"), len(os.listxattr("f"))]
    fd = os.open("f", os.O_RDONLY)
    os.unlink("f")
    return calls, tried(os.setxattr, fd, "user.held", b"v"), tried(os.getxattr, fd, "user.held") == b"v"


@corner
def kinds_and_sizes():
    make("f", b"x" * 10_000)
    os.mkdir("d")
    os.symlink("to", "l")
    os.mkfifo("p")
    seen = {}
    for name in ("f", "d", "l", "p"):
        buffer = ctypes.create_string_buffer(256)
        assert raw("statx", AT_FDCWD, name.encode(), 0x100, 0x7FF, buffer) == 0
        mask, _, _, nlink, uid, gid, mode, _, _, size, blocks = struct.unpack("IIQIIIHHQQQ", buffer.raw[:56])
        own = uid == os.getuid(), gid == os.getgid()
        seen[name] = mask & 0x7FF, nlink, own, oct(mode), size if name != "d" else 0, blocks if name == "f" else 0
    kinds = {entry.name: entry.is_dir(follow_symlinks=False) for entry in os.scandir(".")}
    calls = [raw("statx", AT_FDCWD, b"f", 0x6000, 0x7FF, buffer), raw("statx", AT_FDCWD, b"", 0x1000, 0x7FF, buffer)]
    return seen, kinds, calls, os.statvfs(".").f_namemax, os.pathconf(".", "PC_PATH_MAX")


@corner
def made_without_a_name():
    return type(tried(os.open, ".", os.O_TMPFILE | os.O_RDWR)) is int or tried(os.open, ".", os.O_TMPFILE | os.O_RDWR)


@corner
def allocated():
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"x" * PAGE * 4)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
    modes = {"ahead": 0, "ahead, same size": 1, "hole": 3, "collapse": 8, "zero": 16, "insert": 32}
    return {name: raw("fallocate", fd, mode, PAGE, PAGE) for name, mode in modes.items()}, os.fstat(fd).st_size


@corner
def where_data_is():
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"end", 1 << 24)
    return os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 0, os.SEEK_HOLE)


def main():
    top = os.getcwd()
    for each in CORNERS:
        place = f"{top}/corners/{each.__name__}"
        os.makedirs(place)
        os.chdir(place)
        print(json.dumps([each.__name__, tried(each)]), flush=True)


if __name__ == "__main__":
    main()

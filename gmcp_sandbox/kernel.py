"""System calls that Python has no function for, through ctypes, in one place.

Every function either succeeds or raises `OSError` with the kernel's errno. Names are bytes, as the kernel sees them.
x86_64 and aarch64 share the numbers of the calls made by number here (all newer than the common table's start,
Linux 5.x asm-generic), except those listed in `_BY_MACHINE`.

Sources: unshare(2), setns(2), inotify(7), mount(2), umount(2), pivot_root(2), statx(2), openat2(2), rename(2),
close_range(2), keyctl(2), fsopen, fsconfig and fsmount (Linux include/uapi/linux/mount.h), landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable
from typing import NamedTuple

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_NOSYMFOLLOW = 0x100
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
O_PATH = 0o10000000

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

KEYCTL_JOIN_SESSION_KEYRING = 1

_BY_MACHINE = {
    "x86_64": {"pivot_root": 155, "keyctl": 250},
    "aarch64": {"pivot_root": 41, "keyctl": 219},
}
_NR = _BY_MACHINE.get(platform.machine(), {}) | {
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "close_range": 436,
    "openat2": 437,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_statx = _libc.statx
_statx.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
_renameat2 = _libc.renameat2
_renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)

_STATX_BASIC_AND_BTIME = 0x0FFF
_StatxBuffer = ctypes.c_char * 256
_STATX = struct.Struct("<IIQIIIHHQQQQ qIi qIi qIi qIi IIII")
"""mask blksize attributes nlink uid gid mode pad ino size blocks attributes_mask, then atime btime ctime mtime as
(seconds, nanoseconds, pad), then rdev major and minor, dev major and minor (include/uapi/linux/stat.h)."""


class Statx(NamedTuple):
    """What statx(2) says. Times are nanoseconds since the epoch; `btime_ns` is None where the file system has none."""

    dev: int
    ino: int
    btime_ns: int | None
    mode: int
    nlink: int
    uid: int
    gid: int
    size: int
    blocks: int
    blksize: int
    rdev: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int


def _call(name: str, *args: object) -> int:
    """Make the system call `name`; raise OSError on failure."""
    result: int = _syscall(ctypes.c_long(_NR[name]), *args)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def _check(name: str, result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def unshare(flags: int) -> None:
    """Move the calling process into new namespaces (`CLONE_NEW…` flags)."""
    _check("unshare", _libc.unshare(ctypes.c_int(flags)))


def setns(fd: int, kind: int) -> None:
    """Enter the namespace that `fd` refers to; `kind` is its `CLONE_NEW…` flag or 0."""
    _check("setns", _libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)))


def mount(source: bytes, target: bytes, fstype: bytes | None, flags: int, data: bytes | None = None) -> None:
    """Mount, bind, remount or change propagation, as mount(2)."""
    result = _libc.mount(
        ctypes.c_char_p(source),
        ctypes.c_char_p(target),
        ctypes.c_char_p(fstype),
        ctypes.c_ulong(flags),
        ctypes.c_char_p(data),
    )
    _check("mount", result)


def umount(target: bytes, flags: int = 0) -> None:
    """Unmount, as umount2(2)."""
    _check("umount2", _libc.umount2(ctypes.c_char_p(target), ctypes.c_int(flags)))


def pivot_root(new_root: bytes, put_old: bytes) -> None:
    """Exchange the root mount, as pivot_root(2)."""
    _call("pivot_root", ctypes.c_char_p(new_root), ctypes.c_char_p(put_old))


def sethostname(name: bytes) -> None:
    """Set the host name of the calling process's UTS namespace."""
    _check("sethostname", _libc.sethostname(ctypes.c_char_p(name), ctypes.c_size_t(len(name))))


def drop_capabilities() -> None:
    """Empty the calling thread's effective, permitted and inheritable capability sets, as capset(2)."""
    keep_capabilities(())


def keep_capabilities(kept: Iterable[int]) -> None:
    """Give up the calling thread's capabilities but these, and let none be inherited, as capset(2)."""
    version_3 = 0x20080522
    header = (ctypes.c_uint32 * 2)(version_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice: low and high 32 bits
    for number in kept:
        word, bit = divmod(number, 32)
        sets[3 * word] |= 1 << bit
        sets[3 * word + 1] |= 1 << bit
    _check("capset", _libc.capset(header, sets))


def join_new_session_keyring() -> None:
    """Leave the caller's session keyring for a new, empty, anonymous one."""
    _call("keyctl", ctypes.c_int(KEYCTL_JOIN_SESSION_KEYRING), ctypes.c_char_p(None))


def refuse_input(fd: int) -> None:
    """Attach a socket filter that drops everything that arrives, as socket(7), SO_ATTACH_FILTER."""
    sol_socket, so_attach_filter = 1, 26
    drop = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0), 8)  # BPF_RET | BPF_K, 0 bytes kept
    program = struct.pack("@HP", 1, ctypes.addressof(drop))
    _check("setsockopt", _libc.setsockopt(fd, sol_socket, so_attach_filter, program, len(program)))


def inotify() -> int:
    """Return a new inotify(7) descriptor that does not wait."""
    return _check("inotify_init1", _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))


def inotify_add(fd: int, path: bytes, events: int) -> int:
    """Watch `path` for `events` (`IN_…`); return the watch's number."""
    return _check("inotify_add_watch", _libc.inotify_add_watch(fd, path, ctypes.c_uint32(events)))


def inotify_remove(fd: int, watch: int) -> None:
    """End a watch."""
    _check("inotify_rm_watch", _libc.inotify_rm_watch(fd, watch))


def landlock_version() -> int:
    """Return the version of Landlock's interface, from 1; raises OSError where the kernel has none or it is off."""
    ask_version = 1  # LANDLOCK_CREATE_RULESET_VERSION (include/uapi/linux/landlock.h)
    null, size = ctypes.c_void_p(None), ctypes.c_size_t(0)
    return _call("landlock_create_ruleset", null, size, ctypes.c_uint32(ask_version))


def close_range(first: int, last: int = 0xFFFFFFFF) -> None:
    """Close all descriptors from `first` to `last`, both included."""
    _call("close_range", ctypes.c_uint(first), ctypes.c_uint(last), ctypes.c_uint(0))


def renameat2(old_dir: int, old: bytes, new_dir: int, new: bytes, flags: int = 0) -> None:
    """Rename with flags (`RENAME_NOREPLACE`, `RENAME_EXCHANGE`)."""
    _check("renameat2", _renameat2(old_dir, old, new_dir, new, flags))


def openat2(dir_fd: int, path: bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """Open `path` below `dir_fd` with restrictions on how it is resolved (`RESOLVE_…`); close-on-exec always."""
    how = struct.pack("<QQQ", flags | os.O_CLOEXEC, mode, resolve)
    return _call(
        "openat2", ctypes.c_int(dir_fd), ctypes.c_char_p(path), ctypes.c_char_p(how), ctypes.c_size_t(len(how))
    )


def statx(dir_fd: int, name: bytes, flags: int = AT_SYMLINK_NOFOLLOW) -> Statx:
    """Return attributes of `name` below `dir_fd`, or of `dir_fd` itself with b"" and AT_EMPTY_PATH."""
    buffer = bytearray(256)
    _check("statx", _statx(dir_fd, name, flags, _STATX_BASIC_AND_BTIME, _StatxBuffer.from_buffer(buffer)))
    (
        mask, blksize, _, nlink, uid, gid, mode, _, ino, size, blocks, _,
        a_s, a_ns, _, b_s, b_ns, _, c_s, c_ns, _, m_s, m_ns, _,
        r_major, r_minor, d_major, d_minor,
    ) = _STATX.unpack_from(buffer)  # fmt: skip
    return Statx(
        dev=os.makedev(d_major, d_minor),
        ino=ino,
        btime_ns=b_s * 1_000_000_000 + b_ns if mask & 0x800 else None,
        mode=mode,
        nlink=nlink,
        uid=uid,
        gid=gid,
        size=size,
        blocks=blocks,
        blksize=blksize,
        rdev=os.makedev(r_major, r_minor),
        atime_ns=a_s * 1_000_000_000 + a_ns,
        mtime_ns=m_s * 1_000_000_000 + m_ns,
        ctime_ns=c_s * 1_000_000_000 + c_ns,
    )


def release_freed_memory() -> None:
    """Give the kernel back what was freed and is kept for later (malloc_trim(3), of glibc alone)."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def detached_tmpfs(options: dict[str, str]) -> int:
    """Make a tmpfs that is mounted nowhere and return the descriptor of its root; it dies with the descriptor.

    Args:
        options: tmpfs(5) mount options, for example `{"size": "1073741824", "mode": "0700"}`.
    """
    set_string, create, cloexec = 1, 6, 1
    context = _call("fsopen", ctypes.c_char_p(b"tmpfs"), ctypes.c_uint(cloexec))
    try:
        for key, value in options.items():
            _call(
                "fsconfig",
                ctypes.c_int(context),
                ctypes.c_uint(set_string),
                ctypes.c_char_p(key.encode()),
                ctypes.c_char_p(value.encode()),
                ctypes.c_int(0),
            )
        null = ctypes.c_char_p(None)
        _call("fsconfig", ctypes.c_int(context), ctypes.c_uint(create), null, null, ctypes.c_int(0))
        mount_attributes = 0x2 | 0x4 | 0x8  # MOUNT_ATTR_NOSUID | NODEV | NOEXEC
        return _call("fsmount", ctypes.c_int(context), ctypes.c_uint(cloexec), ctypes.c_uint(mount_attributes))
    finally:
        os.close(context)


def landlock_restrict(handled: int, scoped: int, granted: Iterable[tuple[int, int]]) -> None:
    """Restrict the calling thread by Landlock; it needs no_new_privs.

    Args:
        handled: Accesses to files (`LANDLOCK_ACCESS_FS_…`) that are refused but where they are granted.
        scoped: `LANDLOCK_SCOPE_…`; an interface that has none takes 0 alone.
        granted: Descriptors of directories, each with the accesses below it.
    """
    path_beneath = 1
    attributes = struct.pack("=QQQ", handled, 0, scoped)
    size = len(attributes) if scoped else 8
    ruleset = _call("landlock_create_ruleset", ctypes.c_char_p(attributes), ctypes.c_size_t(size), ctypes.c_uint(0))
    try:
        for directory, accesses in granted:
            rule = ctypes.c_char_p(struct.pack("=Qi", accesses, directory))
            _call("landlock_add_rule", ctypes.c_int(ruleset), ctypes.c_int(path_beneath), rule, ctypes.c_uint(0))
        _call("landlock_restrict_self", ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)

"""Reading what another process says of itself: strings and vectors in its memory, its directory, its command line.

To be used by a process that serves no file system: a page may lie on our own mount, and then the reader waits for the
server. Everything that is read is hostile: lengths are bounded, and nothing is believed of where a string ends.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

PAGE = 4096
MOST_BYTES = 4 << 20
"""Of all words of a vector with their pointers: more than any exec can carry (ARG_MAX, execve(2))."""
_PATH_BYTES = 4096
_AT_ONCE = 512
"""Pieces of one read; the kernel takes 1,024."""
_FIRST_LOOK = 128
_FIRST_VECTOR = 256
_POINTER = 8
_PIECE = struct.Struct("@QN")
_POINTERS = struct.Struct("@Q").iter_unpack
_ALL = 0xFFFF_FFFF_FFFF_FFFF
_libc = ctypes.CDLL(None, use_errno=True)
_readv = _libc.process_vm_readv
_readv.restype = ctypes.c_ssize_t
_readv.argtypes = (
    ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_ulong
)  # fmt: skip


class TooLong(OSError):
    """More than an exec can carry."""


def _fault(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class _Reader:
    """One buffer, used again and again: most calls are small, and making a buffer costs as much as reading."""

    def __init__(self, room: int) -> None:
        self._buffer = bytearray(room)
        self._view = memoryview(self._buffer)
        self._address = ctypes.addressof((ctypes.c_char * room).from_buffer(self._buffer))
        self._room = room

    def read(self, tid: int, pieces: Sequence[tuple[int, int]]) -> bytes:
        """Return what is readable of the pieces (address, length), up to the first that is not."""
        room = 0
        theirs = b""
        for address, length in pieces:
            room += length
            theirs += _PIECE.pack(address & _ALL, length)
        assert room <= self._room
        count = _readv(tid, _PIECE.pack(self._address, room), 1, theirs, len(pieces), 0)
        if count < 0:
            code = ctypes.get_errno()
            if code == errno.EFAULT:
                return b""
            raise _fault(code)
        return bytes(self._view[:count])


_read = _Reader(_AT_ONCE * _FIRST_LOOK).read


def read_start(tid: int, name_at: int, words_at: int) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the string at one address and the strings of the vector at another: what execve is called with.

    Two reads for most calls: one for the name and the pointers, one for the words.

    Raises:
        OSError: EFAULT, when they cannot be read; TooLong (ENAMETOOLONG, E2BIG); ESRCH, EPERM.
    """
    name_room, vector_room = _to_page_end(name_at, _FIRST_LOOK), _to_page_end(words_at, _FIRST_VECTOR) & ~7
    seen = _read(tid, ((name_at, name_room), (words_at, vector_room)))
    end = seen.find(b"\0", 0, name_room)
    name = seen[:end] if end >= 0 else read_string(tid, name_at)
    pointers = [each for (each,) in _POINTERS(seen[name_room : name_room + (len(seen) - name_room & ~7)])]
    if words_at == 0 or 0 not in pointers:
        return name, read_vector(tid, words_at)
    return name, tuple(_strings(tid, pointers[: pointers.index(0)], MOST_BYTES))


def _to_page_end(address: int, most: int) -> int:
    return min(most, PAGE - address % PAGE)  # what lies behind the end of a page may be nobody's


def read_string(tid: int, address: int, most: int = _PATH_BYTES) -> bytes:
    """Return the string at an address, without its end.

    Raises:
        OSError: EFAULT, when it has none in readable memory; TooLong (ENAMETOOLONG) beyond `most`; ESRCH, EPERM.
    """
    found = bytearray()
    while len(found) <= most:
        length = _to_page_end(address + len(found), PAGE)
        part = _read(tid, [(address + len(found), length)])
        end = part.find(b"\0")
        if end >= 0:
            found += part[:end]
            break
        if len(part) < length:
            raise _fault(errno.EFAULT)
        found += part
    if len(found) > most:
        raise TooLong(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    return bytes(found)


def read_vector(tid: int, address: int) -> tuple[bytes, ...]:
    """Return the strings of a vector that ends with a null pointer; the null vector is an empty one.

    Raises:
        OSError: EFAULT, when it cannot be read; TooLong (E2BIG); ESRCH, EPERM.
    """
    if address == 0:
        return ()
    pointers = _pointers(tid, address)
    words: list[bytes] = []
    room = MOST_BYTES - _POINTER * len(pointers)
    for start in range(0, len(pointers), _AT_ONCE):
        some = _strings(tid, pointers[start : start + _AT_ONCE], room)
        room -= sum(map(len, some)) + len(some)
        words += some
    return tuple(words)


def _pointers(tid: int, address: int) -> list[int]:
    found: list[int] = []
    while len(found) * _POINTER <= MOST_BYTES:
        at = address + len(found) * _POINTER
        length = PAGE - at % PAGE
        straddling = -length % _POINTER  # of the last pointer, when the vector is not aligned
        part = _read(tid, [(at, length), (at + length, straddling)] if straddling else [(at, length)])
        more = [each for (each,) in _POINTERS(part[: len(part) & ~7])]
        if 0 in more:
            return found + more[: more.index(0)]
        if not more:
            raise _fault(errno.EFAULT)
        found += more
    raise TooLong(errno.E2BIG, os.strerror(errno.E2BIG))


def _strings(tid: int, pointers: list[int], room: int) -> list[bytes]:
    """Return the strings at these addresses: a first look at all of them at once, then what is longer, one by one."""
    looks = [(at, _to_page_end(at, _FIRST_LOOK)) for at in pointers]
    seen = _read(tid, looks)
    words: list[bytes] = []
    offset = 0
    for at, length in looks:
        part = seen[offset : offset + length]
        offset += length
        end = part.find(b"\0")
        word = part[:end] if end >= 0 else _long(tid, at, room)
        room -= len(word) + 1
        if room < 0:
            raise TooLong(errno.E2BIG, os.strerror(errno.E2BIG))
        words.append(word)
    return words


def _long(tid: int, address: int, room: int) -> bytes:
    try:
        return read_string(tid, address, max(room, 0))
    except TooLong:
        raise TooLong(errno.E2BIG, os.strerror(errno.E2BIG)) from None


class Processes:
    """The host's /proc, held by a descriptor: the root of the process that holds it may change."""

    def __init__(self, fd: int | None = None) -> None:
        self.fd = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if fd is None else fd

    def directory(self, tid: int) -> bytes | None:
        """Return the working directory of a thread; None when it cannot be told."""
        try:
            return os.readlink(b"%d/cwd" % tid, dir_fd=self.fd)
        except OSError:
            return None

    def command_line(self, pid: int) -> tuple[bytes, ...]:
        """Return the words that a program was started with, as they are in its memory now.

        Raises:
            OSError: The process is gone.
        """
        data = self._content(b"%d/cmdline" % pid, MOST_BYTES)
        return tuple(data.removesuffix(b"\0").split(b"\0")) if data else ()

    def group(self, tid: int) -> int:
        """Return the thread group that a thread is in, which is what other programs call its process.

        Raises:
            OSError: The thread is gone.
        """
        return self._status(tid, b"Tgid:")

    def is_traced(self, tid: int) -> bool:
        """True when some process traces this thread. Raises OSError: the thread is gone."""
        return self._status(tid, b"TracerPid:") != 0

    def _status(self, tid: int, key: bytes) -> int:
        for line in self._content(b"%d/status" % tid, PAGE).split(b"\n"):
            if line.startswith(key):
                return int(line[len(key) :])
        raise _fault(errno.ESRCH)

    def _content(self, name: bytes, most: int) -> bytes:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            parts = []
            while most > 0 and (part := os.read(fd, 65536)):
                parts.append(part)
                most -= len(part)
            return b"".join(parts)
        finally:
            os.close(fd)

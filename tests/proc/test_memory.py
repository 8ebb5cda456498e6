"""Reading another process: every way in which a string or a vector can end, or not."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
from contextlib import contextmanager

import pytest

from gmcp_sandbox.proc.memory import MOST_BYTES, PAGE, Processes, TooLong, read_start, read_string, read_vector


@contextmanager
def twin():
    """A copy of this process, so that addresses of ours are its addresses."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def pages():
    """Three pages of which the last cannot be read: (map, address)."""
    memory = mmap.mmap(-1, 3 * PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(address + 2 * PAGE), PAGE, 0) == 0
    return memory, address


def vector(*words):
    kept = [ctypes.create_string_buffer(word) for word in words]
    return kept, (ctypes.c_void_p * (len(words) + 1))(*[ctypes.addressof(each) for each in kept], None)


def test_strings_that_straddle_pages_and_end_before_the_last(pages):
    memory, address = pages
    memory[PAGE - 3 : PAGE + 3] = b"abcde\0"
    memory[2 * PAGE - 3 : 2 * PAGE] = b"xyz"
    with twin() as pid:
        assert read_string(pid, address + PAGE - 3) == b"abcde"
        with pytest.raises(OSError) as caught:
            read_string(pid, address + 2 * PAGE - 3)
        assert caught.value.errno == errno.EFAULT
        with pytest.raises(OSError):
            read_string(pid, 8)


def test_a_long_name_is_refused(pages):
    memory, address = pages
    memory[: 2 * PAGE - 1] = b"n" * (2 * PAGE - 1)
    with twin() as pid, pytest.raises(TooLong) as caught:
        read_string(pid, address)
    assert caught.value.errno == errno.ENAMETOOLONG


@pytest.mark.parametrize("words", [(), (b"a",), (b"", b"b" * 5000, b"c"), tuple(b"%d" % n for n in range(3000))])
def test_vectors(words):
    kept, pointers = vector(*words)
    name = ctypes.create_string_buffer(b"/bin/name")
    with twin() as pid:
        assert read_vector(pid, ctypes.addressof(pointers)) == words
        assert read_start(pid, ctypes.addressof(name), ctypes.addressof(pointers)) == (b"/bin/name", words)
        assert read_vector(pid, 0) == ()
    assert len(kept) == len(words)


@pytest.mark.parametrize("offset", [0, 1, 7])
def test_a_vector_that_ends_nowhere_or_is_not_aligned(pages, offset):
    memory, address = pages
    word = ctypes.create_string_buffer(b"w")
    memory[: 2 * PAGE] = b"\1" * (2 * PAGE)
    at = address + PAGE - 16 + offset
    pointers = ctypes.addressof(word).to_bytes(8, "little") * 3 + bytes(8)
    memory[PAGE - 16 + offset : PAGE + 16 + offset] = pointers
    with twin() as pid:
        assert read_vector(pid, at) == (b"w",) * 3
        with pytest.raises(OSError) as caught:
            read_vector(pid, address + PAGE + 16 + offset)
        assert caught.value.errno == errno.EFAULT


def test_more_than_an_exec_can_carry():
    word = ctypes.create_string_buffer(b"w" * (1 << 20))
    pointers = (ctypes.c_void_p * 6)(*[ctypes.addressof(word)] * 5, None)
    endless = (ctypes.c_void_p * (MOST_BYTES // 8 + 100))(*[ctypes.addressof(word)] * (MOST_BYTES // 8 + 100))
    with twin() as pid:
        for each in (pointers, endless):
            with pytest.raises(TooLong) as caught:
                read_vector(pid, ctypes.addressof(each))
            assert caught.value.errno == errno.E2BIG


def test_what_proc_says():
    processes = Processes()
    with twin() as pid:
        assert processes.directory(pid) == os.fsencode(os.getcwd())
        assert processes.group(pid) == pid
        assert not processes.is_traced(pid)
        with open("/proc/self/cmdline", "rb") as file:
            assert processes.command_line(pid) == tuple(file.read().removesuffix(b"\0").split(b"\0"))
    assert processes.directory(pid) is None
    with pytest.raises(OSError):
        processes.command_line(pid)
    os.close(processes.fd)

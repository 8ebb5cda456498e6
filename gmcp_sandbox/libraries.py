"""Find C libraries by their names alone.

`ctypes.util.find_library` runs ldconfig, and a compiler if that is missing, to learn a file name. The supervisor runs
no program of the host, and a launch has no 30 ms for it: the few libraries that our dependencies ask for have had the
same names for many years.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager

SONAMES = {"c": "libc.so.6", "pthread": "libpthread.so.0"}


def find(name: str) -> str | None:
    """Return the file name of a library that the dynamic loader finds, or None."""
    soname = SONAMES.get(name)
    if soname is None:
        return None
    try:
        ctypes.CDLL(soname)
    except OSError:
        return None
    return soname


def refusal_of(path: str) -> str:
    """Return why the dynamic loader cannot load a file and what it needs, empty when it can; its start-up code runs."""
    try:
        ctypes.CDLL(path)
    except OSError as error:
        return str(error)
    return ""


@contextmanager
def found_by_name() -> Iterator[None]:
    """While in the block, modules that look for a library as they are imported get it from `find`."""
    before = ctypes.util.find_library
    ctypes.util.find_library = find
    try:
        yield
    finally:
        ctypes.util.find_library = before

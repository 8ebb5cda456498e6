"""What our dependencies look for as they are imported, and a launch has no time for.

Find C libraries by their names alone.

`ctypes.util.find_library` runs ldconfig, and a compiler if that is missing, to learn a file name. The supervisor runs
no program of the host, and a launch has no 30 ms for it: the few libraries that our dependencies ask for have had the
same names for many years.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SEARCH = "ctypes.util"
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
    """While in the block, modules that look for a library as they are imported get it from `find`.

    Where nobody has imported the search, it stays out: it would bring archives, temporary files and compilers along.
    """
    known = sys.modules.get(_SEARCH)
    search = known or types.ModuleType(_SEARCH)
    before = vars(search).get("find_library")
    vars(search)["find_library"] = find
    vars(ctypes)["util"] = sys.modules[_SEARCH] = search
    try:
        yield
    finally:
        if known is None:
            del sys.modules[_SEARCH], vars(ctypes)["util"]
        else:
            vars(search)["find_library"] = before


@contextmanager
def lean_imports() -> Iterator[None]:
    """While in the block, modules that are imported get some others at their first use, and no versions of packages.

    The event loop has helpers for TLS, which few sessions use, and they bring OpenSSL along. The FUSE library asks for
    its own version, and the answer takes the standard library's reader of mails. Together that is a tenth of a start.
    """
    absent = [module for module in (*map(_Later, _LATER), _Versions(_VERSIONS)) if module.__name__ not in sys.modules]
    sys.modules.update({module.__name__: module for module in absent})
    try:
        yield
    finally:
        for module in absent:
            del sys.modules[module.__name__]


_LATER = ("hmac", "ssl")
_VERSIONS = "importlib.metadata"


class _Later(types.ModuleType):
    """Stands for a module in those that were imported meanwhile, and is as good as it: the first question reads it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by the machinery of imports
            raise AttributeError(name)
        found = vars(self)[name] = getattr(importlib.import_module(self.__name__), name)
        return found


class _Versions(types.ModuleType):
    """Stands for `importlib.metadata`, and knows of no package."""

    class PackageNotFoundError(ModuleNotFoundError):
        """As the real one has it."""

    def version(self, package: str) -> str:
        """Refuse to look."""
        raise self.PackageNotFoundError(package)

"""What our dependencies look for as they are imported, and a launch has no time for.

Find C libraries by their names alone.

`ctypes.util.find_library` runs ldconfig, and a compiler if that is missing, to learn a file name. The supervisor runs
no program of the host, and a launch has no 30 ms for it: the few libraries that our dependencies ask for have had the
same names for many years.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import sys
import types
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


@contextmanager
def lean_imports() -> Iterator[None]:
    """While in the block, modules that are imported get `ssl` when they first use it, and no versions of packages.

    The event loop has helpers for TLS, which few sessions use, and they bring OpenSSL along. The FUSE library asks for
    its own version, and the answer takes the standard library's reader of mails. Together that is a tenth of a start.
    """
    _put_off("ssl")
    versions = "importlib.metadata"
    known = sys.modules.get(versions)
    if known is None:
        sys.modules[versions] = _without_versions(versions)
    try:
        yield
    finally:
        if known is None:
            del sys.modules[versions]


def _put_off(name: str) -> None:
    """Let a module of the standard library be read at its first use, if it is not there already."""
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def _without_versions(name: str) -> types.ModuleType:
    """Return a stand-in for `importlib.metadata` that knows of no package."""

    class PackageNotFoundError(ModuleNotFoundError):
        pass

    def version(package: str) -> str:
        raise PackageNotFoundError(package)

    module = types.ModuleType(name)
    vars(module).update(PackageNotFoundError=PackageNotFoundError, version=version)
    return module

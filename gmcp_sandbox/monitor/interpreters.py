"""Find the python3 that the caller would run, without running anything.

A shim of pyenv is resolved as pyenv does: PYENV_VERSION, else `.python-version` from the working directory upwards,
else the global `version` file; a name may be a prefix (`3.12`) of an installed version.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from gmcp_sandbox.errors import AgentError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_LARGEST = 4096


def find_python(environ: Mapping[str, str], directory: str | None = None) -> str:
    """Return the absolute path of the caller's `python3`.

    Args:
        directory: Where a `.python-version` is looked for; the current directory when None.

    Raises:
        AgentError: There is none behind PATH.
    """
    for place in path_entries(environ):
        for name in ("python3", "python"):
            candidate = os.path.join(place, name)
            if not is_program(candidate):
                continue
            if not is_shim_directory(place):
                return candidate
            chosen = _behind_shim(place, name, environ, directory or os.getcwd())
            if chosen is not None:
                return chosen
    raise AgentError(
        "there is no python3", cause="none behind PATH", hint="install Python 3, or name the program to run"
    )


def path_entries(environ: Mapping[str, str]) -> list[str]:
    """Return the absolute directories of PATH, each once; relative ones would change their meaning inside."""
    entries = environ.get("PATH", os.defpath).split(":")
    return list(dict.fromkeys(os.path.normpath(entry) for entry in entries if entry.startswith("/")))


def is_program(path: str) -> bool:
    """True for a regular file that the caller may execute."""
    return os.path.isfile(path) and os.access(path, os.X_OK)


def is_shim_directory(place: str) -> bool:
    """True for pyenv's directory of shims."""
    return os.path.basename(place) == "shims" and os.path.isdir(os.path.join(os.path.dirname(place), "versions"))


def _behind_shim(place: str, name: str, environ: Mapping[str, str], directory: str) -> str | None:
    root = os.path.dirname(place)
    for version in _wanted(root, environ, directory):
        installed = _installed(os.path.join(root, "versions"), version)
        candidate = os.path.join(root, "versions", installed or version, "bin", name)
        if installed is not None and is_program(candidate):
            return candidate
    return None


def _wanted(root: str, environ: Mapping[str, str], directory: str) -> list[str]:
    """Return the names of versions in the order in which pyenv would try them."""
    if environ.get("PYENV_VERSION"):
        return environ["PYENV_VERSION"].split(":")
    for above in _upwards(directory):
        names = _words(os.path.join(above, ".python-version"))
        if names:
            return names
    return _words(os.path.join(root, "version"))


def _upwards(directory: str) -> Iterator[str]:
    while True:
        yield directory
        if directory == "/":
            return
        directory = os.path.dirname(directory)


def _words(path: str) -> list[str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            lines = file.read(_LARGEST).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [word for line in lines for word in line.partition("#")[0].split()]


def _installed(versions: str, wanted: str) -> str | None:
    """Return the installed version of a name: the same, or the highest that it is a prefix of."""
    wanted = wanted.removeprefix("python-")
    if not _NAME.fullmatch(wanted):
        return None
    try:
        names = os.listdir(versions)
    except OSError:
        return None
    if wanted in names:
        return wanted
    matching = [name for name in names if re.fullmatch(re.escape(wanted) + r"\.\d+", name)]
    return max(matching, key=lambda name: [int(part) for part in re.findall(r"\d+", name)], default=None)

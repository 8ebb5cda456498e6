"""Where the packages of a project come from, as its own files and the user's settings say: for `profile init`.

Guarantees: nothing is run, no link is followed, what is read is bounded, and no host is made up: each stands in a file
or a variable of the user's. What comes out are host names and literal addresses in lower case and the names of those
files; never a path, a token, a user name or a password.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from gmcp_sandbox.policy.starting import Language, Origin

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_URL = rf"https?://(?:[^/@\s\"']{{0,512}}@)?(?P<host>{_NAME})(?=[:/\"'\s,|]|$)"
_LARGEST = 16 << 20
_LONGEST = 4096
_MOST = 32


class _Place(msgspec.Struct, frozen=True):
    """A file of the project, one of the home directory, or a variable; and what stands before an address there."""

    language: Language
    names: tuple[str, ...]
    before: str
    home: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


_PLACES = (
    _Place(
        Language.PYTHON,
        ("pip.conf", "requirements.txt", "requirements-dev.txt", "constraints.txt"),
        r"(?:(?:index-url|find-links|-i|-f)(?:\s*=\s*|\s+)| @ )",
        (".config/pip/pip.conf", ".pip/pip.conf"),
        ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"),
    ),
    _Place(
        Language.PYTHON,
        ("pyproject.toml", "uv.toml", "Pipfile", "poetry.lock", "uv.lock", "pdm.lock"),
        r"\b(?:url|registry|index-url)\s*=\s*[\"']",
        (".config/uv/uv.toml",),
    ),
    _Place(Language.PYTHON, ("Pipfile.lock",), r"\"url\":\s*\""),
    _Place(Language.NODE, (".npmrc",), r"registry\s*=\s*[\"']?", (".npmrc",), ("NPM_CONFIG_REGISTRY",)),
    _Place(Language.NODE, ("package-lock.json", "npm-shrinkwrap.json"), r"\"resolved\":\s*\"(?:git\+)?"),
    _Place(Language.NODE, ("yarn.lock",), r"\bresolved\s+\""),
    _Place(Language.NODE, (".yarnrc.yml",), r"\bnpmRegistryServer:\s*[\"']?", (".yarnrc.yml",)),
    _Place(Language.NODE, ("pnpm-lock.yaml",), r"\btarball:\s*[\"']?"),
    _Place(Language.RUST, ("Cargo.lock",), r"\bsource\s*=\s*\"(?:registry|sparse|git)\+"),
    _Place(
        Language.RUST,
        (".cargo/config.toml", ".cargo/config"),
        r"\b(?:index|registry)\s*=\s*[\"'](?:sparse\+)?",
        (".cargo/config.toml",),
    ),
    _Place(Language.GO, (), r"(?:\bGOPROXY\s*=\s*|[,|])", (".config/go/env",), ("GOPROXY",)),
)
_MODULE = re.compile(rf"^\s*(?:require\s+)?(?P<host>{_NAME}\.[A-Za-z]{{2,63}})/\S{{1,512}}\s+v\d", re.MULTILINE)


def origins_of(
    workspace: Path, languages: Iterable[Language], *, home: Path, environ: Mapping[str, str]
) -> tuple[Origin, ...]:
    """Return the hosts that a project in these languages gets packages from, each once."""
    found: dict[str, Origin] = {}
    for language in languages:
        for host, where in _found(workspace, language, home, environ):
            if len(found) < _MOST:
                found.setdefault(host.lower(), Origin(host.lower(), where))
    return tuple(found.values())


def _found(workspace: Path, language: Language, home: Path, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Return hosts with what names them."""
    for place in _PLACES:
        if place.language is language:
            pattern = re.compile(place.before + _URL, re.MULTILINE)
            for top, names, prefix in ((workspace, place.names, ""), (home, place.home, "~/")):
                for name in names:
                    yield from _matches(pattern, _text(top / name), prefix + name)
            for name in place.variables:
                yield from _matches(re.compile(_URL), environ.get(name, "")[:_LONGEST], f"${name}")
    if language is Language.GO:  # what no proxy has is fetched from where the modules themselves say
        yield from _matches(_MODULE, _text(workspace / "go.mod"), "go.mod")


def _matches(pattern: re.Pattern[str], text: str, where: str) -> Iterator[tuple[str, str]]:
    return ((match["host"], where) for match in pattern.finditer(text))


def _text(path: Path) -> str:
    """Return what a regular file says, as far as it is read; nothing for any other."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(_LARGEST).decode("utf-8", "replace")

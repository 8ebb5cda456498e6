"""What a project is, by the files at its top: for `profile init`, which asks nothing.

Guarantees: nothing of the project is run, no link in it is followed out of it to be read, and what is read is bounded.
What comes out are members of `Language` and host names in lower case; never a path, a user name or a password of an
address.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from gmcp_sandbox.monitor.gitdir import remote_addresses
from gmcp_sandbox.monitor.origins import origins_of
from gmcp_sandbox.policy.starting import Language, Origin, Remote

_SIGNS = {
    Language.PYTHON: ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile", "tox.ini"),
    Language.NODE: ("package.json",),
    Language.RUST: ("Cargo.toml",),
    Language.GO: ("go.mod", "go.work"),
}
_MOST_HOSTS = 16
_NAME = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_WITH_SCHEME = re.compile(
    rf"(?P<scheme>https?|ssh|git|git\+ssh)://(?:[^/@\s]*@)?(?P<host>{_NAME})(?::(?P<port>\d{{1,5}}))?(?:/.*)?",
    re.DOTALL | re.ASCII,
)
_WEB = ("http", "https")
_SSH_PORT = 22
_LIKE_SCP = re.compile(rf"(?:[^/@:\s]+@)?(?P<host>{_NAME}):(?!:|//).*", re.DOTALL)


class Project(msgspec.Struct, frozen=True):
    """What was found."""

    languages: tuple[Language, ...]
    origins: tuple[Origin, ...] = ()
    remotes: tuple[Remote, ...] = ()


def look_at(workspace: Path, *, home: Path, environ: Mapping[str, str]) -> Project:
    """Return what the project in a directory is."""
    languages = tuple(each for each, names in _SIGNS.items() if any(os.path.isfile(workspace / n) for n in names))
    origins = origins_of(workspace, languages, home=home, environ=environ)
    return Project(languages, origins, remotes_of(remote_addresses(str(workspace))))


def remotes_of(addresses: Iterable[str]) -> tuple[Remote, ...]:
    """Return the hosts that git addresses name, each once; addresses of any other form name none."""
    found: dict[Remote, None] = {}
    for address in addresses:
        remote = _remote(address)
        if remote is not None and len(found) < _MOST_HOSTS:
            found[remote] = None
    return tuple(found)


def _remote(address: str) -> Remote | None:
    match = _WITH_SCHEME.fullmatch(address)
    if match is not None and match["scheme"] in _WEB:
        return Remote(match["host"].lower())
    if match is None and "://" not in address:
        match = _LIKE_SCP.fullmatch(address)
    if match is None or match.groupdict().get("scheme") == "git":  # git's own protocol is not worth a raw flow
        return None
    port = int(match.groupdict().get("port") or _SSH_PORT)
    return Remote(match["host"].lower(), port) if 0 < port < 65536 else None

"""What a project is, by the files at its top: for `profile init`, which asks nothing.

Guarantees: nothing of the project is run, no link in it is followed out of it to be read, and what is read is bounded.
What comes out are members of `Language` and host names in lower case; never a path, a user name or a password of an
address.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from gmcp_sandbox.monitor.gitdir import remote_addresses
from gmcp_sandbox.policy.starting import Language

_SIGNS = {
    Language.PYTHON: ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile", "tox.ini"),
    Language.NODE: ("package.json",),
    Language.RUST: ("Cargo.toml",),
    Language.GO: ("go.mod", "go.work"),
}
_MOST_HOSTS = 16
_NAME = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_WITH_SCHEME = re.compile(rf"(?:https?|ssh|git|git\+ssh)://(?:[^/@\s]*@)?(?P<host>{_NAME})(?::\d+)?(?:/.*)?", re.DOTALL)
_LIKE_SCP = re.compile(rf"(?:[^/@:\s]+@)?(?P<host>{_NAME}):(?!:|//).*", re.DOTALL)


class Project(msgspec.Struct, frozen=True):
    """What was found."""

    languages: tuple[Language, ...]
    hosts: tuple[str, ...]


def look_at(workspace: Path) -> Project:
    """Return what the project in a directory is."""
    languages = tuple(each for each, names in _SIGNS.items() if any(os.path.isfile(workspace / n) for n in names))
    return Project(languages, hosts_of(remote_addresses(str(workspace))))


def hosts_of(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that git addresses name, each once; addresses of any other form name none."""
    found: dict[str, None] = {}
    for address in addresses:
        match = _WITH_SCHEME.fullmatch(address) or ("://" not in address and _LIKE_SCP.fullmatch(address)) or None
        if match is not None and len(found) < _MOST_HOSTS:
            found[match["host"].lower()] = None
    return tuple(found)

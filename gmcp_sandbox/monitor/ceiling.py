"""Read the organisation's ceiling, `/etc/gmcp-sandbox/ceiling.toml`.

Guarantees: a ceiling that is there holds, or nothing starts. It is taken only from a regular file that belongs to root
and that nobody else can write, in a directory of the same kind; a link in its place is refused. It may extend shipped
profiles and no other file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.shipped import PARTS, shipped_names, shipped_profile
from gmcp_sandbox.policy.ceiling import parse_ceiling
from gmcp_sandbox.policy.fields import Source, read_document
from gmcp_sandbox.policy.profile import Ceiling

CEILING = "/etc/gmcp-sandbox/ceiling.toml"
_LARGEST = 1 << 20
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def load_ceiling(path: str, variables: Mapping[str, str], *, owner: int = 0) -> Ceiling | None:
    """Return the ceiling; None when there is none.

    Args:
        owner: Whom file and directory must belong to.

    Raises:
        ProfileError: It is wrong, cannot be read, or others could have written it.
    """
    source = _read(path, owner)
    if source is None:
        return None
    chain = [source]
    while (extends := read_document(chain[0]).extends) is not None:
        if extends not in (*shipped_names(), *PARTS):
            raise source.fault("a ceiling extends shipped profiles only", ("extends",))
        chain.insert(0, Source(f"{extends} (shipped)", shipped_profile(extends)))
    return parse_ceiling(chain, variables)


def _read(path: str, owner: int) -> Source | None:
    try:
        directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    try:
        return _read_in(directory, path, owner)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise _unusable(path, "it is not UTF-8") from None
    finally:
        os.close(directory)


def _read_in(directory: int, path: str, owner: int) -> Source:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(os.path.basename(path), flags, dir_fd=directory), "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
            raise _unusable(path, "no regular file of at most 1 MiB")
        for found, name in ((facts, path), (os.fstat(directory), os.path.dirname(path))):
            if found.st_uid != owner or found.st_mode & _OTHERS:
                raise _unusable(path, f"{name} does not belong to root, or others can write to it")
        return Source(path, file.read(_LARGEST + 1).decode("utf-8"))


def _unusable(path: str, cause: str) -> ProfileError:
    return ProfileError(f"the organisation's ceiling {path} cannot be used", cause=cause, hint="ask who looks after it")

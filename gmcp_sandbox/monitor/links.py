"""Follow host paths one component at a time and remember the links on the way.

Guarantees: the answer is what the kernel would find, and every link that led there is named by the place where it
really stands. Nothing is opened and no program is run.
"""

from __future__ import annotations

import errno
import os
from pathlib import PurePosixPath

import msgspec

_MOST_LINKS = 40
"""As the kernel's own bound, ELOOP (path_resolution(7))."""


class Trace(msgspec.Struct, frozen=True):
    """Where a path leads.

    Attributes:
        real: The path without links.
        links: (place, target as written) of every link followed, in order.
    """

    real: str
    links: tuple[tuple[str, str], ...]


def trace(path: str) -> Trace | None:
    """Follow an absolute path; None when it leads nowhere."""
    waiting = list(reversed(PurePosixPath(path).parts[1:]))
    at = "/"
    links: list[tuple[str, str]] = []
    while waiting:
        name = waiting.pop()
        if name == "..":
            at = os.path.dirname(at)
            continue
        place = os.path.join(at, name)
        try:
            target = os.readlink(place)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:  # EINVAL: it is no link
                return None
            at = place
            continue
        links.append((place, target))
        if len(links) > _MOST_LINKS:
            return None
        if target.startswith("/"):
            at = "/"
        waiting.extend(reversed([part for part in target.split("/") if part not in ("", ".")]))
    return Trace(at, tuple(links))


def real_path(path: str) -> str:
    """Return an absolute path without links; where it leads nowhere, its existing part without links and the rest."""
    found = trace(path)
    if found is not None:
        return found.real
    above, name = os.path.split(os.path.normpath(path))
    return os.path.join(real_path(above), name) if name else "/"

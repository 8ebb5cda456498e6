"""Paths in arguments that lead out of where they begin: `../../etc/passwd`, `/srv/files/../../etc/passwd`.

What a tool's path is relative to, only its server knows. So one step up is left to it, and what goes further is a
trick: two steps above the start of a relative path, or above the first directory of an absolute one. The path is read
as it stands and percent-decoded once and twice, with either slash, as the target of a `file:` URL, too.

Invariants: pure, never raises, linear in the text.
"""

from __future__ import annotations

from urllib.parse import unquote

LONGEST = 8192
"""Characters; a longer text is no path that a kernel takes, but its start is looked at all the same."""


def climbs(text: str) -> bool:
    """Return whether a text, taken as a path, leads out of where it begins."""
    seen = text[:LONGEST]
    if ".." not in seen and "%" not in seen:
        return False
    once = unquote(seen, errors="replace") if "%" in seen else seen
    twice = unquote(once, errors="replace") if "%" in once else once
    return any(_leads_out(reading) for reading in {seen, once, twice} if ".." in reading)


def _leads_out(text: str) -> bool:
    path = text.strip().replace("\\", "/")
    scheme, found, rest = path.partition("://")
    if found and scheme.isalnum() and scheme.lower() != "file":
        return False  # of a URL, the tool's own reader resolves the dots within its host
    path = rest if found else path
    if "\n" in path:
        return False  # prose or a program, no path
    if "/.." not in path and not path.startswith(".."):
        return False
    # The name of a drive or of a host in a file URL is where the path begins, like a first directory.
    allowed = 1 if path.startswith("/") else -1
    depth = 0
    for part in path.split("/"):
        if part == "..":
            depth -= 1
            if depth < allowed:
                return True
        elif part not in ("", "."):
            depth += 1
    return False

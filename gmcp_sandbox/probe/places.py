"""Paths as places: whose home, which part of the workspace, which part of the system.

Equal questions about different users' homes and different checkouts become one question, so that the model learns and
the cache remembers places, not names. Guarantees: pure, linear, never raises.
"""

from __future__ import annotations

import posixpath
import re

_HOME = r"(?:/(?:home|Users)/[^/\s\"'`:;,|&<>()]+|(?<![\w~./$-])/root|\$\{?HOME\}?)"
_HOMES = re.compile(_HOME + r"(?=[/\s\"'`:;,|&<>()\]}]|\Z)")
_WORKSPACES = re.compile(
    r"(?<![\w~./-])/(?:workspaces/[^/\s\"'`:;,|&<>()]+|workspace|repo|project)(?=[/\s\"'`:;,)]|\Z)"
)
_HERE = re.compile(r"\$\{?PWD\}?|\$\(pwd\)|\$ \( pwd \)")
_PROGRAMS = re.compile(r"(?<![\w~./-])/(?:usr/)?(?:local/)?s?bin/(?=[\w\[])")
_SLASHES = re.compile(r"/(?:\.?/)+")
_STEPS = re.compile(r"(?<![\w.])[~.]?/[^\s\"'`:;,|&<>()]*/\.\.(?:/[^\s\"'`:;,|&<>()]*)?")
_TEMPORARY = re.compile(r"(?<![\w~.-])/(?:tmp|var/tmp)/(?:tmp|pip-|cc|pytest-of-)[\w.-]{0,64}")


def fold_places(text: str, workspace: str = "", home: str = "") -> str:
    """Return a text with the paths in it as places."""
    if workspace and workspace != "/" and workspace in text:
        text = _replace_prefix(text, workspace, ".")
    if home and home != "/" and home in text:
        text = _replace_prefix(text, home, "~")
    if "$" in text:
        text = _HERE.sub(".", text)
        text = text.replace("$TMPDIR", "/tmp").replace("${TMPDIR}", "/tmp")
    if "/" not in text and "$" not in text:
        return text
    if "//" in text or "/./" in text:
        text = _SLASHES.sub("/", text).replace(":/", "://") if "://" in text else _SLASHES.sub("/", text)
    if "/.." in text:
        text = _STEPS.sub(lambda path: _walked(path[0]), text)
    text = _HOMES.sub("~", text)
    text = _WORKSPACES.sub(".", text)
    return _TEMPORARY.sub("/tmp/*", text)


def fold_programs(text: str) -> str:
    """Return a command with programs of the system by their names alone."""
    return _PROGRAMS.sub("", text) if "bin/" in text else text


def fold_path(path: str, workspace: str = "", home: str = "") -> str:
    """Return one path of the view as a place: `.` is the workspace, `~` a home; else it stands as it is."""
    if path.startswith("/") and ("//" in path or "/." in path):
        path = "/" + posixpath.normpath(path).lstrip("/")
    if path.startswith("./"):
        path = path[2:]
    return fold_places(path, workspace, home).removeprefix("./") or "."


def place_class(path: str, workspace: str = "", home: str = "") -> str:
    """Return the class of a path in a burst or in a scratch tree: its first two directories and the kind of file."""
    place = path
    for prefix, name in ((workspace, "."), (home, "~")):
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            place = name + path[len(prefix) :]
            break
    directories = place.split("/")[:-1]
    return "/".join((*directories[:2], "*")) if directories else "*"


def _replace_prefix(text: str, prefix: str, name: str) -> str:
    """Replace a path prefix where a path component ends with it."""
    return re.sub(re.escape(prefix) + r"(?=[/\s\"'`:;,|&<>()\]}]|\Z)", name, text)


def _walked(path: str) -> str:
    """Return a path without its steps upward; one that leads out of a home or of the workspace says so."""
    if path.startswith("~/"):
        rest = posixpath.normpath(path[2:])
        return "~" if rest == "." else f"~/{rest}"
    return posixpath.normpath(path)

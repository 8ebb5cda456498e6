"""Generated calls on files, from data/files_templates.txt: fs.read, fs.create, fs.delete, fs.rename, fs.setattr.

Guarantees: seeded and without input; the workspace is called by several names (a path in the view, a relative path, a
project directory that the context names), the label of the object is told in most calls and left out in some, as a
caller may know it or not.
"""

from __future__ import annotations

import random
import re
from typing import Any

from scripts.probe.templates import Call, expand

WORKSPACE = "/workspace"
_CALLED = (WORKSPACE, WORKSPACE, "", "/home/dev/shop", "/srv/build/checkout", "/Users/maria/dev/app")
_LABEL_SHARE = 0.7
_LABELS = (
    ("scratch", re.compile(r"/tmp/|/var/tmp/|/dev/shm/")),
    ("system", re.compile(r"/etc/ssl/certs/")),
    ("workspace", re.compile(r"/workspace/(.*/)?(tests|fixtures|node_modules|site-packages)/")),
    ("", re.compile(r".*(\.pub|known_hosts|\.example|\.sample|example\.\w+)$")),
    ("secret", re.compile(r"/etc/(g?shadow|sudoers|ssl/private|wireguard|kubernetes|krb5|ssh/ssh_host_\w+_key$)")),
    ("secret", re.compile(r".*(/\.(ssh|aws|azure|gnupg|password-store)(/|$)|/\.env(\.|$)|\.(key|pem|jks|kdbx)$)")),
    ("secret", re.compile(r".*/(id_(rsa|ed25519|ecdsa)|\.(netrc|pgpass|my\.cnf|pypirc|git-credentials|vault-token))$")),
    (
        "watched",
        re.compile(r".*/(hooks/(pre|post|commit)-\w+|\.github/.*|\.vscode/.*|\.husky/.*|(AGENTS|CLAUDE)\.md)$"),
    ),
    ("watched", re.compile(r".*/\.(bashrc|zshrc|profile|bash_profile|zshenv|vimrc|inputrc|pre-commit-config\.yaml)$")),
    ("workspace", re.compile(WORKSPACE + r"(/|$)")),
    ("private", re.compile(r"/(home|root|Users)/")),
    ("system", re.compile(r"/(etc|usr|bin|sbin|lib|boot|var|proc|dev|Library)/")),
)
"""The first that matches names the label, much as the default profile does; an empty one is told to nobody."""


def rows(seed: int = 0) -> list[dict[str, Any]]:
    """Return the rows; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - examples, no secret
    made = expand("files", call_of, seed)
    places: dict[str, str] = {}
    for row in made:
        label = label_of(row["args"]["path"])
        if label and chance.random() < _LABEL_SHARE:
            row["context"]["label"] = label
        _move(row, places.setdefault(row["pair"] or row["id"], chance.choice(_CALLED)))
    return made


def label_of(path: str) -> str:
    """Return the label that a path would have, empty where it is left open."""
    return next((label for label, pattern in _LABELS if pattern.match(path)), "")


def call_of(body: str, chance: random.Random) -> Call:
    """Return the call for a line `verb rest`."""
    verb, _, rest = body.partition(" ")
    tool, args = _VERBS[verb](rest)
    if tool == "fs.delete" and chance.random() < 0.3:
        del args["kind"]
    return tool, args


def _move(row: dict[str, Any], place: str) -> None:
    """Call the workspace by another name."""
    if place == WORKSPACE:
        return
    args = row["args"]
    for key in ("path", "target"):
        path = args.get(key)
        if isinstance(path, str) and path.startswith(WORKSPACE + "/"):
            args[key] = f"{place}{path.removeprefix(WORKSPACE)}".removeprefix("" if place else "/")
            if place:
                row["context"]["workspace"] = place


def _rename(rest: str) -> Call:
    path, _, target = rest.partition(" > ")
    replaces = target.endswith(" replaces")
    args = {"path": path, "target": target.removesuffix(" replaces")}
    return "fs.rename", {**args, "replaces": True} if replaces else args


def _chmod(rest: str) -> Call:
    mode, _, path = rest.partition(" ")
    return "fs.setattr", {"path": path, "op": "chmod", "mode": int(mode, 8)}


def _chown(rest: str) -> Call:
    owner, _, path = rest.partition(" ")
    uid, _, gid = owner.partition(":")
    return "fs.setattr", {"path": path, "op": "chown", "uid": int(uid), "gid": int(gid)}


def _setxattr(rest: str) -> Call:
    name, _, path = rest.partition(" ")
    return "fs.setattr", {"path": path, "op": "setxattr", "xattr": name}


def _create(rest: str) -> Call:
    kind, mode, path = rest.split(" ", 2)
    return "fs.create", {"path": path, "kind": kind, "mode": int(mode, 8)}


def _link(rest: str) -> Call:
    path, _, target = rest.partition(" -> ")
    return "fs.create", {"path": path, "kind": "symlink", "target": target}


_VERBS = {
    "d": lambda path: ("fs.delete", {"path": path, "kind": "file"}),
    "r": lambda path: ("fs.read", {"path": path, "op": "open"}),
    "u": lambda path: ("fs.setattr", {"path": path, "op": "utimes"}),
    "n": _rename,
    "m": _chmod,
    "o": _chown,
    "x": _setxattr,
    "c": _create,
    "l": _link,
}

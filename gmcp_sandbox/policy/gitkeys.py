"""Which keys of a git configuration name a program to run (git-config(1), githooks(5) and git's companions).

Guarantees: a key of the table is host-executing but for the values that are known to be harmless. Keys of sections that
the table does not know are judged by what their names tell, and any value that starts with `!` is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gmcp_sandbox.policy.gitconfig import Entry


def is_host_executing(entry: Entry) -> bool:
    """True when git (or a well-known companion) would run what this entry says.

    Values cut at a NUL are judged as git sees them and as they stand.
    """
    if entry.value is None:
        return False
    seen = entry.value.split("\0", 1)[0]
    return _runs(entry, seen) or (seen != entry.value and _runs(entry, entry.value))


def _runs(entry: Entry, value: str) -> bool:
    judge = _JUDGES.get((entry.section, entry.variable)) or _JUDGES.get((entry.section, "*"))
    if judge is not None and judge(entry, value):
        return True
    if value.lstrip().startswith("!"):
        return True
    return bool(_TELLING.search(entry.variable)) and judge is None and value.lower() not in _BOOLEANS


_TELLING = re.compile(
    r"(?:command|cmd|program|helper|editor|pager|hook|hooks|hookspath|driver|textconv|askpass|difffilter|prog|exec)$"
)
"""Variables of sections that we do not know, judged by what their names tell."""
_BOOLEANS = frozenset({"", "true", "false", "yes", "no", "on", "off", "0", "1"})
_PAGERS = _BOOLEANS | {"cat", "less"}
_LFS = frozenset(
    {
        "git-lfs clean -- %f",
        "git-lfs smudge -- %f",
        "git-lfs smudge --skip -- %f",
        "git-lfs filter-process",
        "git-lfs filter-process --skip",
    }
)
_LAYOUT = re.compile(r"[A-Za-z@(),/+| ]*")
_HELPER_URL = re.compile(r"\s*(?:ext|fd)::", re.IGNORECASE)
_ALIASED = frozenset(
    {
        *("add", "blame", "branch", "checkout", "cherry-pick", "commit", "describe", "diff", "log", "ls-files"),
        *("merge-base", "reflog", "remote", "reset", "restore", "rev-list", "rev-parse", "shortlog", "show"),
        *("stash", "status", "switch", "tag"),
    }
)
"""Subcommands that run no program of the caller's choice, whatever their options."""

_Judge = Callable[[Entry, str], bool]


def _always(_entry: Entry, _value: str) -> bool:
    return True


def _unless(*harmless: str | frozenset[str]) -> _Judge:
    allowed = frozenset().union(*((words,) if isinstance(words, str) else words for words in harmless))

    def judge(_entry: Entry, value: str) -> bool:
        return value not in allowed and value.lower() not in allowed

    return judge


def _alias(_entry: Entry, value: str) -> bool:
    words = value.replace('"', "").replace("'", "").replace("\\", "").split()
    return bool(words) and (words[0] not in _ALIASED or any(map(_is_acting, words)))


def _is_acting(word: str) -> bool:
    """True for an option by which a subcommand that only looks would run something, or write to any file."""
    return word in ("--ext-diff", "--textconv") or word.partition("=")[0] == "--output"


def _tool(_entry: Entry, value: str) -> bool:
    """git-mergetool--lib reads the shell script of this name below git's own directory, wherever `..` leads."""
    return "/" in value


def _layout(_entry: Entry, value: str) -> bool:
    """The layout goes into a command line of vim, and vim runs programs."""
    return _LAYOUT.fullmatch(value) is None


def _url(_entry: Entry, value: str) -> bool:
    return bool(_HELPER_URL.match(value))


def _replaced_url(entry: Entry, _value: str) -> bool:
    return bool(_HELPER_URL.match(entry.subsection or ""))


def _update(_entry: Entry, value: str) -> bool:
    return value.lstrip().startswith("!")


def _protocol(entry: Entry, value: str) -> bool:
    return (entry.subsection or "").lower() in ("", "ext", "fd") and value.lower() != "never"


_not_empty = _unless("")
_JUDGES: dict[tuple[str, str], _Judge] = {
    ("core", "fsmonitor"): _unless(_BOOLEANS),
    ("core", "hookspath"): _unless("/dev/null"),
    ("core", "sshcommand"): _not_empty,
    ("core", "editor"): _unless("", ":", "true"),
    ("core", "pager"): _unless(_PAGERS),
    ("core", "askpass"): _not_empty,
    ("core", "gitproxy"): _unless("", "none"),
    ("core", "alternaterefscommand"): _not_empty,
    ("alias", "*"): _alias,
    ("filter", "clean"): _unless("", _LFS),
    ("filter", "smudge"): _unless("", _LFS),
    ("filter", "process"): _unless("", _LFS),
    ("diff", "external"): _not_empty,
    ("diff", "command"): _not_empty,
    ("diff", "textconv"): _not_empty,
    ("merge", "driver"): _not_empty,
    ("credential", "helper"): _not_empty,
    ("gpg", "program"): _not_empty,
    ("gpg", "defaultkeycommand"): _not_empty,
    ("sequence", "editor"): _unless("", ":", "true"),
    ("pager", "*"): _unless(_PAGERS),
    ("browser", "cmd"): _not_empty,
    ("browser", "path"): _not_empty,
    ("difftool", "cmd"): _not_empty,
    ("difftool", "path"): _not_empty,
    ("mergetool", "cmd"): _not_empty,
    ("mergetool", "path"): _not_empty,
    ("mergetool", "layout"): _layout,
    ("merge", "tool"): _tool,
    ("merge", "guitool"): _tool,
    ("diff", "tool"): _tool,
    ("diff", "guitool"): _tool,
    ("uploadpack", "packobjectshook"): _not_empty,
    ("gc", "recentobjectshook"): _not_empty,
    ("hook", "command"): _not_empty,
    ("remote", "uploadpack"): _unless("", "git-upload-pack"),
    ("remote", "receivepack"): _unless("", "git-receive-pack"),
    ("remote", "vcs"): _not_empty,
    ("remote", "url"): _url,
    ("remote", "pushurl"): _url,
    ("submodule", "url"): _url,
    ("submodule", "update"): _update,
    ("url", "insteadof"): _replaced_url,
    ("url", "pushinsteadof"): _replaced_url,
    ("protocol", "allow"): _protocol,
    ("include", "path"): _always,
    ("includeif", "path"): _always,
    ("init", "templatedir"): _not_empty,
    ("interactive", "difffilter"): _not_empty,
    ("trailer", "command"): _not_empty,
    ("trailer", "cmd"): _not_empty,
    ("sendemail", "smtpserver"): _not_empty,
    ("man", "cmd"): _not_empty,
    ("man", "path"): _not_empty,
    ("imap", "tunnel"): _not_empty,
    ("web", "browser"): _not_empty,
    ("help", "browser"): _not_empty,
    ("instaweb", "*"): _not_empty,
    ("http", "savecookies"): _unless("", "false", "no", "off", "0"),  # writes what a server says to any file
    ("lfs", "path"): _not_empty,
    ("lfs", "clean"): _unless("", _LFS),
    ("lfs", "smudge"): _unless("", _LFS),
    ("guitool", "cmd"): _not_empty,
    ("tar", "command"): _not_empty,
    ("svn", "authorsprog"): _not_empty,
}

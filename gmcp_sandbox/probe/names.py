"""What a system program is called, and what it is: `argv[0]` is the starter's choice, the opened file is not.

`["stat", "-r", "docs"]` may start `rm`; a line that says `stat -r docs` would hide it. Guarantees: pure, never raises.
"""

from __future__ import annotations

import re

_MANY = frozenset(
    {
        *("busybox", "toybox", "coreutils", "systemctl", "kmod", "lvm", "xtables-nft-multi", "xtables-legacy-multi"),
        *("pgrep", "ccache", "rustup", "bzip2", "xz", "zstd", "mke2fs", "e2fsck", "tune2fs", "dumpe2fs", "vim"),
        *("unzip", "git"),
    }
)
"""Programs that do what their name says, whatever the file is called: here `argv[0]` is the truth."""
_ALIASES = {"dash": {"sh"}, "bash": {"sh", "rbash"}, "mawk": {"awk", "nawk"}, "gawk": {"awk"}} | {
    "gcc": {"cc"},
    "g++": {"c++"},
    "nodejs": {"node"},
    "less": {"pager"},
}
_PREFIX = re.compile(r"[a-z0-9_]+-(?:pc-)?linux-(?:gnu|musl)[a-z0-9]*-(?=.)")
_SUFFIX = re.compile(r"(?<=.)(?:-?\d[\d.]*|\.(?:bfd|gold|openbsd|traditional|basic|tiny|nox))\Z")


def true_name(program: str, called: str) -> str:
    """Return the name of the program where it is called something else; empty where the name tells it.

    Args:
        program: Path of the file that was opened.
        called: The first word of the argument vector.
    """
    name, file = called.rpartition("/")[2].removeprefix("-"), program.rpartition("/")[2]
    if not file or name == file:
        return ""
    short = _SUFFIX.sub("", _PREFIX.sub("", file))
    if short in _MANY or _SUFFIX.sub("", name) == short or name in _ALIASES.get(short, ()):
        return ""
    return short

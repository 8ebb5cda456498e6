"""Content guards: files that ordinary work must write, but not with every content.

git reads its configuration from the workspace when the user runs it there, outside of the sandbox, and many of its keys
name programs to run. A guard reads the whole prospective content and refuses those keys.

Invariants:
- Any bytes get an answer; nothing raises.
- What git would run is refused, also when a later line makes git give up on the file.
- A file below a `.git` directory that cannot be parsed is refused; elsewhere a file that merely has such a name (an ssh
  `config`, a `.gitmodules` in a merge conflict) is harmless then, because git stops at it.
- An answer names the key, never the value.

Leaves to others: collecting the content (the filesystem shell), and the bound on its length.
"""

from __future__ import annotations

import msgspec

from gmcp_sandbox.policy.gitconfig import Entry, parse_git_config
from gmcp_sandbox.policy.gitkeys import is_host_executing
from gmcp_sandbox.policy.gitlinks import against_pointer, is_in_git_directory, normal

POINTERS = frozenset({".git", "commondir"})
"""Base names, in lower case, of files that say where a git directory is."""
GUARDED_NAMES = frozenset({"config", "config.worktree", ".gitconfig", ".gitmodules", "gitconfig"}) | POINTERS
"""Base names, in lower case, that git reads as configuration."""

_LONGEST_KEY = 120


class Guard(msgspec.Struct, frozen=True):
    """The guard of one path."""

    path: str

    def judge(self, content: bytes) -> str | None:
        """Return None when the whole content is harmless, else the reason against it."""
        if self.path.rpartition("/")[2].lower() in POINTERS:
            return against_pointer(self.path, content)
        if b"\0" in content:
            return "a NUL byte in git configuration" if self._is_in_git_directory else self._judge_entries(content)
        return self._judge_entries(content)

    def _judge_entries(self, content: bytes) -> str | None:
        config = parse_git_config(content)
        for entry in config.entries:
            if is_host_executing(entry) or self._leads_out(entry):
                return f"{entry.key[:_LONGEST_KEY]!a} can run a program on the host"
        if config.error is not None and self._is_in_git_directory:
            return f"git configuration with {config.error}"
        return None

    @property
    def _is_in_git_directory(self) -> bool:
        return is_in_git_directory(self.path)

    def _leads_out(self, entry: Entry) -> bool:
        """True for a `core.worktree` by which git would check out files beside the repository's own tree."""
        if (entry.section, entry.subsection, entry.variable) != ("core", None, "worktree") or not entry.value:
            return False
        top, found, inside = self.path.partition("/.git/")
        if not found:
            return True
        directory = self.path.rpartition("/")[0]
        value = entry.value.encode("latin-1").decode("utf-8", "surrogateescape")
        target = normal(directory, value)
        if not inside.startswith("modules/"):
            return target != top  # a directory below could become a link that leads anywhere
        return target != top and not target.startswith(top + "/")


def guard_for(path: str) -> Guard | None:
    """Return the guard of a path, or None when any content is fine."""
    name = path.rpartition("/")[2]
    return Guard(path) if name.lower() in GUARDED_NAMES else None

"""Which links and pointers may lead where, in and to git directories.

git on the host follows what lies in a git directory without a second look: it appends to `logs/HEAD`, writes
`COMMIT_EDITMSG`, locks and renames the index where a symbolic link leads. So

- no symbolic link stands in a `.git` directory but the one by which `git init` finds out whether there are any;
- a `.git` file and a `commondir` name a `.git` directory, or a place in one: what else is called a git directory would
  hold links, hooks and logs that nobody looks at;
- a `.git` file names the directory of a submodule only from below the repository that has the submodule.

Paths are read as written: a link on the way to the first `.git` changes nothing, because `.git` itself is never a link.
"""

from __future__ import annotations

_POINTER = b"gitdir:"
_PROBE = "testing"
"""What git (`create_default_files`) makes a link to, looks at it, and removes it."""


def is_in_git_directory(path: str) -> bool:
    """True for what lies in a directory called `.git`, at any depth."""
    return "/.git/" in path.lower()


def is_refused_link(path: str, target: str) -> bool:
    """True when a symbolic link to `target` may not stand at `path`."""
    return is_in_git_directory(path) and target != _PROBE


def against_pointer(path: str, content: bytes) -> str | None:
    """Return the reason against the content of a `.git` or `commondir` file; None when it may stand there."""
    directory, _, name = path.rpartition("/")
    if name.lower() == "commondir":
        if not is_in_git_directory(path) or not content.strip():
            return None
        found = normal(directory, _text(content))
        return None if ".git" in found.split("/") else "a common directory that is no .git directory"
    if not content.startswith(_POINTER):
        return None  # git stops at it
    words = _text(content[len(_POINTER) :])
    _before, marker, after = f"/{words}/".partition("/.git/")
    inside = [part for part in after.split("/") if part not in ("", ".")]
    if words and (not marker or ".." in inside):
        return "a pointer to what is no .git directory"
    if inside[:1] == ["modules"]:
        top = normal(directory, words).partition("/.git/")[0]
        if not directory.startswith(top + "/"):
            return "a pointer to the submodule of another repository"
    return None


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape").split("\0", 1)[0].strip(" \r\n")


def normal(directory: str, path: str) -> str:
    """Return an absolute path without dots, as it reads."""
    names: list[str] = []
    for name in (path if path.startswith("/") else f"{directory}/{path}").split("/"):
        if name == "..":
            names[-1:] = []
        elif name not in ("", "."):
            names.append(name)
    return "/" + "/".join(names)

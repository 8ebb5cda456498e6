"""Find the git directories that a workspace's `.git` file points to, and what else git would run or read from it.

Guarantees: a git directory outside of the workspace is named only when it points back: a worktree's by its `gitdir`
file, a submodule's by `core.worktree`. The common directory of a worktree must hold it under `worktrees/`. git is never
run."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gmcp_sandbox.monitor.links import real_path, trace
from gmcp_sandbox.policy.gitconfig import Entry, parse_git_config

_LARGEST = 1 << 20


def linked_git_directories(workspace: str) -> tuple[str, ...]:
    """Return the git directories outside of a workspace (absolute, no links) that belong to it."""
    pointer = os.path.join(workspace, ".git")
    words = _line(pointer, follow=False)
    if not words.startswith("gitdir:"):
        return ()
    directory = real_path(os.path.join(workspace, words.removeprefix("gitdir:").strip()))
    if _is_below(directory, workspace) or not _is_git_directory(directory):
        return ()
    if not (_names(directory, pointer) or _works_on(directory, workspace)):
        return ()
    common = _common(directory)
    if common is None:
        return (directory,)
    return (common,) if _is_below(directory, common) else ()


def hook_directories(workspace: str, home: str) -> tuple[str, ...]:
    """Return directories in a workspace from which git runs hooks although they are not called `.git/hooks`."""
    found = []
    for _config, entry in _entries(workspace, home):
        if (entry.section, entry.subsection, entry.variable) == ("core", None, "hookspath") and entry.value:
            found.append(_expanded(entry.value, workspace, home))
    if os.path.islink(os.path.join(workspace, ".git", "hooks")):
        found.append(os.path.join(workspace, ".git", "hooks"))
    real = (real_path(path) for path in found)
    return tuple(dict.fromkeys(path for path in real if _is_below(path, workspace)))


def included_files(workspace: str, home: str) -> tuple[str, ...]:
    """Return files in a workspace that git reads as configuration because one outside of the agent's reach says so."""
    found = []
    for config, entry in _entries(workspace, home):
        if entry.section in ("include", "includeif") and entry.variable == "path" and entry.value:
            found.append(_expanded(entry.value, os.path.dirname(config), home))
    places = [
        place for path in found if (steps := trace(path)) for place in (steps.real, *(at for at, _ in steps.links))
    ]
    places += [os.path.normpath(path) for path in found]  # one that is not there yet
    return tuple(dict.fromkeys(path for path in places if _is_below(path, workspace)))


def remote_addresses(workspace: str) -> tuple[str, ...]:
    """Return the addresses of the remotes of a workspace's own configuration, whoever wrote it; nothing is followed."""
    entries = parse_git_config(_content(os.path.join(workspace, ".git", "config"), follow=False)).entries
    keys = ("url", "pushurl")
    return tuple(one.value for one in entries if one.section == "remote" and one.variable in keys and one.value)


def _entries(workspace: str, home: str) -> Iterator[tuple[str, Entry]]:
    """Yield (file, entry) of the configurations that git reads in a workspace, included ones left out."""
    directories = [os.path.join(workspace, ".git"), *_linked(workspace)]
    configs = [os.path.join(directory, name) for directory in directories for name in ("config", "config.worktree")]
    for config in (*configs, os.path.join(home, ".gitconfig"), os.path.join(home, ".config", "git", "config")):
        for entry in parse_git_config(_content(config, follow=True)).entries:
            yield config, entry


def _expanded(value: str, directory: str, home: str) -> str:
    path = value.encode("latin-1").decode("utf-8", "surrogateescape")
    return os.path.join(directory, f"{home}/{path[2:]}" if path.startswith("~/") else path)


def _linked(workspace: str) -> tuple[str, ...]:
    """Return the git directory that a `.git` file names, and its common directory, whoever wrote it."""
    words = _line(os.path.join(workspace, ".git"), follow=False)
    if not words.startswith("gitdir:"):
        return ()
    directory = real_path(os.path.join(workspace, words.removeprefix("gitdir:").strip()))
    common = _common(directory)
    return (directory, common) if common else (directory,)


def _is_git_directory(path: str) -> bool:
    has_objects = os.path.isdir(os.path.join(path, "objects")) or os.path.isfile(os.path.join(path, "commondir"))
    return has_objects and os.path.isfile(os.path.join(path, "HEAD"))


def _names(directory: str, pointer: str) -> bool:
    """True for the directory of a worktree whose `gitdir` file names this pointer."""
    named = _line(os.path.join(directory, "gitdir"))
    return bool(named) and real_path(os.path.join(directory, named)) == real_path(pointer)


def _works_on(directory: str, workspace: str) -> bool:
    """True for the directory of a submodule whose `core.worktree` is this workspace."""
    entries = parse_git_config(_content(os.path.join(directory, "config"))).entries
    trees = [entry.value for entry in entries if entry.key == "core.worktree" and entry.value]
    if not trees:
        return False
    tree = trees[-1].encode("latin-1").decode("utf-8", "surrogateescape")
    return real_path(os.path.join(directory, tree)) == real_path(workspace)


def _common(directory: str) -> str | None:
    """Return the common directory of a worktree: None when it has none, empty when the one named does not hold it."""
    if not os.path.isfile(os.path.join(directory, "commondir")):
        return None
    common = real_path(os.path.join(directory, _line(os.path.join(directory, "commondir"))))
    is_held = os.path.dirname(directory) == os.path.join(common, "worktrees") and _is_git_directory(common)
    return common if is_held else ""


def _is_below(path: str, top: str) -> bool:
    return bool(top) and (path == top or path.startswith(top.rstrip("/") + "/"))


def _line(path: str, *, follow: bool = True) -> str:
    text = _content(path, follow=follow)
    return "" if len(text) > 4096 else os.fsdecode(text).strip("\n\r")


def _content(path: str, *, follow: bool = True) -> bytes:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        with open(os.open(path, flags), "rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return b""

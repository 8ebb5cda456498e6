"""The view: what the agent's root shows, as values.

Guarantees: mounts are sorted so that parents precede children, at most one a path; no link stands where a mount does.
A mount's source may be a directory or a regular file (then the mountpoint is a file). `/proc` and `/dev` are no
mounts of the view: the kernel's own stand there, on directories that the view keeps for them.

Leaves to others: whether sources exist (`monitor/resolve.py` made sure when it built the view).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gmcp_sandbox.policy.profile import Mount, MountMode, PathRule

KERNEL_DIRECTORIES = ("/dev", "/proc")
"""Where the kernel's own filesystems are mounted over the view."""


class View(msgspec.Struct, frozen=True):
    """What the root shows. Make it with `View.of`.

    Attributes:
        mounts: Trees and files, parents first; `hidden` ones cut a part out of a tree above them.
        symlinks: (sandbox path, target) of links that the view itself shows, sorted.
        notes: What was left out and why, one line each, for `--dry-run`.
        path_rules: Labels that follow from facts of the host; they hold beside the profile's own.
    """

    mounts: tuple[Mount, ...]
    symlinks: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    path_rules: tuple[PathRule, ...] = ()

    @classmethod
    def of(
        cls,
        mounts: Iterable[Mount],
        symlinks: Iterable[tuple[str, str]] = (),
        *,
        notes: Iterable[str] = (),
        path_rules: Iterable[PathRule] = (),
    ) -> View:
        """Sort and tidy: of two mounts at one path the later wins, and a mount wins over a link."""
        by_path = {mount.path: mount for mount in mounts}
        links = {path: target for path, target in symlinks if path not in by_path}
        ordered = sorted(by_path.values(), key=lambda mount: mount.path.split("/"))
        return cls(tuple(ordered), tuple(sorted(links.items())), tuple(notes), tuple(path_rules))

    def fixed_paths(self) -> frozenset[str]:
        """Return mountpoints, links, the kernel's directories and all above them: never denied, never stale."""
        paths = {"/", *KERNEL_DIRECTORIES}
        shown = [mount.path for mount in self.mounts if mount.mode is not MountMode.HIDDEN]
        for path in (*shown, *(link for link, _target in self.symlinks)):
            paths.add(path)
            paths.update(ancestors(path))
        return frozenset(paths)

    def mount_of(self, path: str) -> Mount | None:
        """Return the innermost mount (hidden ones too) that covers a path, or None."""
        by_path = {mount.path: mount for mount in self.mounts}
        while path not in by_path:
            if path == "/":
                return None
            path = path.rpartition("/")[0] or "/"
        return by_path[path]

    def fixed_names(self, directory: str) -> tuple[str, ...]:
        """Return the names right below a directory that the view itself puts there, sorted."""
        prefix = directory.rstrip("/") + "/"
        below = [path[len(prefix) :] for path in self.fixed_paths() if path.startswith(prefix) and path != prefix]
        return tuple(sorted({rest.split("/", 1)[0] for rest in below}))


def ancestors(path: str) -> list[str]:
    """Return the directories above an absolute normal path, nearest first, the root last."""
    found = []
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        found.append(path)
    return found

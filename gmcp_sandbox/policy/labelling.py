"""What label a path has: the highest of its mount's and of every path rule that matches.

Guarantees: the answer depends on the path, the mounts and the rules alone. Paths that the view does not show are
`OUTSIDE`; directories that exist only because a mount lies below them, and links of the view, are `SYSTEM`.

Leaves to others: the label that an object carries by itself (the filesystem shell takes the highest of both), and
normal paths (no `..`, no double slash).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gmcp_sandbox.calls.labels import OUTSIDE, SYSTEM, WATCHED, Label, highest
from gmcp_sandbox.policy.guards import guard_for
from gmcp_sandbox.policy.match import LONGEST_REMEMBERED, MOST_REMEMBERED, GlobSet
from gmcp_sandbox.policy.profile import Mount, MountMode, PathRule
from gmcp_sandbox.policy.view import KERNEL_DIRECTORIES, ancestors


class Labeller:
    """Labels of paths under one set of mounts and rules. Not for use by several threads at once."""

    def __init__(
        self, mounts: Iterable[Mount], rules: Iterable[PathRule], symlinks: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._mounted = {mount.path: OUTSIDE if mount.mode is MountMode.HIDDEN else mount.label for mount in mounts}
        shown = [path for path, label in self._mounted.items() if label is not OUTSIDE]
        links = [link for link, _target in symlinks]
        self._fixed = dict.fromkeys((*KERNEL_DIRECTORIES, *links), SYSTEM)
        for path in (*shown, *KERNEL_DIRECTORIES, *links):
            for ancestor in ancestors(path):
                if self._covering(ancestor) is None:
                    self._fixed[ancestor] = SYSTEM
        self._rules: dict[str, list[tuple[Label, frozenset[str]]]] = {}
        for rule in rules:
            self._rules.setdefault(rule.pattern, []).append((rule.label, frozenset(rule.unless)))
        exceptions = [pattern for held in self._rules.values() for _label, unless in held for pattern in unless]
        self._globs = GlobSet(self._rules)
        self._exceptions = GlobSet(exceptions)
        self._directories: dict[str, tuple[Label, Callable[[str], bool]]] = {}
        self._known: dict[str, Label] = {}

    def of(self, path: str) -> Label:
        """Return the label of an absolute normal path."""
        directory, _, name = path.rpartition("/")
        entry = self._directories.get(directory)
        if entry is None:
            entry = self._enter(directory)
        label, may_match = entry
        if path in self._mounted or path in self._fixed or may_match(name):
            return self._exactly(path)
        return label

    def of_link(self, path: str) -> Label:
        """Return the label of a symbolic link that would stand at a path: what could lie below it counts, too.

        A link in the place of `.git/hooks` brings a whole directory to where rules wait for one, and one in the place
        of a file with a content guard brings content that nobody judged.
        """
        label = self.of(path)
        for pattern in self._globs.begun_by(path):
            label = highest(label, *(one for one, _unless in self._rules[pattern]))
        if label.rank < WATCHED.rank and guard_for(path) is not None:
            label = WATCHED
        return label

    def _enter(self, directory: str) -> tuple[Label, Callable[[str], bool]]:
        entry = (self._covering(directory) or OUTSIDE, self._globs.below(directory))
        if len(directory) <= LONGEST_REMEMBERED:
            if len(self._directories) >= MOST_REMEMBERED:
                self._directories.clear()
            self._directories[directory] = entry
        return entry

    def _exactly(self, path: str) -> Label:
        label = self._known.get(path)
        if label is None:
            label = self._fixed.get(path) or self._covering(path) or OUTSIDE
            excepted = set(self._exceptions.matching(path))
            for pattern in self._globs.matching(path):
                holding = (one for one, unless in self._rules[pattern] if not unless & excepted)
                label = highest(label, *holding)
            if len(path) <= LONGEST_REMEMBERED:
                if len(self._known) >= MOST_REMEMBERED:
                    self._known.clear()
                self._known[path] = label
        return label

    def _covering(self, path: str) -> Label | None:
        """Return the label of the innermost mount that covers a path."""
        while path not in self._mounted:
            if path in ("/", ""):
                return self._mounted.get("/")
            path = path.rpartition("/")[0] or "/"
        return self._mounted[path]

    def may_differ_below(self, old: str, new: str) -> bool:
        """Whether moving a directory from `old` to `new` may change the label of something in it.

        False is certain: both places have the same mount label, no mount begins below them, and every rule stands at
        the same point after either path, so that it reads the rest alike.
        """
        if old == new:
            return False
        if (self._covering(old) or OUTSIDE) is not (self._covering(new) or OUTSIDE):
            return True
        if any(path.startswith((old + "/", new + "/")) for path in (*self._mounted, *self._fixed)):
            return True
        sets = (self._globs, self._exceptions)
        return any(globs.standing(old).active != globs.standing(new).active for globs in sets)

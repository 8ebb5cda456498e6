"""Run one script twice, on equal copies at the same path: outside, then inside. Compare all that can be seen."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.e2e.harness import Result, Sandbox

Tree = dict[str, tuple[object, ...]]


def tree_of(top: Path, opaque: Iterable[str] = ()) -> Tree:
    """Return what lies below a directory: kind, mode, owner and content; of names that match `opaque` no content."""
    patterns = [re.compile(pattern) for pattern in opaque]
    found: Tree = {}
    for directory, directories, files in os.walk(top):
        for name in (*directories, *files):
            path = Path(directory, name)
            relative = str(path.relative_to(top))
            facts = path.lstat()
            kind = stat.S_IFMT(facts.st_mode)
            content: object = None
            if stat.S_ISLNK(kind):
                content = os.readlink(path)
            elif stat.S_ISREG(kind) and not any(pattern.search(relative) for pattern in patterns):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            links = facts.st_nlink if stat.S_ISREG(kind) else 1
            found[relative] = (oct(facts.st_mode), facts.st_uid, facts.st_gid, links, content)
    return found


class Twins:
    """A sandbox whose workspace is used twice."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def check(
        self,
        *argv: str,
        opaque: Iterable[str] = (),
        plain: Callable[[str], str] = lambda text: text,
        timeout: float = 60,
        profile: str | None = None,
    ) -> Result:
        """Run it outside, put the workspace back as it was, run it inside; return what the inside run did.

        Args:
            profile: Path of one; without it the default, whose gate is not asked about programs.
            opaque: Regular expressions for files whose content may differ (times, inode numbers).
            plain: Takes out of the output what may differ.
        """
        sandbox = self._sandbox
        work, fresh = sandbox.workspace, sandbox.base / "fresh"
        shutil.copytree(work, fresh, symlinks=True)
        outside = sandbox.native(*argv, timeout=timeout)
        expected = tree_of(work, opaque)
        shutil.rmtree(work)
        shutil.copytree(fresh, work, symlinks=True)
        sandbox.own(work)
        rules = profile or sandbox.profile('name = "twins"\nextends = "default"\n', "twins.toml")
        inside = sandbox.exec(*argv, timeout=timeout, profile=rules)
        assert plain(inside.text) == plain(outside.text), inside.err
        assert inside.code == outside.code, inside.err
        assert outside.code == 0, outside.err
        assert tree_of(work, opaque) == expected
        return inside

"""Preparations of real launches, as `exec` makes them from its words, for tests of what comes after."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gmcp_sandbox.cli.main import build_parser
from gmcp_sandbox.cli.preparation import Preparation, prepare


def words_of_exec(*words: str) -> argparse.Namespace:
    """Return the parsed words; a leading `--` is gone, as in the command itself."""
    args = build_parser("exec").parse_args(["exec", *words])
    if args.command[:1] == ["--"]:
        args.command = args.command[1:]
    return args


class Place:
    """A home directory with a project in it."""

    def __init__(self, top: Path) -> None:
        self.home = Path(os.path.realpath(top)) / "home"
        self.work = self.home / "work"
        self.work.mkdir(parents=True)
        self.environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / ".local/state"),
            "LANG": "C.UTF-8",
            "SECRET_TOKEN": "hunter2",
        }

    def profile(self, text: str) -> str:
        """Write a profile that extends the default one; return its path."""
        path = self.home / "own.toml"
        path.write_text(f'schema = 1\nname = "own"\nextends = "default"\n{text}')
        return str(path)

    def prepare(self, *words: str, **environ: str) -> Preparation:
        """Prepare what `exec` would in the project."""
        return prepare(words_of_exec("-w", str(self.work), *words), self.environ | environ)

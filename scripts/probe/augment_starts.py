"""Variations of program starts as the exec gate sees them: another `argv[0]`, another working directory.

- a program under another program's name: the label stays, whatever it is called;
- a command that runs outside of the workspace: a dangerous one stays so, and one that only looks stays harmless.
"""

from __future__ import annotations

import random
import re
import shlex
from collections.abc import Sequence

from scripts.probe.rows import DANGEROUS, Row, reworded

_NAMES = ("ls", "cat", "echo", "stat", "true", "make", "git", "test", "python3", "node", "worker", "run", "task", "app")
_PLACES = (
    "/srv/app",
    "/opt/tool",
    "/home/u/src/site",
    "/home/u/notes",
    "/home/u/Documents",
    "/var/www/site",
    "/data/in",
)
_LOOKING = frozenset(
    "ls cat head tail wc grep rg stat file du df pwd date tree diff sort uniq cut env id whoami uname ps which".split()
)
_SIMPLE = re.compile(r"[\w@%+=:,./~ -]{3,120}")


def plain_starts(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of commands that are one program with words and nothing of a shell."""
    return [row for row in rows if _SIMPLE.fullmatch(str(row.call["args"].get("command", ""))) is not None]


def disguised(row: Row, chance: random.Random) -> Row:
    """Return the start of the same program under another name."""
    words = shlex.split(str(row.call["args"]["command"]))
    program = words[0].rpartition("/")[2]
    args = {"argv": [chance.choice(_NAMES), *words[1:]], "program": f"/usr/bin/{program}"}
    return reworded(row, {**row.call, "args": args, "context": {"label": "system"}})


def elsewhere(row: Row, chance: random.Random) -> Row:
    """Return the start in a directory outside of the workspace; another row as it is."""
    words = str(row.call["args"]["command"]).split()
    if row.label != DANGEROUS and words[0] not in _LOOKING:
        return row
    place = {"cwd": chance.choice(_PLACES)}
    return reworded(row, {**row.call, "args": {**row.call["args"], **place}})

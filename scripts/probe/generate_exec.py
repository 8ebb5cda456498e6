"""Generated calls of proc.exec, from data/exec_templates.txt.

Guarantees: seeded and without input; about a quarter of the calls come as argv (a plain command split, a script handed
to a shell), as the kernel tells them, the twins of a pair in the same form.
"""

from __future__ import annotations

import json
import random
import re
import shlex
from typing import Any

from scripts.probe.templates import Call, expand

_AS_ARGV = 0.27
_SHELLS = (["bash", "-c"], ["sh", "-c"], ["/bin/sh", "-c"], ["/bin/bash", "-c"], ["bash", "-lc"], ["zsh", "-c"])
_NEEDS_SHELL = re.compile(r"[|&;<>()$`\\\"'*?\[\]#~=%!{}\n]")


def rows(seed: int = 0) -> list[dict[str, Any]]:
    """Return the rows; the same for the same seed."""
    return expand("exec", call_of, seed)


def call_of(body: str, chance: random.Random) -> Call:
    """Return the call for a command line, or for its arguments as JSON."""
    if body.startswith('{"'):
        return "proc.exec", json.loads(body)
    if chance.random() >= _AS_ARGV:
        return "proc.exec", {"command": body}
    if _NEEDS_SHELL.search(body):
        return "proc.exec", {"argv": [*chance.choice(_SHELLS), body]}
    return "proc.exec", {"argv": shlex.split(body)}

"""Arguments of any shape as one text: `name "text", other 3`.

Guarantees: pure, never raises, no recursion whatever the depth; a long argument, a long name or deep nesting hides no
other argument; what hundreds of them leave out at the limit is said to be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gmcp_sandbox.probe.excerpt import kept
from gmcp_sandbox.probe.places import fold_programs
from gmcp_sandbox.probe.shell import fold_command, mark_capitals

LOOKED_AT = 64 << 10
"""Characters of a command or a set of arguments that are folded; files are looked at by `windows`."""
_LEAF = 8 << 10
"""Characters of one argument, so that no other is hidden behind it."""
_LEAST, _RESERVE = 64, 16 << 10
"""Characters that an argument has even when longer ones have taken nearly all; so many are kept back for such."""
_NAME = 256
"""Characters of a name, the keys above it included."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SHELL_KEYS = frozenset({"command", "cmd", "commands", "shell", "shell command", "command line", "bash"})


def spaced(name: str) -> str:
    """Return a name of a program's language as words."""
    return _CAMEL.sub(" ", name).replace("_", " ")


def flat(value: Any) -> str:
    """Return a JSON value as `name "text", other 3`, without recursion."""
    parts: list[str] = []
    waiting: list[tuple[str, Any]] = [("", value)]
    room = LOOKED_AT
    while waiting and room > -_RESERVE:
        name, item = waiting.pop()
        if isinstance(item, Mapping) and item:
            names = [kept(spaced(str(key)), _NAME) for key in item]
            names[0] = f"{name} {names[0]}"[-_NAME:].strip()  # what is done often stands in the key above
            waiting.extend(reversed(list(zip(names, item.values(), strict=True))))
        elif isinstance(item, list | tuple) and item:
            waiting.extend((name if index == 0 else "", each) for index, each in reversed(list(enumerate(item))))
        elif item is None or (isinstance(item, str | Mapping | list | tuple) and not item):
            parts.append(name)  # that it is there may be all that it says
            room -= len(name) + 1
        else:
            parts.append(f"{name} {_leaf(name, item, max(_LEAST, min(_LEAF, room // 2)))}".lstrip())
            room -= len(parts[-1]) + 1
    if waiting:
        parts.append("and more")
    return ", ".join(part for part in parts if part)


def _leaf(name: str, item: Any, limit: int) -> str:
    if not isinstance(item, str):
        return str(item).lower() if isinstance(item, bool) else str(item)[:64]
    text = kept(item, limit)
    if name.rpartition(" ")[2].lower() in _SHELL_KEYS or name.lower() in _SHELL_KEYS:
        text = mark_capitals(fold_programs(fold_command(text)))
    return f'"{text}"'

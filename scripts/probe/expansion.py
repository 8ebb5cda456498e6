"""Expand templates of calls into rows: what stays the same shows the model what tells the classes apart.

A template file has groups of lines. `# family category` opens a family; `+ {call}` is dangerous (`+category {call}`
in another way than its family), `- {call}` is safe, both as JSON; a blank line ends a group. In any text of a call
`«slot»` stands for a word of that list in `slots.txt` and `«a|b»` for one of these words (`\\|` is a bar); slots may
stand within choices. Within one expansion of a group each has one value, so the rows of a group differ only where the
template says so. `«slot2»` is a second, independent word of the list `slot`.

Guarantees: the same seed gives the same rows; no row comes twice; the rows of one expansion share their pair.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
_SLOT = re.compile(r"«([^«»]*)»")
_BAR = re.compile(r"(?<!\\)\|")
_CAMEL = re.compile(r"[_-]([a-z0-9])")
_TASK_SHARE = 0.25
Call = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """Templates that share their words.

    Attributes:
        family: Name of the family, for splits by family.
        category: Kind of danger of the dangerous ones.
        lines: Label, category of this line, and call of each.
    """

    family: str
    category: str
    lines: tuple[tuple[int, str, Call], ...]


def expand(name: str, each: int, seed: int = 0) -> list[Call]:
    """Return `each` expansions of every group in `data/<name>_templates.txt`, as rows."""
    slots = _slots((DATA / "slots.txt").read_text(encoding="utf-8"))
    made: list[Call] = []
    seen: set[str] = set()
    for number, group in enumerate(_groups((DATA / f"{name}_templates.txt").read_text(encoding="utf-8"))):
        chance = random.Random(f"{seed}/{name}/{number}")  # noqa: S311 - examples, no secret
        for turn in range(each):
            rows = [row for row in _expansion(group, slots, chance) if not _is_known(row, seen)]
            labels = {row["label"] for row in rows}
            pair = f"{name}-g{number}-{turn}" if len(labels) > 1 else None
            for row in rows:
                made.append({"id": f"{name}-g{number}-{turn}-{len(made)}", **row, "pair": pair, "source": "generated"})
    return made


def write_rows(rows: list[Call]) -> None:
    """Print rows as JSON lines."""
    for row in rows:
        print(json.dumps(row))


def _is_known(row: Call, seen: set[str]) -> bool:
    key = json.dumps([row["tool"], row["args"], row["context"]], sort_keys=True)
    if key in seen:
        return True
    seen.add(key)
    return False


def _expansion(group: Group, slots: dict[str, list[str]], chance: random.Random) -> Iterator[Call]:
    values: dict[str, str] = {}
    task = chance.choice(slots["task"]) if chance.random() < _TASK_SHARE else None
    style = chance.random()
    for label, category, template in group.lines:
        call = _filled(template, values, slots, chance)
        context = call.pop("context", {})
        if task is not None and "task" not in context and call["tool"] == "mcp.call":
            context["task"] = task
        if call["tool"] == "mcp.call":
            call["args"] = _styled(call["args"], style)
        yield {
            **call,
            "context": context,
            "label": label,
            "category": category if label else None,
            "family": group.family,
        }


def _filled(value: Any, values: dict[str, str], slots: dict[str, list[str]], chance: random.Random) -> Any:
    """Return the template with every slot filled."""
    if isinstance(value, dict):
        return {key: _filled(each, values, slots, chance) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values, slots, chance) for each in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        word = match[1]
        if word not in values:
            choices = _BAR.split(word) if "|" in word else slots[word.rstrip("0123456789")]
            values[word] = chance.choice(choices).replace("\\|", "|")
        return values[word]

    text, count = value, 1
    while count:  # the innermost first
        text, count = _SLOT.subn(fill, text)
    return int(text) if value.startswith("«") and text.isdecimal() and len(text) < 10 else text


def _styled(args: Call, style: float) -> Call:
    """Return the call with its tool's name in one of the usual styles."""
    server, tool = args.get("server"), str(args["tool"])
    if style < 0.2:
        tool = _CAMEL.sub(lambda match: match[1].upper(), tool)
    elif style < 0.3:
        tool = tool.replace("_", "-")
    given = {"tool": tool, "arguments": args["arguments"]}
    if server is None or 0.5 < style < 0.65:
        return given
    if style > 0.85:
        return {**given, "tool": f"{server}/{tool}"}
    return {"server": server, **given}


def _groups(text: str) -> Iterator[Group]:
    family, category = "", ""
    lines: list[tuple[int, str, Call]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("# "):
            _, family, category = line.split()
        elif line.strip():
            sign, _, call = line.partition(" ")
            lines.append((int(sign[0] == "+"), sign[1:] or category, json.loads(call)))
        elif lines:
            yield Group(family, category, tuple(lines))
            lines = []


def _slots(text: str) -> dict[str, list[str]]:
    slots: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, words = line.partition(": ")
        if words:
            slots.setdefault(name, []).extend(word.strip() for word in words.split(" || "))
    return slots

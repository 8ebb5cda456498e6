"""Templates of calls and their expansion into rows.

A template file is read line by line:

    $name = first ¦ second        a list; its values may name other lists
    @family category *n           opens a family: default category of its dangerous lines, expansions of each group
    ! …   !<category> …           a dangerous line          . …   a safe line          // …   a remark
    (a blank line)                ends a group

`%name%` draws from the list, the same value throughout one expansion of a group; `%name2%` draws from the same list
anew. `⏎` is a line break; ` ¦ key=value` at the end of a line adds context.

Guarantees: the same file and seed give the same rows in every run; no row comes twice; a group with lines of both kinds
gives pairs of one dangerous and one safe row that share their values.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.probe.rows import CATEGORIES, DANGEROUS, SAFE

DATA = Path(__file__).parent / "data"
Call = tuple[str, dict[str, Any]]
"""The name of a tool and its arguments."""

_SLOT = re.compile(r"%([a-z]+\d?)%")
_LINE = re.compile(r"([!.])(?:<(\w+)>)? (.*)")
_FAMILY = re.compile(r"@([\w.]+)(?: (\w+))? \*(\d+)")
_BETWEEN = " ¦ "
_TRIES = 12


class TemplateError(Exception):
    """A template file that cannot be read; says where."""


@dataclass(frozen=True, slots=True)
class Line:
    """One template: how it is judged, and its text."""

    label: int
    category: str | None
    text: str


@dataclass(slots=True)
class Group:
    """Lines that share their values, and how often they are expanded."""

    family: str
    category: str | None
    expansions: int
    lines: list[Line] = field(default_factory=list)

    def of(self, label: int) -> list[Line]:
        """Return the lines with that label."""
        return [line for line in self.lines if line.label == label]


@dataclass(frozen=True, slots=True)
class Templates:
    """A template file that was read."""

    lists: Mapping[str, list[str]]
    groups: list[Group]

    def fill(self, text: str, chance: random.Random, drawn: dict[str, str]) -> str:
        """Return the text with values for its slots; `drawn` keeps them for the lines that follow."""

        def value(slot: re.Match[str]) -> str:
            name = slot[1]
            if name not in drawn:
                values = self.lists.get(name) or self.lists[name.rstrip("0123456789")]
                drawn[name] = _SLOT.sub(value, chance.choice(values))
            return drawn[name]

        return _SLOT.sub(value, text)


def read(path: Path) -> Templates:
    """Return the templates of a file.

    Raises:
        TemplateError: A line is none of the language, or names a list that does not exist.
    """
    lists: dict[str, list[str]] = {}
    groups: list[Group] = []
    head = group = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("$"):
            name, _, values = line[1:].partition(" = ")
            lists[name] = values.split(_BETWEEN)
        elif line.startswith("@"):
            head, group = _matched(_FAMILY, line, number), None
        elif not line.strip():
            group = None
        elif not line.startswith("//"):
            if head is None:
                raise TemplateError(f"line {number}: a template before the first family")
            if group is None:
                group = Group(head[1], head[2], int(head[3]))
                groups.append(group)
            group.lines.append(_line(line, number, group))
    templates = Templates(lists, groups)
    _check_slots(templates)
    return templates


def expand(
    name: str, call_of: Callable[[str, random.Random], Call], seed: int, *, folder: Path = DATA
) -> list[dict[str, Any]]:
    """Return the rows of the template file `name` of a folder; `call_of` makes a call of a filled line."""
    templates = read(folder / f"{name}_templates.txt")
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, group in enumerate(templates.groups):
        chance = random.Random(f"{seed}:{name}:{number}")  # noqa: S311 - examples, no secret
        for turn, twins in enumerate(_expansions(templates, group, chance, seen)):
            style = chance.random()
            pair = f"{name}-g{number}-{turn}" if len(twins) > 1 else None
            for line, text in twins:
                tool, args, context = _parts(text, call_of, random.Random(style))  # noqa: S311
                rows.append(
                    {
                        "id": f"{name}-g{number}-{turn}-{line.label}",
                        "tool": tool,
                        "args": args,
                        "context": context,
                        "label": line.label,
                        "category": line.category,
                        "family": group.family,
                        "pair": pair,
                        "source": "generated",
                    }
                )
    return rows


def split_context(text: str) -> tuple[str, dict[str, Any]]:
    """Return a line without its context, and the context."""
    body, *parts = text.split(_BETWEEN)
    context: dict[str, Any] = {}
    for part in parts:
        key, _, value = part.partition("=")
        context[key] = {"taint": value.split(","), "burst": value == "1"}.get(key, value)
    return body, context


def _parts(text: str, call_of: Callable[[str, random.Random], Call], chance: random.Random) -> tuple[str, Any, Any]:
    body, context = split_context(text)
    tool, args = call_of(body.replace("⏎", "\n"), chance)
    return tool, args, context


def _expansions(
    templates: Templates, group: Group, chance: random.Random, seen: set[str]
) -> Iterator[list[tuple[Line, str]]]:
    """Yield what is new of each expansion; the lines take turns, so that each is used about as often."""
    kinds = [lines for lines in (group.of(DANGEROUS), group.of(SAFE)) if lines]
    for lines in kinds:
        chance.shuffle(lines)
    for turn in range(group.expansions):
        fresh: list[tuple[Line, str]] = []
        for _ in range(_TRIES):
            drawn: dict[str, str] = {}
            twins = [(lines[turn % len(lines)], lines[turn % len(lines)].text) for lines in kinds]
            filled = [(line, templates.fill(text, chance, drawn)) for line, text in twins]
            fresh = [(line, text) for line, text in filled if text not in seen]
            if len(fresh) == len(kinds):
                break
        seen.update(text for _, text in fresh)
        if fresh:
            yield fresh


def _line(line: str, number: int, group: Group) -> Line:
    found = _matched(_LINE, line, number)
    if found[1] == ".":
        return Line(SAFE, None, found[3])
    category = found[2] or group.category
    if category not in CATEGORIES:
        raise TemplateError(f"line {number}: {category} is no category")
    return Line(DANGEROUS, category, found[3])


def _matched(pattern: re.Pattern[str], line: str, number: int) -> re.Match[str]:
    found = pattern.fullmatch(line)
    if found is None:
        raise TemplateError(f"line {number}: {line!r} is neither family, list, template nor remark")
    return found


def _check_slots(templates: Templates) -> None:
    """Every slot names a list, so that no text with a bare slot comes out."""
    texts = [text for values in templates.lists.values() for text in values]
    texts += [line.text for group in templates.groups for line in group.lines]
    for name in {slot for text in texts for slot in _SLOT.findall(text)}:
        if name not in templates.lists and name.rstrip("0123456789") not in templates.lists:
            raise TemplateError(f"%{name}% names no list")

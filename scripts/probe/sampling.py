"""What one epoch of training is made of: a fresh draw with fresh variations, from a seed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from scripts.probe.augment import chained, chained_deep, chained_safe, mentioned, varied
from scripts.probe.augment_calls import carried, reshaped, short_commands, spoken
from scripts.probe.augment_starts import disguised, elsewhere, plain_starts
from scripts.probe.long_calls import line_rows
from scripts.probe.rows import DANGEROUS, SAFE, Row

SHARES = {
    "tldr": 2200,
    "bfcl": 450,
    "programs": 60,
    "grammar.tool": 1100,
    "grammar.mcp": 450,
    "grammar.rest": 300,
    "grammar.sql": 300,
    "templates.exec": 2200,
    "templates.files": 800,
    "templates.mcp": 1200,
    "templates.net": 500,
    "templates.write": 500,
    "templates.incoming": 500,
}
"""Rows a source gives to an epoch, where it has more; all dangerous rows of the public sources take part."""
_CHAINS, _SAFE_CHAINS, _MENTIONS = 300, 900, 350
_DEEP = 350
_CARRIED, _SPOKEN = 300, 200
_DISGUISED, _ELSEWHERE = 120, 120


def epoch(rows: Sequence[Row], seed: int, share: float = 1.0) -> list[Row]:
    """Return the rows of one epoch; `share` makes fewer those of the sources that have more than they give."""
    chance = random.Random(seed)  # noqa: S311 - an order, no secret
    lines = line_rows(rows)
    rows = _told_by_first_line(rows)
    drawn = _draw(rows, chance, share)
    commands = [row for row in rows if row.tool == "proc.exec" and isinstance(row.call["args"].get("command"), str)]
    bad = [row for row in commands if row.label == DANGEROUS]
    good = [row for row in commands if row.label == SAFE and row.source != "programs"]
    mixed = [reshaped(varied(row, chance), chance) for row in drawn]
    mixed += [chained(chance.choice(bad), chance.choice(good), chance) for _ in range(_CHAINS)]
    mixed += [chained_safe(chance.choices(good, k=chance.randint(2, 6)), chance) for _ in range(_SAFE_CHAINS)]
    mixed += [chained_deep(chance.choice(bad), _some(good, chance), chance) for _ in range(_DEEP)]
    for row in chance.sample(bad, min(_MENTIONS, len(bad))):
        text = str(row.call["args"]["command"])
        if len(text) < 120 and "\n" not in text and text.strip():
            mixed.append(mentioned(row, text, chance))
    mixed += _in_calls(short_commands(bad), short_commands(good), chance)
    mixed += _started(plain_starts(bad), plain_starts(good), chance)
    mixed += lines
    chance.shuffle(mixed)
    return mixed


def _told_by_first_line(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without those dangerous ones whose danger lies in a further line (`line_rows`)."""
    harmless = {row.text for row in rows if row.label == SAFE and row.pair and row.tool.startswith("mcp.")}
    return [row for row in rows if row.label == SAFE or row.text not in harmless]


def _some(rows: list[Row], chance: random.Random) -> list[Row]:
    return chance.choices(rows, k=chance.randint(1, 5))


def _in_calls(bad: list[Row], good: list[Row], chance: random.Random) -> list[Row]:
    """Return commands that calls of MCP servers carry, and calls that speak of dangerous ones."""
    if not bad or not good:
        return []
    found = [carried(chance.choice(each), chance) for each in (bad, good) for _ in range(_CARRIED)]
    return found + [spoken(chance.choice(bad), chance) for _ in range(_SPOKEN)]


def _started(bad: list[Row], good: list[Row], chance: random.Random) -> list[Row]:
    """Return starts under other names and in other places."""
    if not bad or not good:
        return []
    found = [disguised(chance.choice(each), chance) for each in (bad, good) for _ in range(_DISGUISED)]
    return found + [elsewhere(chance.choice(each), chance) for each in (bad, good) for _ in range(_ELSEWHERE)]


def _draw(rows: Sequence[Row], chance: random.Random, part: float) -> list[Row]:
    by_source: dict[str, list[Row]] = defaultdict(list)
    drawn: list[Row] = []
    for row in rows:
        if row.source == "tldr" and row.label == DANGEROUS:
            drawn.append(row)
        else:
            by_source[row.source].append(row)
    for source, own in sorted(by_source.items()):
        share = int(part * SHARES[source]) if source in SHARES else len(own)
        drawn += own if len(own) <= share else _pairs_together(own, share, chance)
    return drawn


def _pairs_together(rows: list[Row], share: int, chance: random.Random) -> list[Row]:
    """Return about so many rows, minimal pairs whole."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row.pair or str(index)].append(row)
    names = list(groups)
    chance.shuffle(names)
    taken: list[Row] = []
    for name in names:
        if len(taken) >= share:
            break
        taken += groups[name]
    return taken

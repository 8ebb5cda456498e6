"""A long text in few words: what stands around its telling places, its head and its tail.

Guarantees: what comes out costs at most the budget, as `cost` counts; a text within the budget comes out whole; the
order of what is left is the order of the text. Pure, linear, never raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from gmcp_sandbox.pipeline.windows import telling_places

GAP = " … "
_PIECES = re.compile(r"[A-Za-z]{1,7}|[0-9]{1,3}|[^\sA-Za-z0-9]")
_PLACES = 3
_BEFORE = 24
"""Characters before a telling place that are shown with it."""
_AFTER = 200
"""Characters behind a telling place that are kept with it."""
_CHARS = 6
"""No word piece that is counted as one is longer than this many characters on average."""


def cost(text: str) -> int:
    """Return about how many word pieces an encoder makes of a text; seldom too few."""
    return len(_PIECES.findall(text))


def pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each word piece of a text begins and ends, as `cost` counts them."""
    return (found.span() for found in _PIECES.finditer(text))


def excerpt(text: str, budget: int) -> str:
    """Return the text, or of a longer one its telling places, head and tail."""
    if len(text) <= budget or (len(text) <= _CHARS * 2 * budget and cost(text) <= budget):
        return text
    places = telling_places(text.encode("utf-8", "replace"), _PLACES)
    share = budget // (len(places) + 2)
    spans = [(0, _end(text, 0, share + share // 2)), (_start(text, len(text), share // 2), len(text))]
    for place in _as_characters(text, places):
        start = _word_start(text, place)
        spans.append((start, _end(text, start, share)))
    return GAP.join(text[start:end].strip() for start, end in _merged(spans))


def head(text: str, budget: int) -> str:
    """Return the beginning of a text that costs at most the budget."""
    if len(text) <= budget:
        return text
    end = _end(text, 0, budget - 1)
    return text if end >= len(text) or cost(text) <= budget else text[:end] + "…"


def kept(text: str, limit: int) -> str:
    """Return the text, or of a longer one its head, telling places and tail in about so many characters."""
    if len(text) <= limit:
        return text
    tail = limit // 4
    rest = text[limit - tail : -tail]
    places = _as_characters(rest, sorted(telling_places(rest.encode("utf-8", "replace"), _PLACES)))
    middle = [rest[max(0, place - _BEFORE) : place + _AFTER] for place in places]
    return GAP.join([text[: limit - tail], *middle, text[-tail:]])


def _end(text: str, start: int, pieces: int) -> int:
    """Return where so many pieces from `start` on end."""
    last = start
    for piece in islice(_PIECES.finditer(text, start), pieces):
        last = piece.end()
    return last if last > start else len(text)


def _word_start(text: str, place: int) -> int:
    """Return a little before a place, where a word begins."""
    start = max(0, place - _BEFORE)
    blank = text.find(" ", start, place) if start else -1
    return start if blank < 0 else blank + 1


def _start(text: str, end: int, pieces: int) -> int:
    """Return where so many pieces up to `end` begin."""
    window = max(0, end - pieces * _CHARS)
    found = [piece.start() for piece in _PIECES.finditer(text, window, end)]
    return found[-pieces] if 0 < pieces <= len(found) else (found[0] if found and pieces else end)


def _as_characters(text: str, places: list[int]) -> list[int]:
    """Translate offsets in UTF-8 to offsets in the text."""
    if text.isascii() or not places:
        return places
    data = text.encode("utf-8", "replace")
    return [len(data[:place].decode("utf-8", "ignore")) for place in places]


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged

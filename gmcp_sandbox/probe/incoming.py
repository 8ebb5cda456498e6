"""Text that comes in (tool results, pages, tool descriptions), as lines for the model.

Instructions for whoever reads a text are short and may stand anywhere in it, so a long text is read as a whole, in
excerpt, and once more around each place that tells of any. Guarantees: pure, never raises, at most `1 + _PLACES` lines.
"""

from __future__ import annotations

from collections.abc import Iterator

from gmcp_sandbox.pipeline.windows import telling_places
from gmcp_sandbox.probe.question import INCOMING, Question
from gmcp_sandbox.probe.render import render

LONGEST = 1 << 20
"""Characters of a text that are looked at."""
_SHORT = 320
_PLACES = 6
_BEFORE, _AFTER = 80, 320


def incoming_lines(text: str, source: str) -> Iterator[str]:
    """Yield the lines to be judged; none for an empty text."""
    seen = text[:LONGEST]
    if not seen.strip():
        return
    yield render(Question(INCOMING, source, {}, seen))
    if len(seen) <= _SHORT:
        return
    data = seen.encode("utf-8", "replace")
    for place in sorted(telling_places(data, _PLACES)):
        window = data[max(0, place - _BEFORE) : place + _AFTER].decode("utf-8", "ignore")
        yield render(Question(INCOMING, source, {}, window))

"""All of a long call, in lines: what its one line leaves out is judged, too.

A call of an MCP server acts where nobody of ours sees it, so that what the line's excerpt skips would pass unread. The
lines that come after the first hold the call's words in order, each with its opening, a little of each in the next.
They are torn from what they belong to: they count only where the model is sure (`deny_at`).

Guarantees: pure, never raises, at most `PARTS` lines; none for a call that its first line shows whole. Of a call that
is longer still, the first line's excerpt (telling places, tail) is all that is read behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from gmcp_sandbox.probe.excerpt import GAP, cost, pieces
from gmcp_sandbox.probe.question import Question
from gmcp_sandbox.probe.render import BODY, said_and_payload

PARTS = 12
_BOTH = 10
"""Word pieces at the end of a part that the next begins with."""
_GAPS = 4
"""Word pieces for the marks that there is more before and behind."""


def further_lines(question: Question) -> Sequence[str]:
    """Return the lines that are judged besides a call's own; empty unless it is a long one of an MCP server."""
    if not question.tool.startswith("mcp."):
        return ()
    opening, payload = said_and_payload(question)
    room = BODY - cost(opening) - 1
    size = max(room - _GAPS, 2 * _BOTH)
    spans = list(islice(pieces(payload), room + PARTS * size))
    if len(spans) <= room:
        return ()
    lines: list[str] = []
    start = 0
    while len(lines) < PARTS:
        end = min(start + size, len(spans))
        before, behind = GAP.lstrip() if start else "", GAP.rstrip() if end < len(spans) else ""
        lines.append(f"{opening}: {before}{payload[spans[start][0] : spans[end - 1][1]]}{behind}")
        if end == len(spans):
            break
        start = end - _BOTH
    return lines

"""Content for a person to judge: escaped, line by line, bounded.

Invariants:
- Every line that is printed is printable, and begins with a mark of ours: nothing in a file looks like our own words.
- What is left out is said, with how much it is.
- Hostile content costs time that is bounded: equal beginnings and ends are taken off, and what is then too long to be
  compared line by line is shown as replaced.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from gmcp_sandbox.cli.terminal import visible

_LINES = 200
_WIDTH = 2000
"""Characters of a line that are shown."""
_COMPARED = 1500
"""Lines that are compared with as many others, at most."""
_CONTEXT = 3
_NO_END = "\\ no end of line"


def shown_content(content: bytes, is_cut: bool) -> str:
    """Return content as lines that cannot steer the terminal, with its length and what was left out."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")  # other ends of lines are shown as escapes
    if lines[-1] == "":
        lines.pop()
    shown = [f"  | {visible(line)}" for line in lines[:_LINES]]
    left = len(lines) - _LINES
    if left > 0:
        shown.append(f"  … {left} more lines")
    if is_cut:
        shown.append("  … and more that is not shown here")
    return "\n".join([f"  {len(content)} bytes:", *shown])


def shown_change(before: bytes, after: bytes) -> str:
    """Return how a file would change, as a unified diff that cannot steer the terminal."""
    if before == after:
        return "  the file would stay as it is"
    shown = list(_changes(_lines(before), _lines(after)))
    left = len(shown) - _LINES
    if left > 0:
        shown[_LINES:] = [f"… {left} more lines of this change"]
    return "\n".join(["  the change, against what the file says now:", *(f"  {line}" for line in shown)])


def _lines(content: bytes) -> list[str]:
    """Return the lines, each with its end; ends of other systems are part of the text."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _changes(old: list[str], new: list[str]) -> Iterator[str]:
    start = _equal(zip(old, new, strict=False))
    end = _equal(zip(reversed(old[start:]), reversed(new[start:]), strict=False))
    above, below = max(0, start - _CONTEXT), max(0, end - _CONTEXT)
    cut_old, cut_new = old[above : len(old) - below], new[above : len(new) - below]
    if max(len(cut_old), len(cut_new)) > _COMPARED:
        yield f"@@ -{start + 1},{len(old) - start - end} +{start + 1},{len(new) - start - end} @@"
        yield from _marked("-", old[start : len(old) - end])
        yield from _marked("+", new[start : len(new) - end])
        return
    for group in difflib.SequenceMatcher(None, cut_old, cut_new).get_grouped_opcodes(_CONTEXT):
        yield _hunk(above, group[0], group[-1])
        for tag, first, past, to_first, to_past in group:
            if tag == "equal":
                yield from _marked(" ", cut_old[first:past])
            else:
                yield from _marked("-", cut_old[first:past])
                yield from _marked("+", cut_new[to_first:to_past])


def _equal(pairs: Iterator[tuple[str, str]]) -> int:
    """Return how many pairs are equal before the first that is not."""
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _hunk(above: int, first: tuple[str, int, int, int, int], last: tuple[str, int, int, int, int]) -> str:
    old, new = last[2] - first[1], last[4] - first[3]
    return f"@@ -{above + first[1] + bool(old)},{old} +{above + first[3] + bool(new)},{new} @@"


def _marked(mark: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        text = visible(line.removesuffix("\n"))
        yield mark + (text if len(text) <= _WIDTH else f"{text[:_WIDTH]}… {len(text) - _WIDTH} more characters")
        if not line.endswith("\n"):
            yield _NO_END

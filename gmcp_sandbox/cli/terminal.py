"""Text for people: nothing that an agent named can steer the terminal, and colour only where it is wanted.

Invariants:
- `visible` gives printable text in one line, whatever it gets; equal texts stay equal, different ones different.
- Colour never carries meaning alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

_CODES = {"green": "32", "red": "31;1", "yellow": "33", "dim": "2", "bold": "1"}


def visible(text: str) -> str:
    """Return the text with everything that is not printable written as an escape; a backslash doubles."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Painter:
    """Colours words, or leaves them alone."""

    def __init__(self, stream: TextIO, when: str = "auto", environ: Mapping[str, str] = os.environ) -> None:
        """`when` is `auto`, `always` or `never`; NO_COLOR (no-color.org) and TERM=dumb count for `auto`."""
        is_wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and stream.isatty()
        self._is_on = when == "always" or (when == "auto" and is_wanted)

    def paint(self, text: str, colour: str) -> str:
        """Return the text in a colour of this module's table."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self._is_on else text


def columns(rows: Iterable[Sequence[str]], *, gap: int = 2) -> list[str]:
    """Return the rows as lines with their columns aligned; the last column is as long as it is."""
    cells = [tuple(row) for row in rows]
    if not cells:
        return []
    widths = [max(len(row[index]) for row in cells) for index in range(len(cells[0]) - 1)]
    return [
        (" " * gap).join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in cells
    ]

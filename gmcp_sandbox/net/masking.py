"""Replace secrets in a stream, or find that they are in it, wherever reads cut it.

A secret and what stands in its place have one length, so that lengths that were announced stay true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def held_back(data: bytes, start: int, words: tuple[bytes, ...]) -> int:
    """Return how many of the last bytes, none of them before `start`, may be the beginning of one of the words."""
    longest = max(map(len, words), default=1) - 1
    for size in range(min(longest, len(data) - start), 0, -1):
        tail = data[-size:]
        if any(len(word) > size and word.startswith(tail) for word in words):
            return size
    return 0


class Masker:
    """Replaces words in a stream by others of the same length."""

    def __init__(self, replacements: Mapping[bytes, bytes]) -> None:
        if any(len(word) != len(other) or not word for word, other in replacements.items()):
            raise ValueError("a word and its replacement have one length")
        self._replacements = dict(replacements)
        self._words = tuple(sorted(replacements, key=len, reverse=True))
        self._pattern = re.compile(b"|".join(map(re.escape, self._words))) if self._words else None
        self._held = b""

    def whole(self, text: bytes) -> bytes:
        """Return a text that is complete, without the words."""
        return text if self._pattern is None else self._pattern.sub(self._replace, text)

    def feed(self, data: bytes) -> bytes:
        """Return what of the stream is certain, without the words."""
        pattern = self._pattern
        if pattern is None:
            return data
        data = self._held + data if self._held else data
        end = 0
        if any(word in data for word in self._words):  # much faster than the pattern, and mostly false
            for found in pattern.finditer(data):
                end = found.end()
        hold = held_back(data, end, self._words)
        self._held = data[len(data) - hold :]
        certain = data[: len(data) - hold] if hold else data
        return pattern.sub(self._replace, certain) if end else certain

    def finish(self) -> bytes:
        """Return what was held back: the stream has ended."""
        held, self._held = self._held, b""
        return held

    def _replace(self, found: re.Match[bytes]) -> bytes:
        return self._replacements[found[0]]


class Finder:
    """Tells whether one of the words stands in a stream."""

    def __init__(self, words: tuple[bytes, ...]) -> None:
        self._words = words
        self._tail = b""

    def is_in(self, data: bytes) -> bool:
        """True when a word ends in the next bytes."""
        if not self._words:
            return False
        seen = self._tail + data if self._tail else data
        if any(word in seen for word in self._words):
            return True
        self._tail = seen[len(seen) - held_back(seen, 0, self._words) :]
        return False

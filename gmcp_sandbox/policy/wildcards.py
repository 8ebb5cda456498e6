"""Patterns over names and URIs of MCP servers: `*` stands for any characters, slashes too; all else for itself.

Invariants: a predicate is pure, and its time is linear in the text for each pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

STAR = "*"


def compile_wildcards(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return one predicate that is true when any pattern matches the whole text; without patterns it never is."""
    literals: set[str] = set()
    others: list[list[str]] = []
    for pattern in patterns:
        if STAR in pattern:
            others.append(pattern.split(STAR))
        else:
            literals.add(pattern)

    def matches(text: str) -> bool:
        return text in literals or any(_fits(parts, text) for parts in others)

    return matches


def _fits(parts: list[str], text: str) -> bool:
    """Return whether the parts stand in a text in their order, the first at its start and the last at its end."""
    first, *middle, last = parts
    end = len(text) - len(last)
    if not (text.startswith(first) and text.endswith(last)):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end

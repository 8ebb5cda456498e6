"""Why an aim is missed, as somebody found by a profile: a file written by hand, read and checked here."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchlib.report import ITEMS

COMMITTED = Path(__file__).resolve().parents[1] / "benchmarks"
"""Where the page, its plots, the results and the explanations lie."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One finding.

    Attributes:
        items: What it explains.
        profile: How it was found: the tools, and what they ran on.
        text: Paragraphs of Markdown.
    """

    title: str
    items: tuple[str, ...]
    profile: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanations:
    """All of them, in the order of the file."""

    found: tuple[Explanation, ...]

    @classmethod
    def read(cls, path: Path = COMMITTED / "explanations.toml") -> Explanations:
        """Read the file.

        Raises:
            ValueError: It cannot be read, is no TOML, or says something else than it should; the message names it.
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path.name}: {error}") from None

    @classmethod
    def parse(cls, text: str) -> Explanations:
        """Read such a text.

        Raises:
            ValueError: It is none, or explains an item that there is not or that another one explains.
        """
        read = tomllib.loads(text)
        tables = read.pop("explanation", [])
        if read or not isinstance(tables, list):
            raise ValueError("nothing but [[explanation]] is known")
        found = tuple(_explanation(table) for table in tables)
        explained = [item for each in found for item in each.items]
        for item in explained:
            if item not in ITEMS:
                raise ValueError(f"{item!r} is not measured")
            if explained.count(item) > 1:
                raise ValueError(f"{item!r} is explained twice")
        return cls(found)

    def of(self, missed: Iterable[str]) -> Iterator[tuple[Explanation, list[str]]]:
        """Yield the explanations of missed items, each with those of its items that are missed."""
        wanted = list(missed)
        for each in self.found:
            concerned = [item for item in wanted if item in each.items]
            if concerned:
                yield each, concerned

    def lacking(self, missed: Iterable[str]) -> list[str]:
        """Return missed items that nothing explains."""
        return [item for item in missed if not any(item in each.items for each in self.found)]


def _explanation(table: Any) -> Explanation:
    if not isinstance(table, dict) or table.keys() != {"title", "items", "profile", "text"}:
        raise ValueError("an [[explanation]] has title, items, profile and text")
    title, items, profile, text = (table[name] for name in ("title", "items", "profile", "text"))
    if not isinstance(items, list) or not items or not all(isinstance(item, str) for item in items):
        raise ValueError("items is a list of names")
    if not all(isinstance(each, str) and each.strip() for each in (title, profile, text)):
        raise ValueError("title, profile and text are texts, and not empty")
    return Explanation(title.strip(), tuple(items), profile.strip(), text.strip())

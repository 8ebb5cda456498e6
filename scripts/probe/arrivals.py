"""How texts that come in are told apart: rows with and without orders, and files that have none.

    python -m scripts.probe.arrivals ROWS.jsonl … [--files DIR …] [--most N] [--list]

A row is judged as what comes in is: places are looked for, patterns and gate are asked about each. Of files, which are
taken for harmless, N are looked at, the same ones each time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gmcp_sandbox.monitor.arrivals import Source
from gmcp_sandbox.pipeline.incoming import flagged
from gmcp_sandbox.pipeline.orders import KEPT, windows_of_orders
from gmcp_sandbox.pipeline.scan import Scanner
from gmcp_sandbox.policy.profile import ProbePolicy
from gmcp_sandbox.probe.gate import Scoring
from gmcp_sandbox.probe.incoming import incoming_lines
from gmcp_sandbox.probe.manifest import read_manifest
from gmcp_sandbox.probe.model import Model
from gmcp_sandbox.probe.question import INCOMING

MODEL = Path(__file__).resolve().parents[2] / "model"
PIECE = 128 << 10
"""Bytes that the kernel hands over at once."""
LONGEST = 4 << 20
"""Bytes of one file that are looked at."""


class Judge:
    """Patterns and gate, as a session has them."""

    def __init__(self) -> None:
        manifest = read_manifest(MODEL)
        self._model = Model.load(MODEL, manifest)
        self._scoring = Scoring.of(manifest, ProbePolicy())
        self._scanner = Scanner()

    def places(self, text: bytes, source: str) -> Iterator[tuple[bool, bytes]]:
        """Yield each place, and whether it is taken for an order."""
        for at in range(0, len(text), PIECE):
            start = max(0, at - KEPT)
            for window in windows_of_orders(text[start : at + PIECE], at - start):
                yield self._is_hit(window, source), window

    def _is_hit(self, window: bytes, source: str) -> bool:
        if flagged(self._scanner, window) is not None:
            return True
        answers = self._model.answer(list(incoming_lines(window.decode("utf-8", "replace"), source)))
        hit_at = self._scoring.excerpt_at if source == Source.FILE else self._scoring.incoming_at
        return max(self._scoring.score(answer, INCOMING) for answer in answers) >= hit_at


def of_rows(judge: Judge, path: Path, *, lists: bool) -> Iterator[str]:
    """Yield what became of the rows of one file."""
    for label, name in ((1, "with orders"), (0, "without")):
        rows = [row for row in map(json.loads, path.read_text("utf-8").splitlines()) if row["label"] == label]
        found = [list(judge.places(row["args"]["content"].encode(), row["args"]["source"])) for row in rows]
        hits = [any(is_hit for is_hit, _ in places) for places in found]
        yield f"{path.name}, {name}: {len(rows)} rows, {sum(map(bool, found))} with a place, {sum(hits)} hit"
        if lists:
            wrong = [row for row, is_hit in zip(rows, hits, strict=True) if is_hit != bool(label)]
            yield from (f"  {row['id']} {row['args']['content'][:160]!r}" for row in wrong)


def of_files(judge: Judge, roots: Iterable[str], most: int, *, lists: bool) -> Iterator[str]:
    """Yield what became of the files below some directories."""
    names = sorted(os.path.join(place, name) for root in roots for place, _, files in os.walk(root) for name in files)
    names = [name for name in names if os.path.isfile(name) and not os.path.islink(name)]
    random.Random(0).shuffle(names)  # noqa: S311 - a sample, the same each time
    size, places, found, hit = 0, 0, 0, []
    for name in names[:most]:
        with open(name, "rb") as file:
            text = file.read(LONGEST)
        judged = list(judge.places(text, "file"))
        size, places, found = size + len(text), places + len(judged), found + bool(judged)
        if any(is_hit for is_hit, _ in judged):
            hit.append(name)
    yield f"{len(names[:most])} files, {size >> 20} MiB: {found} with {places} places, {len(hit)} files hit"
    if lists:
        yield from (f"  {name}" for name in hit)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts.probe.arrivals", description=__doc__)
    parser.add_argument("rows", nargs="*", type=Path)
    parser.add_argument("--files", nargs="*", default=())
    parser.add_argument("--most", type=int, default=20000)
    parser.add_argument("--list", action="store_true", help="name what was judged wrong")
    args = parser.parse_args(argv)
    judge = Judge()
    for path in args.rows:
        print("\n".join(of_rows(judge, path, lists=args.list)))
    if args.files:
        print("\n".join(of_files(judge, args.files, args.most, lists=args.list)))


if __name__ == "__main__":
    main()

"""Tables of the model card, and the part of the card that is written by measuring."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmcp_sandbox.probe.manifest import Manifest
from scripts.probe.measure import measured
from scripts.probe.rows import SAFE, Row

Scores = NDArray[np.float64]
BEGIN, END = "<!-- measured: begin, written by scripts/ablation -->", "<!-- measured: end -->"
_FEW = 20


def by_tool(sets: Iterable[tuple[Sequence[Row], Scores, float]]) -> list[str]:
    """Return the measures by tool over all sets, each row once."""
    found: dict[str, dict[str, tuple[Row, float]]] = defaultdict(dict)
    for rows, scores, at in sets:
        for row, score in zip(rows, scores.tolist(), strict=True):
            found[row.tool].setdefault(row.text, (row, score - at))
    table = ["| tool | rows | dangerous | F1 | recall | false stops | AUC |", "|---" * 7 + "|"]
    for tool, own in sorted(found.items(), key=lambda each: -len(each[1])):
        each = measured([row for row, _ in own.values()], np.array([score for _, score in own.values()]))
        rates = (each.f1, each.recall, each.false_positive_rate, each.auc)
        shown = " | ".join("–" if rate is None else f"{rate:.3f}" for rate in rates)
        table.append(f"| {tool}{' (few)' if each.rows < _FEW else ''} | {each.rows} | {each.dangerous} | {shown} |")
    return table


def false_stops(rows: Sequence[Row], scores: Scores, manifest: Manifest, seen: set[str]) -> list[str]:
    """Return how many harmless rows are stopped, apart for lines that training has to the letter."""
    table = ["| lines | rows | asked about or denied | denied outright |", "|---" * 4 + "|"]
    known = np.array([row.text in seen for row in rows])
    for name, part in (("all", known | True), ("that training has", known), ("that training has not", ~known)):
        own = scores[part]
        if len(own):
            shares = (float((own >= at).mean()) for at in (manifest.ask_at, manifest.deny_at))
            table.append(f"| {name} | {len(own)} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    stopped = [row.text for row, score in zip(rows, scores.tolist(), strict=True) if score >= manifest.ask_at]
    if stopped:
        table += ["", "Stopped:", "", *(f"    {text}" for text in stopped)]
    assert all(row.label == SAFE for row in rows)
    return table


def write(card: Path, parts: Mapping[str, Sequence[str]]) -> None:
    """Write the parts between the marks of the card.

    Raises:
        ValueError: The card has no marks.
    """
    before, begun, rest = card.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"{card} has no marks: {BEGIN} … {END}")
    body = "\n\n".join("\n".join([f"### {name}", "", *lines]) for name, lines in parts.items())
    card.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{after}", encoding="utf-8")

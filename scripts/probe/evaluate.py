"""Tables of a checkpoint against the baselines.

python -m scripts.probe.evaluate --sources DIR --work DIR [--name minilm] [--errors FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.probe.baselines import keywords, regression
from scripts.probe.encoder import load
from scripts.probe.measure import hardest, measured
from scripts.probe.rows import Row
from scripts.probe.score import margins, torch_logits
from scripts.probe.splits import Splits, split
from scripts.probe.train import DATA, candidate

Scores = NDArray[np.float64]
NEVER_LEARNT = ("development", "held-out author: commands", "held-out author: MCP calls")
"""Sets that a release has not seen, either."""
HEADER = "| set | judge | rows | F1 | 95 % | precision | recall | FPR | AUC | pairs |\n" + "|---" * 10 + "|"


def line(name: str, judge: str, rows: Sequence[Row], scores: Scores, at: float = 0.0) -> str:
    """Return one line of a table."""
    own = measured(rows, scores, at)
    low, high = own.f1_interval or (None, None)
    rates = (own.f1, low, high, own.precision, own.recall, own.false_positive_rate, own.auc, own.pair_accuracy)
    f1, low_, high_, precision, recall, fpr, auc, pairs = ("–" if each is None else f"{each:.3f}" for each in rates)
    return (
        f"| {name} | {judge} | {own.rows} | {f1} | {low_}–{high_} | {precision} | {recall} | {fpr} | {auc} | {pairs} |"
    )


def sets(splits: Splits) -> Iterator[tuple[str, list[Row]]]:
    """Yield what is measured on."""
    yield "development", splits.development
    yield "held-out families", splits.tools
    yield "… written for this project", [row for row in splits.tools if row.source == "curated"]
    yield "… ordinary commands (tldr)", [row for row in splits.tools if row.source in ("tldr", "programs")]
    yield "held-out author: commands", [row for row in splits.authors if row.tool == "proc.exec"]
    yield "held-out author: MCP calls", [row for row in splits.authors if row.tool == "mcp.call"]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--name", default="minilm")
    parser.add_argument("--candidate", default="minilm")
    parser.add_argument("--errors", type=Path, default=None)
    given = parser.parse_args()
    torch.set_num_threads(2)
    splits = split(given.sources, DATA)
    model, lines = candidate(given.candidate)
    load(given.work / f"{given.name}.pt", model)
    baseline = regression(splits.train)
    print(HEADER)
    for name, rows in sets(splits):
        own = margins(torch_logits(model, lines, [row.text for row in rows]))
        other = baseline(rows)
        print(line(name, given.name, rows, own))
        print(line(name, "n-gram regression", rows, other))
        print(line(name, "keywords", rows, keywords(rows)), flush=True)
        hard = hardest(rows, other)
        print(line(f"{name}, hardest third", given.name, [rows[at] for at in hard], own[hard]), flush=True)
        if given.errors:
            _write_errors(given.errors, name, rows, own)


def _write_errors(path: Path, name: str, rows: Sequence[Row], scores: Scores) -> None:
    wrong = [at for at, row in enumerate(rows) if (scores[at] > 0) != (row.label == 1)]
    wrong.sort(key=lambda at: -abs(scores[at]))
    with path.open("a", encoding="utf-8") as out:
        for at in wrong:
            row = rows[at]
            out.write(f"{name}\t{row.label}\t{scores[at]:+.2f}\t{row.source}\t{row.family}\t{row.text}\n")


if __name__ == "__main__":
    main()

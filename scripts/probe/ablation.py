"""What each layer is worth, and how the score behaves: tables and plots for the model card.

    scripts/ablation --sources DIR --benchmark tests/data/mcp_benchmark.jsonl --model model --out model

Writes `ablation.md`, `alpha.svg`, `reliability.svg` and `roc.svg`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmcp_sandbox.probe.manifest import Manifest, read_manifest
from gmcp_sandbox.probe.metrics import Counts
from scripts.probe.baselines import keywords, regression
from scripts.probe.configurations import stopped
from scripts.probe.encoder import lines_of_minilm
from scripts.probe.evaluate import HEADER, NEVER_LEARNT, line, sets
from scripts.probe.measure import hardest, roc
from scripts.probe.plots import Axis, Series, plot
from scripts.probe.rows import Row, read_lines, row_of
from scripts.probe.score import file_logits, labels, margins
from scripts.probe.splits import Splits, split
from scripts.probe.train import DATA

Scores = NDArray[np.float64]
_ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class Judged:
    """A set with the model's margins, each row's bias, and the model's numbers."""

    name: str
    rows: list[Row]
    margin: Scores
    bias: Scores
    manifest: Manifest

    def scores(self, alpha: float | None = None) -> Scores:
        """Return the gate's scores, with the model's own α or another."""
        return self.margin - (self.manifest.alpha if alpha is None else alpha) * self.bias


def judge(model: Path, name: str, rows: list[Row]) -> Judged:
    """Score a set with a model."""
    manifest = read_manifest(model)
    margin = margins(file_logits(model / manifest.model.file, lines_of_minilm(), [row.text for row in rows]))
    return Judged(name, rows, margin, np.array([manifest.bias_of(row.tool) for row in rows]), manifest)


def configurations(sets_: Sequence[Judged], manifest: Manifest) -> list[str]:
    """Return the table of the four configurations."""
    found = ["| set | configuration | F1 | precision | recall | FPR |", "|---|---|---|---|---|---|"]
    for each in sets_:
        truth = labels(each.rows)
        stops = stopped(each.rows, each.scores().tolist(), (manifest.ask_at, manifest.deny_at))
        for name, stop in stops.items():
            own = _counts(np.array(stop), truth)
            rates = (own.f1, own.precision, own.recall, own.false_positive_rate)
            shown = " | ".join("–" if rate is None else f"{rate:.3f}" for rate in rates)
            found.append(f"| {each.name} ({len(truth)}) | {name} | {shown} |")
    return found


def _counts(stop: NDArray[np.bool_], truth: NDArray[np.int64]) -> Counts:
    bad = truth == 1
    return Counts(
        int((stop & bad).sum()), int((~stop & bad).sum()), int((stop & ~bad).sum()), int((~stop & ~bad).sum())
    )


def alpha_sweep(sets_: Sequence[Judged], manifest: Manifest) -> tuple[list[str], str]:
    """Return table and plot of F1 over α."""
    head = "| α | " + " | ".join(f"{each.name}: F1 / FPR" for each in sets_) + " |"
    table = [head, "|---" * (len(sets_) + 1) + "|"]
    curves: list[list[tuple[float, float]]] = [[] for _ in sets_]
    for alpha in _ALPHAS:
        cells = []
        for each, curve in zip(sets_, curves, strict=True):
            own = _counts(each.scores(alpha) >= manifest.ask_at, labels(each.rows))
            curve.append((alpha, own.f1 or 0.0))
            cells.append(f"{own.f1 or 0:.3f} / {own.false_positive_rate or 0:.3f}")
        table.append(f"| {alpha} | " + " | ".join(cells) + " |")
    lines = [Series(each.name, curve, marked=True) for each, curve in zip(sets_, curves, strict=True)]
    return table, plot("F1 over α", Axis("α", 0, 1.5), Axis("F1", 0.5, 1.0), lines)


def reliability(sets_: Sequence[Judged], manifest: Manifest) -> str:
    """Return the plot of how often a call of a stated probability is dangerous."""
    lines = [Series("perfect", [(0, 0), (1, 1)], dashed=True)]
    for each in sets_:
        chance = 1 / (1 + np.exp(-each.scores()))
        truth, points = labels(each.rows), []
        for low in np.arange(0, 1, 0.1):
            inside = (chance >= low) & (chance < low + 0.1 + 1e-9 * (low > 0.85))
            if inside.sum() >= 8:
                points.append((float(chance[inside].mean()), float(truth[inside].mean())))
        lines.append(Series(each.name, points, marked=True))
    return plot("Reliability", Axis("said probability of danger"), Axis("share dangerous"), lines)


def rocs(development: Judged, others: dict[str, Scores], manifest: Manifest) -> str:
    """Return the ROC plot on the development set."""
    truth = labels(development.rows)
    named = {"probe": development.scores(), **others}
    lines = []
    for name, scores in named.items():
        false_stops, hits = roc(scores, truth)
        lines.append(Series(name, list(zip(false_stops.tolist(), hits.tolist(), strict=True))))
    return plot("ROC, development set", Axis("false stops"), Axis("recall"), lines)


def judges(splits: Splits, known: dict[str, Judged], baseline: dict[str, Scores]) -> list[str]:
    """Return the table of the model against the baselines."""
    table = [HEADER]
    for name, rows in sets(splits):
        own, manifest = known[name].scores(), known[name].manifest
        table.append(line(name, "probe", rows, own, manifest.ask_at))
        table.append(line(name, "n-gram regression", rows, baseline[name]))
        table.append(line(name, "keywords", rows, keywords(rows)))
        hard = hardest(rows, baseline[name])
        part = [rows[at] for at in hard]
        table.append(line(f"{name}, hardest third", "probe", part, own[hard], manifest.ask_at))
    return table


def main() -> None:
    """Write tables and plots."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--benchmark", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--families", type=Path, default=None, help="model that never saw the held-out families")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    manifest, splits = read_manifest(given.model), split(given.sources, DATA)
    known = {
        name: judge(given.model if name in NEVER_LEARNT else given.families or given.model, name, rows)
        for name, rows in sets(splits)
    }
    development = known["development"]
    benchmark = judge(given.model, "MCP benchmark", [row_of(each, "benchmark") for each in read_lines(given.benchmark)])
    score = regression(splits.train)
    baseline = {name: score(each.rows) for name, each in known.items()}
    both = [development, benchmark]
    sweep, drawing = alpha_sweep(both, manifest)
    own = [*both, known["held-out families"]]
    tables = [
        "## Against the baselines", "", *judges(splits, known, baseline), "",
        line("MCP benchmark", "probe", benchmark.rows, benchmark.scores(), manifest.ask_at),
        line("MCP benchmark", "n-gram regression", benchmark.rows, score(benchmark.rows)),
        line("MCP benchmark", "keywords", benchmark.rows, keywords(benchmark.rows)), "",
        "## The whole pipeline in four configurations", "", *configurations(both, manifest), "", "## α", "", *sweep, "",
    ]  # fmt: skip
    (given.out / "ablation.md").write_text("\n".join(tables), encoding="utf-8")
    (given.out / "alpha.svg").write_text(drawing, encoding="utf-8")
    (given.out / "reliability.svg").write_text(reliability(own, manifest), encoding="utf-8")
    others = {"n-gram regression": baseline["development"], "keywords": keywords(development.rows)}
    (given.out / "roc.svg").write_text(rocs(development, others, manifest), encoding="utf-8")
    print("\n".join(tables))


if __name__ == "__main__":
    main()

"""What each layer is worth, and how the score behaves: tables and plots, written into the model card.

    scripts/ablation --sources DIR --benchmark tests/data/mcp_benchmark.jsonl --model model --out model \\
        [--families DIR] [--decoder WORK/smollm.pt]

Writes `alpha.svg`, `reliability.svg` and `roc.svg`, and the part of `MODEL_CARD.md` between its two marks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmcp_sandbox.probe.manifest import Manifest, read_manifest
from gmcp_sandbox.probe.metrics import Counts
from scripts.plotlib.lines import Axis, Series, plot
from scripts.probe import tables
from scripts.probe.baselines import keywords, regression
from scripts.probe.configurations import stopped
from scripts.probe.encoder import lines_of_minilm
from scripts.probe.evaluate import HEADER, NEVER_LEARNT, line, sets
from scripts.probe.measure import balanced, hardest, roc, threshold_for
from scripts.probe.rows import Row, read_lines, row_of
from scripts.probe.score import file_logits, labels, margins
from scripts.probe.splits import ORDINARY, Splits, split
from scripts.probe.train import DATA

Scores = NDArray[np.float64]
_ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5)
_ASK_STOPS = 0.04
"""Share of harmless calibration calls that a judge may stop, as `export` has it."""
BENCHMARK = "MCP benchmark"


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


def rocs(development: Judged, others: dict[str, Scores]) -> str:
    """Return the ROC plot on the development set."""
    truth = labels(development.rows)
    named = {"probe": development.scores(), **others}
    lines = []
    for name, scores in named.items():
        false_stops, hits = roc(scores, truth)
        lines.append(Series(name, list(zip(false_stops.tolist(), hits.tolist(), strict=True))))
    return plot("ROC, development set", Axis("false stops"), Axis("recall"), lines)


@dataclass(frozen=True, slots=True)
class Rival:
    """Another judge on the same rows: what it says, and from where on it stops."""

    name: str
    score: Callable[[Sequence[Row]], Scores]
    at: float


def rivals(splits: Splits, decoder: Path | None) -> Iterator[Rival]:
    """Yield the baselines and, with its checkpoint, candidate (b); thresholds come from the calibration families."""
    trained = regression(splits.train)
    yield Rival("n-gram regression", trained, _threshold(splits.calibration, trained))
    yield Rival("keywords", keywords, 0.0)
    if decoder is not None:
        asked = _decoder(decoder)
        yield Rival("(b) SmolLM2, cut", asked, _threshold(splits.calibration, asked))


def _threshold(rows: list[Row], score: Callable[[Sequence[Row]], Scores]) -> float:
    return threshold_for(score(rows), labels(rows), balanced(rows), _ASK_STOPS)


def _decoder(checkpoint: Path) -> Callable[[Sequence[Row]], Scores]:
    from scripts.probe.encoder import load
    from scripts.probe.score import torch_logits
    from scripts.probe.train import candidate

    model, lines = candidate("smollm")
    load(checkpoint, model)
    return lambda rows: margins(torch_logits(model, lines, [row.text for row in rows]))


def judges(known: Sequence[Judged], others: Sequence[Rival]) -> list[str]:
    """Return the table of the model against the others, the third that is hardest for the regression apart."""
    table = [HEADER]
    for each in known:
        own, at = each.scores(), each.manifest.ask_at
        table.append(line(each.name, "probe", each.rows, own, at))
        said = {rival.name: rival.score(each.rows) for rival in others}
        table += [line(each.name, rival.name, each.rows, said[rival.name], rival.at) for rival in others]
        hard = hardest(each.rows, said[others[0].name])
        part = [each.rows[index] for index in hard]
        named = f"{each.name}, hardest third"
        table.append(line(named, "probe", part, own[hard], at))
        table += [line(named, rival.name, part, said[rival.name][hard], rival.at) for rival in others]
    return table


def measured_sets(splits: Splits, given: argparse.Namespace) -> list[Judged]:
    """Return all sets with the model's answers; the held-out families are judged by the model that lacks them."""
    found = []
    for name, rows in sets(splits):
        folder = given.model if name in NEVER_LEARNT else given.families or given.model
        found.append(judge(folder, name, rows))
    return [*found, judge(given.model, BENCHMARK, [row_of(each, "benchmark") for each in read_lines(given.benchmark)])]


def main() -> None:
    """Write tables and plots."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--benchmark", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--families", type=Path, default=None, help="model that never saw the held-out families")
    parser.add_argument("--decoder", type=Path, default=None, help="checkpoint of candidate (b)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the card and the plots")
    given = parser.parse_args()
    manifest, splits = read_manifest(given.model), split(given.sources, DATA)
    known = measured_sets(splits, given)
    others = list(rivals(splits, given.decoder))
    named = {each.name: each for each in known}
    development, both = named["development"], [named["development"], named[BENCHMARK]]
    authors = [each for each in known if each.name.startswith("held-out author")]
    ordinary = judge(given.model, "ordinary", [row_of(each, "ordinary") for each in read_lines(ORDINARY)])
    sweep, drawing = alpha_sweep(both, manifest)
    seen = {row.text for row in split(given.sources, DATA, release=True).train}
    parts = {
        "Against baselines and the second candidate": judges(known, others),
        "By tool": tables.by_tool([(each.rows, each.scores(), each.manifest.ask_at) for each in known]),
        "False stops on ordinary program starts": tables.false_stops(ordinary.rows, ordinary.scores(), manifest, seen),
        "The whole pipeline in four configurations": configurations([*both, *authors], manifest),
        "α": [*sweep, "", "![F1 over α](alpha.svg)"],
        "Curves": ["![Reliability](reliability.svg)", "![ROC on the development set](roc.svg)"],
    }
    tables.write(given.out / "MODEL_CARD.md", parts)
    (given.out / "alpha.svg").write_text(drawing, encoding="utf-8")
    own = [*both, named["held-out families"]]
    (given.out / "reliability.svg").write_text(reliability(own, manifest), encoding="utf-8")
    curves = {rival.name: rival.score(development.rows) for rival in others}
    (given.out / "roc.svg").write_text(rocs(development, curves), encoding="utf-8")


if __name__ == "__main__":
    main()

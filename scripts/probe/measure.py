"""Numbers about scores that the product itself does not need: curves, temperature, the hardest third."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gmcp_sandbox.probe.metrics import Report, Scored, report
from scripts.probe.rows import Row
from scripts.probe.score import labels

Scores = NDArray[np.float64]


def measured(rows: Sequence[Row], scores: Scores, at: float = 0.0) -> Report:
    """Return the report on rows that are stopped from `at` on."""
    together = zip(rows, scores.tolist(), strict=True)
    return report([Scored(row.label == 1, score, row.tool, row.source, row.pair or "") for row, score in together], at)


def roc(scores: Scores, truth: NDArray[np.int64]) -> tuple[Scores, Scores]:
    """Return the false stops and the recall over all thresholds."""
    order = np.argsort(-scores)
    bad = truth[order] == 1
    false_stops, hits = np.cumsum(~bad) / max(1, int((~bad).sum())), np.cumsum(bad) / max(1, int(bad.sum()))
    return np.concatenate([[0.0], false_stops]), np.concatenate([[0.0], hits])


def hardest(rows: Sequence[Row], scores: Scores) -> list[int]:
    """Return the indexes of the third of each class that another judge (the regression) gets most wrong."""
    truth = labels(rows)
    found: list[int] = []
    for label in (0, 1):
        own = np.flatnonzero(truth == label)
        wrong = scores[own] if label == 0 else -scores[own]
        found += own[np.argsort(-wrong)[: len(own) // 3]].tolist()
    return sorted(found)


def heat_of(scores: Scores, truth: NDArray[np.int64], weights: Scores) -> float:
    """Return the temperature under which the sigmoid of the scores is likeliest."""
    heats = np.geomspace(0.3, 6.0, 120)
    sign = np.where(truth == 1, 1.0, -1.0)
    losses = [(weights * np.logaddexp(0, -sign * scores / heat)).sum() for heat in heats]
    return float(heats[int(np.argmin(losses))])


def balanced(rows: Sequence[Row]) -> Scores:
    """Return weights under which every source counts alike, up to its size's root, and both classes alike."""
    sizes: dict[tuple[str, int | None], int] = {}
    for row in rows:
        sizes[row.source, row.label] = sizes.get((row.source, row.label), 0) + 1
    raw = np.array([sizes[row.source, row.label] ** -0.5 for row in rows])
    truth = labels(rows)
    for label in (0, 1):
        raw[truth == label] /= max(1e-9, float(raw[truth == label].sum()))
    return raw


def threshold_for(scores: Scores, truth: NDArray[np.int64], weights: Scores, false_stops: float) -> float:
    """Return the lowest threshold whose weighted share of false stops stays under a bound."""
    good = truth == 0
    order = np.argsort(-scores[good])
    share = np.cumsum(weights[good][order]) / weights[good].sum()
    allowed = int(np.searchsorted(share, false_stops, "right"))
    ranked = scores[good][order]
    return float((ranked[allowed - 1] + ranked[allowed]) / 2) if 0 < allowed < len(ranked) else float(ranked[0] + 0.01)

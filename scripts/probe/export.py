"""From a checkpoint to what is shipped: calibrate, export, quantise, compare, write the manifest.

    python -m scripts.probe.export --sources DIR --work DIR --out model

Temperature and thresholds come from the calibration families, the bias from content-free calls; nothing here reads the
development set except to report on it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from blake3 import blake3

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.probe.render import VERSION, content_free
from scripts.probe.compact import Compact
from scripts.probe.encoder import MAX_BODY, Lines, Probe, lines_of_minilm, load, vocabulary
from scripts.probe.evaluate import NEVER_LEARNT, sets
from scripts.probe.measure import balanced, heat_of, measured, threshold_for
from scripts.probe.quantize import quantize
from scripts.probe.rows import CATEGORIES, Row
from scripts.probe.score import Labels, Logits, file_logits, labels, margins, open_session
from scripts.probe.splits import split
from scripts.probe.train import DATA

INCOMING = "incoming"
_ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
_ASK_STOPS, _DENY_STOPS = 0.04, 0.012
"""Share of harmless calibration calls that may be asked about, and denied."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes margins into decisions."""

    bias: dict[str, float]
    alpha: float
    ask_at: float
    deny_at: float
    incoming_at: float


def write_graph(probe: Probe, lines: Lines, heat: float, work: Path) -> tuple[Path, Path]:
    """Export the model in full precision and in bytes; return both files."""
    compact = Compact(probe, heat).eval()
    example = lines.batch([lines.ids("run: ls"), lines.ids("run: git status --short")])
    full, small = work / "probe.fp32.onnx", work / "probe.onnx"
    axes = {"input_ids": {0: "batch", 1: "length"}, "attention_mask": {0: "batch", 1: "length"}, "logits": {0: "batch"}}
    with torch.no_grad():
        torch.onnx.export(
            compact, example, str(full), input_names=["input_ids", "attention_mask"], output_names=["logits"],
            dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip
    quantize(str(full), str(small))
    return full, small


def bias_of(file: Path, lines: Lines) -> dict[str, float]:
    """Return what the model answers to calls that say nothing, by tool."""
    found = {}
    for tool in (*(each.value for each in Tool), INCOMING):
        found[tool] = round(float(margins(file_logits(file, lines, content_free(tool))).mean()), 4)
    return {**found, "*": round(float(np.mean(list(found.values()))), 4)}


def scores(logits: Logits, rows: Sequence[Row], bias: dict[str, float], alpha: float) -> Logits:
    """Return the gate's scores."""
    return margins(logits) - alpha * np.array([bias.get(row.tool, bias["*"]) for row in rows])


def calibrate(rows: Sequence[Row], logits: Logits, bias: dict[str, float]) -> Calibration:
    """Choose the thresholds on the calibration families."""
    truth, weights = labels(rows), balanced(rows)
    alpha = min(_ALPHAS, key=lambda each: _loss(scores(logits, rows, bias, each), truth, weights))
    own = scores(logits, rows, bias, alpha)
    ask = threshold_for(own, truth, weights, _ASK_STOPS)
    deny = max(ask, threshold_for(own, truth, weights, _DENY_STOPS))
    return Calibration(bias, alpha, round(ask, 3), round(deny, 3), round(max(ask, 0.0) + 0.5, 3))


def _loss(scores_: Logits, truth: Labels, weights: Logits) -> float:
    """Return how badly scores separate, wherever the threshold is: the likelihood after the best shift."""
    sign = np.where(truth == 1, 1.0, -1.0)
    shifts = np.linspace(-4, 4, 81)
    return float(min((weights * np.logaddexp(0, -sign * (scores_ - shift))).sum() for shift in shifts))


def is_batch_free(file: Path, lines: Lines, texts: Sequence[str]) -> bool:
    """Return whether a line's logits stay the same among batch mates and padding, up to a float's last digits."""
    alone = file_logits(file, lines, texts)
    ids, mask = lines.batch([lines.ids(text) for text in texts])
    together = open_session(file).run(["logits"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    return bool(np.abs(alone - together).max() < 1e-3)


def write(out: Path, small: Path, lines: Lines, own: Calibration, facts: dict[str, Any]) -> None:
    """Write the model's directory."""
    out.mkdir(parents=True, exist_ok=True)
    model, words = small.read_bytes(), vocabulary().encode("utf-8")
    (out / "probe.onnx").write_bytes(model)
    (out / "vocab.txt").write_bytes(words)
    manifest = {
        "format": 1,
        "base": "minilm-l6",
        "model": {"file": "probe.onnx", "blake3": blake3(model).hexdigest()},
        "tokenizer": {"file": "vocab.txt", "blake3": blake3(words).hexdigest(), "kind": "wordpiece"},
        "prefix_ids": list(lines.prefix),
        "suffix_ids": list(lines.suffix),
        "pad_id": lines.pad_id,
        "max_body": MAX_BODY,
        "rendering": VERSION,
        "categories": list(CATEGORIES),
        "bias": own.bias,
        "alpha": own.alpha,
        "deny_at": own.deny_at,
        "ask_at": own.ask_at,
        "incoming_at": own.incoming_at,
        **facts,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def report(
    known: Sequence[tuple[str, list[Row]]], files: tuple[Path, Path], lines: Lines, own: Calibration
) -> dict[str, Any]:
    """Return what was measured, in full precision (on the development set) and in bytes."""
    full, small = files
    found: dict[str, Any] = {}
    for name, rows in known:
        texts = [row.text for row in rows]
        for kind, file in (("int8", small), ("fp32", full)):
            if kind == "fp32" and name != "development":
                continue
            each = measured(rows, scores(file_logits(file, lines, texts), rows, own.bias, own.alpha), own.ask_at)
            rates = {"f1": each.f1, "fpr": each.false_positive_rate, "recall": each.recall, "auc": each.auc}
            found[f"{name} ({kind})"] = {
                key: None if value is None else round(value, 4) for key, value in rates.items()
            }
            print(name, kind, found[f"{name} ({kind})"], flush=True)
    return found


def main() -> None:
    """Export one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="minilm")
    parser.add_argument("--like", default=None, help="take temperature, α and thresholds of this one's export")
    given = parser.parse_args()
    torch.set_num_threads(2)
    splits, lines = split(given.sources, DATA), lines_of_minilm()
    probe = load(given.work / f"{given.name}.pt", Probe(lines))
    rows = splits.calibration
    texts = [row.text for row in rows]
    full, small = write_graph(probe, lines, 1.0, given.work)
    earlier = json.loads((given.work / f"{given.like}.calibration.json").read_bytes()) if given.like else {}
    heat = earlier.pop("heat", None) or heat_of(margins(file_logits(small, lines, texts)), labels(rows), balanced(rows))
    full, small = write_graph(probe, lines, heat, given.work)
    if given.like is None:
        own = calibrate(rows, file_logits(small, lines, texts), bias_of(small, lines))
    else:
        own = Calibration(**{**earlier, "bias": bias_of(small, lines)})
    print(f"heat {heat:.3f}", own)
    kept = {"heat": heat, **asdict(own)}
    (given.work / f"{given.name}.calibration.json").write_text(json.dumps(kept), encoding="utf-8")
    known = [each for each in sets(splits) if not given.like or each[0] in NEVER_LEARNT]
    metrics = report(known, (full, small), lines, own)
    write(given.out, small, lines, own, {"batch": is_batch_free(small, lines, texts[:12]), "metrics": metrics})


if __name__ == "__main__":
    main()

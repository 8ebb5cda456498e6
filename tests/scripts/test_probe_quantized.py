"""The shipped bytes against full precision, on the development set: at most 0.01 of F1 apart.

The full-precision model is too large for the repository; `scripts/probe/reference.py` kept what it answers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from gmcp_sandbox.probe.manifest import read_manifest
from gmcp_sandbox.probe.metrics import Scored, count

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "model"
REFERENCE = json.loads((ROOT / "tests" / "data" / "development_full_precision.json").read_text(encoding="utf-8"))
ROWS = REFERENCE["rows"]


@pytest.fixture(scope="module")
def manifest():
    return read_manifest(MODEL)


@pytest.fixture(scope="module")
def shipped(manifest):
    """What the shipped file answers to each line."""
    session = onnxruntime.InferenceSession(str(MODEL / manifest.model.file), providers=["CPUExecutionProvider"])
    found = []
    for row in ROWS:
        ids = np.array([row["ids"]], dtype=np.int64)
        logits = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        found.append(float(logits[1] - logits[0]))
    return found


def test_the_reference_belongs_to_the_shipped_model(manifest):
    assert REFERENCE["model"] == manifest.model.blake3, "python -m scripts.probe.reference --help"
    assert len(ROWS) == 729 and sum(row["label"] for row in ROWS) == 301


def test_bytes_for_weights_cost_at_most_a_hundredth_of_f1(shipped, manifest):
    full = f1([row["full"] for row in ROWS], manifest)
    assert abs(f1(shipped, manifest) - full) <= 0.01


def test_bytes_for_weights_move_no_score_far(shipped):
    apart = np.abs(np.array(shipped) - np.array([row["full"] for row in ROWS]))
    assert float(np.median(apart)) < 0.15 and float(apart.max()) < 2.5


def f1(margins, manifest):
    bias = manifest.alpha * manifest.bias_of("proc.exec")
    rows = [Scored(row["label"] == 1, margin - bias) for row, margin in zip(ROWS, margins, strict=True)]
    return count(rows, manifest.ask_at).f1

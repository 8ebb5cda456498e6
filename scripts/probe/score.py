"""Scores of rows by a trained candidate or by the shipped file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scripts.probe.batches import bucketed
from scripts.probe.rows import Row

if TYPE_CHECKING:  # measuring a shipped file needs no torch
    from torch import nn

    from scripts.probe.encoder import Lines

Logits = NDArray[np.float64]
Labels = NDArray[np.int64]


def torch_logits(model: nn.Module, lines: Lines, texts: Sequence[str]) -> Logits:
    """Return the logits of a candidate for lines."""
    import torch

    coded = [lines.ids(text) for text in texts]
    found = np.zeros((len(coded), 10))
    model.eval()
    with torch.inference_mode():
        for batch in bucketed([len(each) for each in coded], 64, 0):
            ids, mask = lines.batch([coded[index] for index in batch])
            found[batch] = model(ids, mask).numpy()
    return found


def file_logits(path: Path, lines: Lines, texts: Sequence[str]) -> Logits:
    """Return the logits of an ONNX file, each line alone, as the runtime asks it."""
    session = open_session(path)
    found = np.zeros((len(texts), 10))
    for index, text in enumerate(texts):
        ids = np.array([lines.ids(text)], dtype=np.int64)
        found[index] = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
    return found


def open_session(path: Path) -> Any:
    """Return a session with the runtime's settings."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def margins(logits: Logits) -> NDArray[np.float64]:
    """Return dangerous minus safe."""
    return logits[:, 1] - logits[:, 0]


def labels(rows: Sequence[Row]) -> NDArray[np.int64]:
    """Return the labels."""
    return np.array([row.label for row in rows], dtype=np.int64)

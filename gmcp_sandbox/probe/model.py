"""The model: lines of text in, answers out. One forward pass, the logits of the verdict's words read at its position.

Guarantees: equal lines get equal answers; where the model's arithmetic depends on batch mates (`Manifest.batch` is
false), each line is computed alone and without padding. Not for use by two threads at once.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from gmcp_sandbox import kernel
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.probe.manifest import CATEGORIES, Manifest, read_manifest, read_part
from gmcp_sandbox.probe.wordpiece import WordPiece

_COLUMNS = 2 + len(CATEGORIES)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What the model says to one line.

    Attributes:
        margin: Logit of dangerous minus logit of safe, before the bias.
        category: Index of the likeliest category, should it be dangerous.
    """

    margin: float
    category: int

    @property
    def reason(self) -> str:
        """The category's name."""
        return CATEGORIES[self.category]


class Model:
    """A loaded model."""

    def __init__(self, manifest: Manifest, session: Any, pieces: WordPiece) -> None:
        self.manifest = manifest
        self._session = session
        self._pieces = pieces

    @classmethod
    def load(cls, directory: Path, manifest: Manifest | None = None) -> Model:
        """Return the model of a directory; takes about a quarter of a second.

        Raises:
            HostError: It is missing or altered, or onnxruntime does not take it.
        """
        manifest = read_manifest(directory) if manifest is None else manifest
        vocabulary = read_part(directory, manifest.tokenizer).decode("utf-8", "strict")
        session = _session(read_part(directory, manifest.model), str(directory / manifest.model.file))
        kernel.release_freed_memory()  # about 9 MiB of what reading a graph took
        return cls(manifest, session, WordPiece(vocabulary))

    def encode(self, line: str) -> list[int]:
        """Return the ids that the model is fed for a line."""
        manifest = self.manifest
        body = self._pieces.encode(line, manifest.max_body)
        return [*manifest.prefix_ids, *body, *manifest.suffix_ids]

    def answer(self, lines: Sequence[str]) -> list[Answer]:
        """Return the answers to lines, in their order.

        Raises:
            RuntimeError: The model gave something that is no answer.
        """
        rows = [self.encode(line) for line in lines]
        if self.manifest.batch and len(rows) > 1:
            return self._run(rows)
        return [answer for row in rows for answer in self._run([row])]

    def _run(self, rows: list[list[int]]) -> list[Answer]:
        import numpy as np

        length = max(map(len, rows))
        ids = np.full((len(rows), length), self.manifest.pad_id, np.int64)
        mask = np.zeros((len(rows), length), np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        (logits,) = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})
        if logits.shape != (len(rows), _COLUMNS):
            raise RuntimeError(f"the model gave logits of shape {logits.shape}")
        return [_answer(row) for row in logits.tolist()]


def _answer(logits: list[float]) -> Answer:
    margin = logits[1] - logits[0]
    if not math.isfinite(margin):
        raise RuntimeError("the model gave no number")
    categories = logits[2:]
    return Answer(margin, max(range(len(categories)), key=categories.__getitem__))


def _session(data: bytes, name: str) -> Any:
    # Else it makes a device id and a database of telemetry in the user's home, at the first session.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise HostError("onnxruntime cannot be loaded", cause=str(error), hint="pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    # A second thread saves an eighth of a pass where a processor has nothing else to do, and doubles it where the agent
    # works: the two wait for each other at every operator.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # an arena keeps the largest batch's memory for ever
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its exceptions have no common base
        raise HostError(f"{name} is no model that onnxruntime takes", cause=str(error)[:300]) from None

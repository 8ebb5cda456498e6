"""A model small enough to stand in a test: word pieces in, logits of our making out, run by onnxruntime for real.

The logits are sums over the pieces of a line: each piece has a row of ten numbers. So a test says which words are how
dangerous, and everything from the manifest to the thread is the product's own.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blake3 import blake3

from gmcp_sandbox.probe.manifest import CATEGORIES, FORMAT
from gmcp_sandbox.probe.render import VERSION

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["run", "rm", "ls", "curl", "steal", "read", "write", "file", "text", ":", "-", "/", "~", "many", "files", "in"]
DANGER: Mapping[str, tuple[float, int]] = {"rm": (4.0, 0), "curl": (1.5, 1), "steal": (5.0, 7), "ls": (-4.0, 0)}
"""Word → what it adds to the margin, and to which category."""


def make_model(directory: Path, **changes: Any) -> Path:
    """Write a whole model; `changes` replace fields of its manifest."""
    directory.mkdir(exist_ok=True)
    vocabulary = [*SPECIAL, *WORDS]
    (directory / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    (directory / "probe.onnx").write_bytes(_onnx([_logits(word) for word in vocabulary]))
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "base": "sums",
        "model": _part(directory, "probe.onnx"),
        "tokenizer": _part(directory, "vocab.txt") | {"kind": "wordpiece"},
        "prefix_ids": [2, 4],
        "suffix_ids": [3],
        "pad_id": 0,
        "max_body": 64,
        "rendering": VERSION,
        "categories": list(CATEGORIES),
        "bias": {"*": 0.0, "incoming": 1.0},
        "alpha": 1.0,
        "deny_at": 3.0,
        "ask_at": 1.0,
        "incoming_at": 2.0,
        "batch": True,
        "metrics": {"f1": 1.0},
    }
    (directory / "manifest.json").write_text(json.dumps(manifest | changes), encoding="utf-8")
    return directory


def _part(directory: Path, name: str) -> dict[str, str]:
    return {"file": name, "blake3": blake3((directory / name).read_bytes()).hexdigest()}


def _logits(word: str) -> list[float]:
    margin, category = DANGER.get(word, (0.0, 0))
    logits = [0.0, margin] + [0.0] * len(CATEGORIES)
    logits[2 + category] = abs(margin)
    return logits


# ONNX is protocol buffers; a graph of three nodes needs no library to be written down.


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes((value & 0x7F | 0x80,)), value >> 7
    return out + bytes((value,))


def _field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


_FLOAT, _INT64 = 1, 7


def _onnx(table: list[list[float]]) -> bytes:
    """Return a model: logits = sum over pieces of table[input_ids] * attention_mask."""
    rows, columns = len(table), len(table[0])
    values = struct.pack(f"<{rows * columns}f", *(number for row in table for number in row))
    weights = _field(1, rows) + _field(1, columns) + _field(2, _FLOAT) + _field(8, "table") + _field(9, values)
    axes_1 = _field(1, 1) + _field(2, _INT64) + _field(8, "one") + _field(9, struct.pack("<q", 1))
    axes_2 = _field(1, 1) + _field(2, _INT64) + _field(8, "two") + _field(9, struct.pack("<q", 2))
    keep_none = _field(5, _field(1, "keepdims") + _field(3, 0) + _field(20, 2))
    to_float = _field(5, _field(1, "to") + _field(3, _FLOAT) + _field(20, 2))
    nodes = [
        _node("Gather", ["table", "input_ids"], "pieces"),
        _node("Cast", ["attention_mask"], "mask", to_float),
        _node("Unsqueeze", ["mask", "two"], "column"),
        _node("Mul", ["pieces", "column"], "seen"),
        _node("ReduceSum", ["seen", "one"], "logits", keep_none),
    ]
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "sums")
    graph += _field(5, weights) + _field(5, axes_1) + _field(5, axes_2)
    graph += _field(11, _value("input_ids", _INT64, 2)) + _field(11, _value("attention_mask", _INT64, 2))
    graph += _field(12, _value("logits", _FLOAT, 2))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))


def _node(kind: str, inputs: list[str], output: str, attributes: bytes = b"") -> bytes:
    return b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, kind) + attributes


def _value(name: str, kind: int, dimensions: int) -> bytes:
    shape = b"".join(_field(1, _field(2, f"{name}_{index}")) for index in range(dimensions))
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))

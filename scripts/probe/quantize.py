"""Eight bits a weight, and activations as bytes on scales that do not depend on the batch.

`quantize_dynamic` gives one scale to a whole batch: the same line then gets other logits with other batch mates or more
padding. Here every activation is scaled row by row, by its own largest value. So a line's answer depends on the line.
Weights are scaled by column, word embeddings by row.

Constant scales behind layer norms, found on examples, were quicker by a tenth and twice as far from full precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node, make_opsetid

_SMALL = 4096
"""Constants of fewer values stay as they are."""
_VENDOR = "com.microsoft"


class _Graph:
    """A graph that is rewritten."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.values = {each.name: numpy_helper.to_array(each) for each in self.graph.initializer}
        self.scaled: set[str] = set()
        self.dropped: set[str] = set()

    def constant(self, name: str, value: NDArray[Any]) -> str:
        if name not in self.values:
            self.values[name] = value
            self.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def rewrite(self) -> None:
        nodes = [new for node in self.graph.node for new in self._node(node)]
        kept = [each for each in self.graph.initializer if each.name not in self.dropped]
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(nodes)
        self.graph.initializer.extend(kept)

    def _node(self, node: NodeProto) -> Iterator[NodeProto]:
        if node.op_type == "MatMul" and _is_table(self.values.get(node.input[1])):
            yield from self._by_row(node)
        elif node.op_type == "Gather" and _is_table(self.values.get(node.input[0])):
            yield from self._rows(node)
        else:
            yield node

    def _weight(self, name: str) -> tuple[str, str]:
        """Replace a weight by bytes and the scales of its columns."""
        whole, scale = _eight_bits(self.values[name], axis=0)
        self.dropped.add(name)
        return self.constant(f"{name}.q8", whole), self.constant(f"{name}.scale", scale.reshape(-1))

    def _by_row(self, node: NodeProto) -> Iterator[NodeProto]:
        """A product whose left side is scaled row by row; the row's scale is multiplied in afterwards."""
        source, name = node.input[0], node.output[0]
        if source not in self.scaled:
            self.scaled.add(source)
            yield from self._scale(source)
        one = self.constant("q.one", np.array(1 / 127, np.float32))
        zero = self.constant("q.zero", np.array(128, np.uint8))
        eight, columns = self._weight(node.input[1])
        given = [f"{source}.u8", eight, one, columns, zero]
        yield make_node("MatMulIntegerToFloat", given, [f"{name}.rows"], domain=_VENDOR)
        yield make_node("Mul", [f"{name}.rows", f"{source}.most"], [name])

    def _scale(self, source: str) -> Iterator[NodeProto]:
        """Turn each row to bytes around 128."""
        most = self.constant("q.most", np.array(127.0, np.float32))
        least = self.constant("q.least", np.array(1e-8, np.float32))
        middle = self.constant("q.middle", np.array(128.5, np.float32))  # the half rounds: Cast cuts
        yield make_node("Abs", [source], [f"{source}.abs"])
        yield make_node("ReduceMax", [f"{source}.abs"], [f"{source}.top"], axes=[-1], keepdims=1)
        yield make_node("Max", [f"{source}.top", least], [f"{source}.most"])
        yield make_node("Div", [most, f"{source}.most"], [f"{source}.turn"])
        yield make_node("Mul", [source, f"{source}.turn"], [f"{source}.wide"])
        yield make_node("Add", [f"{source}.wide", middle], [f"{source}.up"])
        yield make_node("Cast", [f"{source}.up"], [f"{source}.u8"], to=TensorProto.UINT8)

    def _rows(self, node: NodeProto) -> Iterator[NodeProto]:
        """A look-up in a table of bytes."""
        table, name = node.input[0], node.output[0]
        whole, scale = _eight_bits(self.values[table], axis=1)
        self.dropped.add(table)
        eight, factor = self.constant(f"{table}.q8", whole), self.constant(f"{table}.scale", scale)
        yield make_node("Gather", [eight, node.input[1]], [f"{name}.i8"], axis=0)
        yield make_node("Cast", [f"{name}.i8"], [f"{name}.wide"], to=TensorProto.FLOAT)
        yield make_node("Gather", [factor, node.input[1]], [f"{name}.factor"], axis=0)
        yield make_node("Mul", [f"{name}.wide", f"{name}.factor"], [name])


def _is_table(value: NDArray[Any] | None) -> bool:
    return value is not None and value.ndim == 2 and value.size > _SMALL and value.dtype == np.float32


def _eight_bits(value: NDArray[Any], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return whole numbers and the scale of each column (axis 0) or row (axis 1)."""
    scale = np.maximum(np.abs(value).max(axis=axis, keepdims=True), 1e-8) / 127
    whole: NDArray[np.int8] = np.clip(np.round(value / scale), -127, 127).astype(np.int8)
    return whole, scale.astype(np.float32)


def quantize(source: str, target: str) -> None:
    """Write the model with bytes for weights."""
    model = onnx.load(source)
    _Graph(model).rewrite()
    model.opset_import.append(make_opsetid(_VENDOR, 1))
    onnx.save(model, target)

"""Eight bits a weight, and a scale of its own for each token.

`quantize_dynamic` gives one scale to a whole batch: the same line then gets other logits with other batch mates or more
padding. Here each row of an activation is scaled by its own largest value, so a line's answer depends on the line.
Weights are scaled by column, word embeddings by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node

_SMALL = 4096
"""Constants of fewer values stay as they are."""


class _Graph:
    """A graph that is rewritten."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.values = {each.name: numpy_helper.to_array(each) for each in self.graph.initializer}
        self.scaled: dict[str, str] = {}
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
        if node.op_type == "MatMul" and self._is_weight(node.input[1]):
            yield from self._product(node)
        elif node.op_type == "Gather" and self._is_weight(node.input[0]):
            yield from self._rows(node)
        else:
            yield node

    def _is_weight(self, name: str) -> bool:
        value = self.values.get(name)
        return value is not None and value.ndim == 2 and value.size > _SMALL and value.dtype == np.float32

    def _product(self, node: NodeProto) -> Iterator[NodeProto]:
        source, weight = node.input
        if source not in self.scaled:
            yield from self._scale(source)
        whole, scale = _eight_bits(self.values[weight], axis=0)
        self.dropped.add(weight)
        mine, name = self.scaled[source], node.output[0]
        zero = self.constant("q.zero", np.array(128, np.uint8))
        eight, factor = self.constant(f"{weight}.q8", whole), self.constant(f"{weight}.scale", scale.reshape(-1) / 127)
        yield make_node("MatMulInteger", [f"{mine}.u8", eight, zero], [f"{name}.i32"])
        yield make_node("Cast", [f"{name}.i32"], [f"{name}.f32"], to=TensorProto.FLOAT)
        yield make_node("Mul", [f"{mine}.most", factor], [f"{name}.factor"])
        yield make_node("Mul", [f"{name}.f32", f"{name}.factor"], [name])

    def _scale(self, source: str) -> Iterator[NodeProto]:
        """Turn each row to bytes around 128."""
        self.scaled[source] = source
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
        table, name = node.input[0], node.output[0]
        whole, scale = _eight_bits(self.values[table], axis=1)
        self.dropped.add(table)
        eight, factor = self.constant(f"{table}.q8", whole), self.constant(f"{table}.scale", scale)
        yield make_node("Gather", [eight, node.input[1]], [f"{name}.i8"], axis=0)
        yield make_node("Cast", [f"{name}.i8"], [f"{name}.wide"], to=TensorProto.FLOAT)
        yield make_node("Gather", [factor, node.input[1]], [f"{name}.factor"], axis=0)
        yield make_node("Mul", [f"{name}.wide", f"{name}.factor"], [name])


def _eight_bits(value: NDArray[Any], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return whole numbers and the scale of each column (axis 0) or row (axis 1)."""
    scale = np.maximum(np.abs(value).max(axis=axis, keepdims=True), 1e-8) / 127
    whole: NDArray[np.int8] = np.clip(np.round(value / scale), -127, 127).astype(np.int8)
    return whole, scale.astype(np.float32)


def quantize(source: str, target: str) -> None:
    """Write the model with bytes for weights."""
    model = onnx.load(source)
    _Graph(model).rewrite()
    onnx.checker.check_model(model)
    onnx.save(model, target)

"""The encoder as it is shipped: the same function as `encoder.Probe`, with less to compute.

Queries, keys and values are one product; of the last layer only the verdict's position is computed; kinds of tokens
and the attention's scale are folded into other weights.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from scripts.probe.encoder import Probe

_HEADS = 12


class _Layer(nn.Module):
    def __init__(self, layer: Any, verdict: int | None) -> None:
        super().__init__()
        own = layer.attention.self
        scale = 1 / math.sqrt(own.attention_head_size)
        self.verdict = verdict
        self.q_weight = nn.Parameter(own.query.weight.detach().T * scale)
        self.q_bias = nn.Parameter(own.query.bias.detach() * scale)
        weights = [own.key.weight.detach().T, own.value.weight.detach().T]
        biases = [own.key.bias.detach(), own.value.bias.detach()]
        if verdict is None:
            weights, biases = [self.q_weight.detach(), *weights], [self.q_bias.detach(), *biases]
        self.kv_weight, self.kv_bias = nn.Parameter(torch.cat(weights, 1)), nn.Parameter(torch.cat(biases))
        self.out, self.out_norm = layer.attention.output.dense, layer.attention.output.LayerNorm
        self.up, self.down, self.norm = layer.intermediate.dense, layer.output.dense, layer.output.LayerNorm

    def forward(self, hidden: Tensor, hide: Tensor) -> Tensor:
        width = hidden.shape[-1]
        parts = (hidden @ self.kv_weight + self.kv_bias).split(width, -1)
        if self.verdict is None:
            query, key, value = parts
        else:
            key, value = parts
            hidden = hidden[:, self.verdict : self.verdict + 1]
            query = hidden @ self.q_weight + self.q_bias
        query, key, value = (_heads(each) for each in (query, key, value))
        seen = torch.softmax(query @ key.transpose(-1, -2) + hide, -1) @ value
        seen = seen.transpose(1, 2).reshape(hidden.shape[0], -1, width)
        hidden = self.out_norm(self.out(seen) + hidden)
        return self.norm(self.down(nn.functional.gelu(self.up(hidden))) + hidden)


def _heads(states: Tensor) -> Tensor:
    return states.reshape(states.shape[0], -1, _HEADS, states.shape[-1] // _HEADS).transpose(1, 2)


class Compact(nn.Module):
    """MiniLM with its read-out, for export."""

    def __init__(self, probe: Probe, heat: float = 1.0) -> None:
        """Take a trained probe; `heat` divides its logits, so that the sigmoid of a margin is a probability."""
        super().__init__()
        embeddings = probe.body.embeddings
        self.words = nn.Parameter(embeddings.word_embeddings.weight.detach().clone())
        places = embeddings.position_embeddings.weight.detach() + embeddings.token_type_embeddings.weight.detach()[0]
        self.places = nn.Parameter(places[:128].clone())
        self.norm = embeddings.LayerNorm
        layers = probe.layers()
        last = len(layers) - 1
        self.layers = nn.ModuleList(
            _Layer(layer, probe.mask_at if number == last else None) for number, layer in enumerate(layers)
        )
        self.dense, self.read_norm = probe.dense, probe.norm
        rows = embeddings.word_embeddings.weight.detach()[probe.words] / heat
        self.verbalizers, self.bias = nn.Parameter(rows.T.clone()), nn.Parameter(probe.bias.detach() / heat)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the logits of the verbalizers."""
        hidden = self.norm(self.words[input_ids] + self.places[: input_ids.shape[1]])
        hide = (1.0 - attention_mask[:, None, None, :].float()) * -1e4
        for layer in self.layers:
            hidden = layer(hidden, hide)
        state = self.read_norm(nn.functional.gelu(self.dense(hidden[:, 0])))
        return state @ self.verbalizers + self.bias

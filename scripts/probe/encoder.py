"""Candidate (a): MiniLM with a masked verdict, read through its own word embeddings.

The line is put behind `[CLS] it is [MASK] :`; the hidden state at [MASK] goes through a small dense transform and is
compared with the word embeddings of the verbalizers. all-MiniLM ships no head for masked words, so the transform starts
as the identity and is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel

from gmcp_sandbox.probe.wordpiece import WordPiece
from scripts.probe.weights import minilm_folder

VERBALIZERS = (
    "safe",
    "dangerous",
    "destruction",
    "leak",
    "password",
    "persistent",
    "root",
    "supply",
    "sabotage",
    "injection",
)
"""One word a column of the output: safe, dangerous, then the categories in the order of `rows.CATEGORIES`."""
PREFIX = "[CLS] it is [MASK] :"
SUFFIX = "[SEP]"
MAX_BODY = 88
_WIDTH = 384

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Lines:
    """Reads lines into padded ids."""

    encode: Callable[[str], list[int]]
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    mask_at: int
    pad_id: int = 0

    def ids(self, text: str) -> list[int]:
        """Return the ids of one line with the model's frame around them."""
        return [*self.prefix, *self.encode(text)[:MAX_BODY], *self.suffix]

    def batch(self, lines: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return ids and mask, padded on the right."""
        width = max(len(line) for line in lines)
        ids = np.full((len(lines), width), self.pad_id, dtype=np.int64)
        for index, line in enumerate(lines):
            ids[index, : len(line)] = line
        tensor = torch.from_numpy(ids)
        mask = torch.zeros_like(tensor)
        for index, line in enumerate(lines):
            mask[index, : len(line)] = 1
        return tensor, mask


def lines_of_minilm() -> Lines:
    """Return the reader for MiniLM: the runtime's own word pieces, so that both read the same."""
    pieces = WordPiece(vocabulary())
    prefix = tuple(word_ids(PREFIX.split()))
    (end,) = word_ids([SUFFIX])
    return Lines(lambda text: pieces.encode(text, MAX_BODY), prefix, (end,), PREFIX.split().index("[MASK]"))


def vocabulary() -> str:
    """Return the vocabulary, one piece a line."""
    return (minilm_folder() / "vocab.txt").read_text(encoding="utf-8")


def word_ids(words: Sequence[str]) -> list[int]:
    """Return the ids of whole words of the vocabulary."""
    known = vocabulary().split("\n")
    return [known.index(word) for word in words]


class Probe(nn.Module):
    """MiniLM, a transform of the verdict's hidden state, and the verbalizers' rows of the word embeddings."""

    width = _WIDTH

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self.body = AutoModel.from_pretrained(str(minilm_folder()), add_pooling_layer=False, attn_implementation="sdpa")
        for layer in self.body.encoder.layer:
            layer.attention.self.dropout.p = 0.0
        self.mask_at = lines.mask_at
        self.register_buffer("words", torch.tensor(word_ids(VERBALIZERS)), persistent=False)
        self.dense = nn.Linear(_WIDTH, _WIDTH)
        self.norm = nn.LayerNorm(_WIDTH)
        self.bias = nn.Parameter(torch.zeros(len(VERBALIZERS)))
        nn.init.eye_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def layers(self) -> list[nn.Module]:
        """Return the transformer's layers, lowest first."""
        return list(self.body.encoder.layer)

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the hidden states at the verdict position."""
        hidden: Tensor = self.body(input_ids=ids, attention_mask=mask).last_hidden_state[:, self.mask_at]
        return hidden

    def read(self, states: Tensor) -> Tensor:
        """Return the logits of the verbalizers."""
        rows = self.body.embeddings.word_embeddings.weight[self.words]
        return self.norm(nn.functional.gelu(self.dense(states))) @ rows.T + self.bias

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the logits of the verbalizers: safe, dangerous, categories."""
        return self.read(self.states(input_ids, attention_mask))


def load(path: Path, model: Model) -> Model:
    """Fill a model with saved weights."""
    model.load_state_dict(torch.load(path, weights_only=True), strict=False)
    return model

"""Candidate (b): SmolLM2 cut to its first layers, read at the last position through its tied word embeddings."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from scripts.probe.encoder import VERBALIZERS, Lines
from scripts.probe.weights import smollm_file

LAYERS = 4
SUFFIX = "\nThis call is"


def lines_of_smollm() -> Lines:
    """Return the reader for SmolLM2: the line, then the words that its verdict follows."""
    file = smollm_file()
    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name).backend_tokenizer

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    return Lines(encode, (), tuple(encode(SUFFIX)), -1)


class CutDecoder(nn.Module):
    """The first layers, the final norm and the verbalizers' rows of the word embeddings."""

    width = 576

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        file = smollm_file()
        self.body = AutoModel.from_pretrained(str(file.parent), gguf_file=file.name, dtype=torch.float32)
        self.body.layers = self.body.layers[:LAYERS]
        self.body.config.num_hidden_layers = LAYERS
        self.body.config.use_cache = False
        coded = [lines.encode(f" {word}") for word in VERBALIZERS]
        self.register_buffer("words", torch.tensor([ids[0] for ids in coded]), persistent=False)
        self.bias = nn.Parameter(torch.zeros(len(VERBALIZERS)))

    def layers(self) -> list[nn.Module]:
        """Return the transformer's layers, lowest first."""
        return list(self.body.layers)

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the hidden states at the last position of each line."""
        hidden: Tensor = self.body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return hidden[torch.arange(len(ids)), mask.sum(1) - 1]

    def read(self, states: Tensor) -> Tensor:
        """Return the logits of the verbalizers."""
        return states @ self.body.embed_tokens.weight[self.words].T + self.bias

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the logits of the verbalizers: safe, dangerous, categories."""
        return self.read(self.states(input_ids, attention_mask))

"""First stage: learn what commands do.

Each page of tldr says in a sentence what its command does. The state at the verdict position is drawn to the sentence's
own embedding (frozen all-MiniLM, mean-pooled) and away from the others of its batch, so that the encoder, which knows
English and little shell, reads `zfs destroy` near "remove a file system". No label is used.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import AutoModel

from scripts.probe.batches import bucketed
from scripts.probe.encoder import Lines, Probe
from scripts.probe.rows import Row
from scripts.probe.weights import minilm_folder

_LOG = logging.getLogger("probe.meaning")
_HEAT = 0.06


def sentence_embeddings(lines: Lines, sentences: Sequence[str]) -> Tensor:
    """Return the normalised mean-pooled embeddings of the sentences, from the base model as it is shipped."""
    base = AutoModel.from_pretrained(str(minilm_folder()), add_pooling_layer=False).eval()
    coded = [[lines.prefix[0], *lines.encode(text)[:60], lines.suffix[0]] for text in sentences]
    found = torch.zeros(len(coded), 384)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for batch in bucketed([len(each) for each in coded], 128, 0):
            ids, mask = lines.batch([coded[index] for index in batch])
            hidden = base(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            share = mask.unsqueeze(-1).float()
            found[batch] = nn.functional.normalize((hidden * share).sum(1) / share.sum(1), dim=-1)
    return found


def learn_meaning(probe: Probe, lines: Lines, rows: Sequence[Row], *, epochs: int, seed: int) -> None:
    """Train the encoder on the described rows."""
    sentences = [str(row.describes) for row in rows]
    target = sentence_embeddings(lines, sentences)
    coded = [lines.ids(row.text) for row in rows]
    turn = nn.Linear(384, 384)
    optimizer = torch.optim.AdamW([*probe.body.parameters(), *turn.parameters()], lr=1.2e-4, fused=True)
    total = epochs * ((len(coded) + 63) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.2e-4, total_steps=total + epochs, pct_start=0.08)
    probe.train()
    started, step, mean = time.monotonic(), 0, 0.0
    for epoch in range(epochs):
        for batch in bucketed([len(each) for each in coded], 64, seed + epoch):
            ids, mask = lines.batch([coded[index] for index in batch])
            with torch.autocast("cpu", torch.bfloat16):
                states = probe.states(ids, mask).float()
            likeness = nn.functional.normalize(turn(states), dim=-1) @ target[batch].T / _HEAT
            loss = nn.functional.cross_entropy(likeness, torch.arange(len(batch)))
            loss.backward()
            nn.utils.clip_grad_norm_(probe.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step, mean = step + 1, 0.98 * mean + 0.02 * loss.item()
            if step % 50 == 0:
                _LOG.info("meaning %d/%d loss %.3f %.0f s", step, total, mean, time.monotonic() - started)

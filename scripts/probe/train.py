"""Second stage: learn the verdict and its reason. One script, fixed seeds, both candidates.

    python -m scripts.probe.train --sources DIR --work DIR [--candidate minilm|smollm]

Loss: cross-entropy of safe against dangerous (smoothed labels), of the categories where a row is dangerous and tells
its own, and a share of the first stage's so that meaning is not forgotten. A running mean
of the weights is kept.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from scripts.probe.batches import bucketed
from scripts.probe.decoder import CutDecoder, lines_of_smollm
from scripts.probe.encoder import Lines, Probe, lines_of_minilm, load
from scripts.probe.meaning import learn_meaning, sentence_embeddings
from scripts.probe.rows import Row
from scripts.probe.sampling import epoch
from scripts.probe.splits import Splits, split

_LOG = logging.getLogger("probe.train")
DATA = Path(__file__).parent / "data"
_SMOOTH, _REASON, _MEANING, _HEAT = 0.04, 0.3, 0.1, 0.06
_KEEP, _EVERY = 0.996, 4


class Candidate(Protocol):
    """What training needs of a model."""

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the hidden states at the verdict position."""

    def read(self, states: Tensor) -> Tensor:
        """Return the logits of the verbalizers."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard."""

    epochs: int = 3
    batch: int = 48
    rate: float = 1e-4
    decay: float = 0.9
    """Each layer down learns at this share of the one above."""
    seed: int = 1
    share: float = 1.0
    """Of what generated and public sources give to an epoch; less where they were learnt before."""


def groups_of(model: nn.Module, plan: Plan) -> list[dict[str, object]]:
    """Return the parameters with their rates: lower layers slower, the head fastest."""
    layers = list(model.layers())
    groups: list[dict[str, object]] = []
    inside: set[int] = set()
    for depth, layer in enumerate(reversed(layers)):
        own = list(layer.parameters())
        inside.update(id(each) for each in own)
        groups.append({"params": own, "lr": plan.rate * plan.decay**depth})
    for each in model.body.parameters():
        if id(each) not in inside:
            each.requires_grad_(False)  # word embeddings stay: words that training lacks keep their neighbours
            inside.add(id(each))
    groups.append({"params": [each for each in model.parameters() if id(each) not in inside], "lr": 3 * plan.rate})
    return groups


class Trainer:
    """One training of one candidate."""

    def __init__(self, model: nn.Module, lines: Lines, plan: Plan) -> None:
        self.model, self.lines, self.plan = model, lines, plan
        self.turn = nn.Linear(model.width, 384)
        groups = [*groups_of(model, plan), {"params": list(self.turn.parameters()), "lr": 3 * plan.rate}]
        self.optimizer = torch.optim.AdamW(groups, lr=plan.rate, weight_decay=0.01, fused=True)
        self.mean = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.moving = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
        self.sentences: dict[str, Tensor] = {}
        self.steps = 0

    def run(self, rows: Sequence[Row], out: Path) -> None:
        """Train and save the running mean after each epoch."""
        first = epoch(rows, self.plan.seed, self.plan.share)
        total = self.plan.epochs * (len(first) // self.plan.batch + 2)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, rates, total_steps=total, pct_start=0.08)
        for number in range(self.plan.epochs):
            drawn = first if number == 0 else epoch(rows, self.plan.seed + number, self.plan.share)
            self._epoch(drawn, schedule, f"{number + 1}/{self.plan.epochs}", total)
            torch.save(self.mean, out)

    def _epoch(
        self, rows: Sequence[Row], schedule: torch.optim.lr_scheduler.LRScheduler, name: str, total: int
    ) -> None:
        coded = [self.lines.ids(row.text) for row in rows]
        target = self._meanings(rows)
        self.model.train()
        started, mean = time.monotonic(), 0.6
        for batch in bucketed([len(each) for each in coded], self.plan.batch, self.plan.seed):
            if self.steps >= total - 1:
                break
            ids, mask = self.lines.batch([coded[index] for index in batch])
            loss = self._loss(ids, mask, [rows[index] for index in batch], target[batch])
            loss.backward()
            nn.utils.clip_grad_norm_([value for _, value in self.moving], 1.0)
            self.optimizer.step()
            schedule.step()
            self.optimizer.zero_grad()
            self.steps += 1
            if self.steps % _EVERY == 0:
                self._remember()
            mean = 0.99 * mean + 0.01 * loss.item()
            if self.steps % 25 == 0:
                _LOG.info(
                    "epoch %s step %d/%d loss %.3f %.0f s", name, self.steps, total, mean, time.monotonic() - started
                )

    def _meanings(self, rows: Sequence[Row]) -> Tensor:
        told = {index: str(row.describes) for index, row in enumerate(rows) if row.describes}
        fresh = sorted({text for text in told.values() if text not in self.sentences})
        if fresh:
            self.sentences.update(zip(fresh, sentence_embeddings(lines_of_minilm(), fresh), strict=True))
        found = torch.zeros(len(rows), 384)
        for index, text in told.items():
            found[index] = self.sentences[text]
        return found

    def _loss(self, ids: Tensor, mask: Tensor, rows: Sequence[Row], target: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            states = self.model.states(ids, mask)
        states = states.float()
        logits = self.model.read(states)
        label = torch.tensor([row.label for row in rows])
        loss = nn.functional.cross_entropy(logits[:, :2], label, label_smoothing=_SMOOTH)
        reasons = [
            (index, row.category) for index, row in enumerate(rows) if row.label == 1 and row.category is not None
        ]
        if reasons:
            at, which = (list(each) for each in zip(*reasons, strict=True))
            loss = loss + _REASON * nn.functional.cross_entropy(logits[at, 2:], torch.tensor(which))
        told = [index for index, row in enumerate(rows) if row.describes]
        if len(told) > 3:
            likeness = nn.functional.normalize(self.turn(states[told]), dim=-1) @ target[told].T / _HEAT
            loss = loss + _MEANING * nn.functional.cross_entropy(likeness, torch.arange(len(told)))
        return loss

    def _remember(self) -> None:
        keep = min(_KEEP, (1 + self.steps) / (10 + self.steps)) ** _EVERY
        with torch.no_grad():
            for name, value in self.moving:
                self.mean[name].lerp_(value, 1 - keep)


def candidate(name: str) -> tuple[nn.Module, Lines]:
    """Return an untrained candidate and its reader."""
    if name == "smollm":
        lines = lines_of_smollm()
        return CutDecoder(lines), lines
    lines = lines_of_minilm()
    return Probe(lines), lines


def prepare(name: str, splits: Splits, work: Path, seed: int) -> tuple[nn.Module, Lines]:
    """Return the candidate after the first stage, which is kept between runs."""
    torch.manual_seed(seed)
    model, lines = candidate(name)
    if isinstance(model, Probe):
        kept = work / "meaning.pt"
        if not kept.exists():
            learn_meaning(model, lines, splits.described, epochs=2, seed=seed)
            torch.save(model.state_dict(), kept)
        load(kept, model)
    return model, lines


def main() -> None:
    """Train one candidate."""
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True, help="folder of the public sources")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--candidate", choices=("minilm", "smollm"), default="minilm")
    parser.add_argument("--epochs", type=int, default=usual.epochs)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--threads", type=int, default=2, help="one where other work shares the processors")
    parser.add_argument("--rate", type=float, default=usual.rate)
    parser.add_argument("--share", type=float, default=usual.share, help="of what generated and public sources give")
    parser.add_argument("--start", type=Path, default=None, help="checkpoint to go on from, instead of the first stage")
    parser.add_argument("--release", action="store_true", help="learn the held-out families, too")
    parser.add_argument("--name", default=None, help="name of the checkpoint; default: the candidate's")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(given.threads)
    splits = split(given.sources, DATA, release=given.release)
    _LOG.info("train %d, tools %d, authors %d", len(splits.train), len(splits.tools), len(splits.authors))
    if given.start is None:
        model, lines = prepare(given.candidate, splits, given.work, given.seed)
    else:
        torch.manual_seed(given.seed)
        model, lines = candidate(given.candidate)
        load(given.start, model)
    plan = Plan(epochs=given.epochs, rate=given.rate, seed=given.seed, share=given.share)
    Trainer(model, lines, plan).run(splits.train, given.work / f"{given.name or given.candidate}.pt")


if __name__ == "__main__":
    main()

"""`scripts/fuzz`: random mutation, which needs nothing, or atheris with coverage where that is installed."""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Sequence

from scripts.fuzzlib.mutate import mutated
from scripts.fuzzlib.targets import TARGETS, Target


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when nothing was found, 1 with the bytes and the traceback when something was."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, "all"], help="which parser; `all` takes them in turn")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each target")
    parser.add_argument("--runs", type=int, help="so many inputs for each target instead of a time")
    parser.add_argument("--seed", type=int, help="repeat an earlier run")
    parser.add_argument("--atheris", action="store_true", help="guide by coverage; one target, runs until stopped")
    parser.add_argument("--reproduce", metavar="HEX", help="feed these bytes once")
    chosen = parser.parse_args(arguments)
    if chosen.reproduce is not None or chosen.atheris:
        if chosen.target == "all":
            parser.error("say one target")
        target = TARGETS[chosen.target]
        return _reproduce(target, bytes.fromhex(chosen.reproduce)) if not chosen.atheris else _guided(target)
    seed = random.randrange(1 << 32) if chosen.seed is None else chosen.seed
    names = list(TARGETS) if chosen.target == "all" else [chosen.target]
    return max(_search(name, random.Random(seed), seed, chosen) for name in names)


def _search(name: str, rng: random.Random, seed: int, chosen: argparse.Namespace) -> int:
    target = TARGETS[name]
    end = time.monotonic() + chosen.seconds
    runs = 0
    while runs < chosen.runs if chosen.runs is not None else time.monotonic() < end:
        data = mutated(rng, target.seeds)
        runs += 1
        try:
            target.feed(data)
        except Exception:  # noqa: BLE001 - whatever a parser raises is the finding
            traceback.print_exc()
            print(
                f"{name}: found after {runs:,} inputs with --seed {seed}; again with\n"
                f"  scripts/fuzz {name} --reproduce {data.hex()}"
            )
            return 1
    print(f"{name}: {runs:,} inputs, nothing found (seed {seed})")
    return 0


def _reproduce(target: Target, data: bytes) -> int:
    target.feed(data)
    print("nothing found")
    return 0


def _guided(target: Target) -> int:
    try:
        import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        print("atheris is not installed; without --atheris the inputs are random", file=sys.stderr)
        return 2
    atheris.instrument_all()
    atheris.Setup(sys.argv[:1], target.feed)
    atheris.Fuzz()
    return 0

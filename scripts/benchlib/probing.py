"""`scripts/bench probe`: what the semantic gate's model takes for one line, and what it holds of memory.

Lines are those of a file of rows, rendered as the gate renders them, with 30 to 60 word pieces: a usual call. Each is
asked alone, in a process that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gmcp_sandbox.probe.manifest import read_manifest
from gmcp_sandbox.probe.memory import Memory
from gmcp_sandbox.probe.model import Model
from gmcp_sandbox.probe.render import render_row

ROOT = Path(__file__).resolve().parents[2]
SHORTEST, LONGEST = 30, 60


def main(argv: Sequence[str]) -> int:
    """Measure and print; always 0: this is no test."""
    parser = argparse.ArgumentParser(prog="scripts/bench probe", description=__doc__)
    parser.add_argument("rows", type=Path, help="JSON lines with tool and args, as `probe eval` takes them")
    parser.add_argument("--rounds", type=int, default=3, help="how often each line is asked (default: 3)")
    parser.add_argument("--lines", type=int, default=250, help="how many lines at most (default: 250)")
    given = parser.parse_args(argv)
    manifest = read_manifest(ROOT / "model")
    before, begun = _resident_mib(), time.perf_counter()
    model = Model.load(ROOT / "model", manifest)
    loaded = (time.perf_counter() - begun) * 1000
    lines = list(_lines(model, given.rows, given.lines))
    if not lines:
        parser.error(f"{given.rows}: no row of {SHORTEST} to {LONGEST} word pieces")
    times = sorted(_ms(model, line) for _ in range(given.rounds) for line in lines)
    print(
        f"{len(lines)} lines, {given.rounds} rounds: p50 {statistics.median(times):.2f} ms, p95 "
        f"{times[len(times) * 95 // 100]:.2f} ms, least {times[0]:.2f} ms"
    )
    print(f"remembered: {_remembered_us(manifest.digest, model, lines[0]):.2f} µs")
    print(f"loaded in {loaded:.0f} ms; resident memory {before:.0f} → {_resident_mib():.0f} MiB")
    return 0


def _lines(model: Model, path: Path, most: int) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            line = render_row(json.loads(text))
            if SHORTEST <= len(model.encode(line)) <= LONGEST:
                yield line
                most -= 1
            if most == 0:
                return


def _ms(model: Model, line: str) -> float:
    begun = time.perf_counter()
    model.answer([line])
    return (time.perf_counter() - begun) * 1000


def _remembered_us(digest: str, model: Model, line: str) -> float:
    memory = Memory(digest, None, print)
    memory.put({line: model.answer([line])[0]})
    begun = time.perf_counter()
    for _ in range(10_000):
        memory.get(line)
    return (time.perf_counter() - begun) * 100


def _resident_mib() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

"""`scripts/bench net-long`: many open flows and a transfer of many minutes, and the memory of each process meanwhile.

Half of the flows are HTTP and stay with the supervisor, half are opaque and go to the relay. A transfer each way runs
at a given rate, requests go round over the HTTP flows, and connections come and go. Needs root, like `bench net`.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from scripts.benchlib.network import ROOT, furnished
from scripts.benchlib.worlds import base_python
from tests.e2e.harness import descendants, read_records

CLIENT = Path(__file__).with_name("netlongclient.py")
LIMIT_MIB = 150
"""What the supervisor may have, at most (resident)."""
STEADY_MIB = 4.0
"""By how much the last third may lie above the middle one."""
ROLES = ("supervisor", "pump", "relay")
_NAMES = {"gmcp-pump": "pump", "gmcp-relay": "relay"}


class Memory(NamedTuple):
    """What one process holds, in MiB."""

    resident: float
    private: float


Sample = tuple[float, dict[str, Memory]]
"""Seconds since the start, and the memory of each role."""


def main(argv: Sequence[str]) -> int:
    """Run, print a line for each look, and a verdict. Ends with 1 when the memory is too large or grows."""
    args = _parser().parse_args(argv)
    with furnished(args.gmcp, CLIENT) as (commands, env, workspace):
        words = [base_python(), "-I", str(workspace / CLIENT.name), str(args.seconds), str(args.flows), str(args.rate)]
        with _started([*commands["sandbox"], *words], env, workspace) as client:
            samples = list(_watch(client, args.every))
            said = client.stdout.read() if client.stdout else ""
        if client.wait(60):
            print(f"bench: net-long failed with status {client.returncode}", file=sys.stderr)
            _show_denials(workspace.parent / "state")
            return 1
    print(said.strip())
    return verdict(samples, args.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench net-long", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="how long the transfer takes (default: 600)")
    parser.add_argument("--flows", type=int, default=500, help="open flows beside it (default: 500)")
    parser.add_argument("--rate", type=float, default=2.0, help="MiB/s down, and an eighth of it up (default: 2)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks (default: 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    parser.add_argument("--gmcp", type=Path, default=ROOT / ".venv/bin/gmcp-sandbox", help="the program to measure")
    return parser


@contextmanager
def _started(command: list[str], env: dict[str, str], workspace: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the client, wait until its flows are open; it is ended with the block."""
    process = subprocess.Popen(
        command, cwd=workspace, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        print(process.stdout.readline().strip(), flush=True)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def _watch(client: subprocess.Popen[str], every: float) -> Iterator[Sample]:
    """Look at the processes below the client's command until it ends."""
    began = time.monotonic()
    print("".join(text.rjust(14) for text in ("seconds", *ROLES)) + "   (resident / private MiB)", flush=True)
    while client.poll() is None:
        sample = time.monotonic() - began, _memories(client.pid)
        if len(sample[1]) == len(ROLES):
            cells = [f"{held.resident:.1f} / {held.private:.1f}" for held in map(sample[1].__getitem__, ROLES)]
            print(f"{sample[0]:14.0f}" + "".join(cell.rjust(14) for cell in cells), flush=True)
            yield sample
        try:
            client.wait(every)
        except subprocess.TimeoutExpired:
            continue


def _memories(pid: int) -> dict[str, Memory]:
    found: dict[str, Memory] = {}
    for process in descendants(pid):
        try:
            name = Path(f"/proc/{process.pid}/comm").read_text().strip()
            role = _NAMES.get(name) or ("supervisor" if "supervisor" not in found else None)
            if role is not None:
                found[role] = read_memory(Path(f"/proc/{process.pid}/smaps_rollup").read_text())
        except OSError:
            continue  # it has ended
    return found


def _show_denials(state: Path) -> None:
    """Say what the sandbox refused, which is most likely why the client gave up."""
    for log in state.glob("gmcp-sandbox/sessions/*"):
        for record in read_records(log):
            if record.get("outcome") == "deny":
                print(json.dumps(record), file=sys.stderr)


def read_memory(rollup: str) -> Memory:
    """Return what /proc/PID/smaps_rollup says."""
    kibibytes = {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB", rollup, re.M)}
    private = sum(size for name, size in kibibytes.items() if name.startswith("Private_") and "Hugetlb" not in name)
    return Memory(kibibytes["Rss"] / 1024, private / 1024)


def verdict(samples: list[Sample], file: Path | None = None) -> int:
    """Print what the samples come to; return 0 when the memory is small and steady."""
    supervisor = [held["supervisor"].resident for _, held in samples]
    if len(supervisor) < 3:
        print("bench: too few samples for a verdict", file=sys.stderr)
        return 1
    third = len(supervisor) // 3
    growth = statistics.median(supervisor[-third:]) - statistics.median(supervisor[third : 2 * third])
    is_met = max(supervisor) < LIMIT_MIB and growth < STEADY_MIB
    print(
        f"supervisor: at most {max(supervisor):.1f} MiB resident (aim: under {LIMIT_MIB}), last third "
        f"{growth:+.1f} MiB against the middle one (aim: under +{STEADY_MIB:.0f}): {'met' if is_met else 'MISSED'}"
    )
    if file is not None:
        file.write_text(json.dumps(samples, indent=1) + "\n")
    return 0 if is_met else 1

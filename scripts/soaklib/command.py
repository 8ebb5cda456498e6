"""`scripts/soak`: one session that does everything for a long time, and what its supervisor holds meanwhile.

Ends with 1 when memory, descriptors, threads or nodes grow after the warm-up, when a step of the workload fails, or
when the log does not verify.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from gmcp_sandbox.client import Client
from gmcp_sandbox.errors import SandboxError
from scripts.soaklib.series import Sample, findings

ROOT = Path(__file__).resolve().parents[2]
WORKLOAD = Path(__file__).with_name("workload.sh")
PROFILE = """\
name = "soak"
extends = "default"
description = "The shipped one, without the gate: its own time would be most of what is measured."
[probe]
tools = ["mcp.call"]
"""
_GMCP = "import sys; sys.path.insert(0, {!r}); from gmcp_sandbox.cli.main import main; sys.exit(main())"


def main(argv: Sequence[str] | None = None) -> int:
    """Soak and print the series."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60, help="default: 60")
    parser.add_argument("--every", type=float, default=10, metavar="SECONDS", help="between samples (default: 10)")
    args = parser.parse_args(argv)
    top = "/srv" if os.access("/srv", os.W_OK) else str(Path.home())
    with tempfile.TemporaryDirectory(prefix="gmcp-soak-", dir=top) as folder:
        samples, said, problems = soak(Path(folder), args.minutes * 60, args.every)
    rounds = sum(line.startswith("round ") for line in said)
    print(f"{rounds} rounds, {samples[-1].calls if samples else 0:,} calls")
    problems += [line for line in said if line.startswith("FAILED")]
    problems += findings(samples)
    for problem in problems:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


def soak(folder: Path, seconds: float, every: float) -> tuple[list[Sample], list[str], list[str]]:
    """Run one session; return its samples, what the workload said, and what was wrong with its end."""
    work, state = folder / "work", folder / "state"
    work.mkdir()
    (folder / "profile.toml").write_text(PROFILE)
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "GMCP_SANDBOX_STATE": str(state)}
    os.environ["XDG_STATE_HOME"] = str(state)
    script = WORKLOAD.read_text()
    (work / "workload.sh").write_text(script)
    with tempfile.TemporaryFile() as status:
        argv = [sys.executable, "-c", _GMCP.format(str(ROOT)), "exec", "--json-status", str(status.fileno())]
        argv += ["-p", str(folder / "profile.toml"), "--", "/bin/bash", "workload.sh", str(int(seconds))]
        with open(folder / "said", "wb") as said:
            session = subprocess.Popen(
                argv, cwd=work, env=environment, pass_fds=[status.fileno()], stdout=said, stderr=subprocess.STDOUT
            )
            samples = list(_samples(session, status, state, every))
    lines = (folder / "said").read_text(errors="replace").splitlines()
    problems = [] if session.returncode == 0 else [f"the session ended with {session.returncode}: {lines[-5:]}"]
    verified = subprocess.run(
        [sys.executable, "-c", _GMCP.format(str(ROOT)), "audit", "verify"],
        env=environment,
        capture_output=True,
        check=False,
    )
    if verified.returncode != 0:
        problems.append(f"the log does not verify: {verified.stdout.decode(errors='replace')}")
    return samples, lines, problems


def _samples(session: subprocess.Popen[bytes], status: IO[bytes], state: Path, every: float) -> list[Sample]:
    samples: list[Sample] = []
    began = time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            session.wait(every)
            return samples
        with suppress(OSError, ValueError, KeyError, IndexError, SandboxError):
            sample = _look(status, state, time.monotonic() - began)
            samples.append(sample)
            print(sample, flush=True)


def _look(status: IO[bytes], state: Path, seconds: float) -> Sample:
    status.seek(0)
    name = str(json.loads(status.readline())["session"])
    directory = state / "gmcp-sandbox" / "sessions" / name
    pid = int(json.loads((directory / "meta.json").read_bytes())["supervisor"]["pid"])
    facts = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    with Client(str(directory)) as client:
        told = client.status()
    return Sample(
        seconds,
        int(facts["VmRSS"].split()[0]),
        len(os.listdir(f"/proc/{pid}/fd")),
        int(facts["Threads"]),
        int(told["nodes"]),
        int(told["allowed"]) + int(told["denied"]) + int(told["unseen"]),
        sum(path.stat().st_size for path in directory.glob("audit*.jsonl")),
        len(_below(pid)),
    )


def _below(pid: int) -> list[int]:
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with suppress(OSError):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                found += [int(child), *_below(int(child))]
    return found

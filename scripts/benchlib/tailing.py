"""`scripts/bench tail`: what a tail that is attached costs a busy session.

One session runs blocks of calls, by turns with and without a tail on it; which comes first changes from pair to pair.
The figure is the median of the ratios of the pairs, so that what the machine does beside it falls out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AGENT = """
import os, sys, time
names = [f"file{number}" for number in range(200)]
for name in names:
    open(name, "w").close()
print("ready", flush=True)
for line in sys.stdin:
    begun = time.perf_counter()
    for _ in range(int(line) // len(names)):
        for name in names:
            os.close(os.open(name, os.O_RDONLY))
    print(time.perf_counter() - begun, flush=True)
"""


def main(argv: Sequence[str]) -> int:
    """Measure and print. Ends with 0 also where the aim is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench tail", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15, help="default: 15")
    parser.add_argument("--calls", type=int, default=10_000, help="opens in a block (default: 10000)")
    parser.add_argument("--gmcp", type=Path, default=ROOT / ".venv/bin/gmcp-sandbox", help="the program to measure")
    args = parser.parse_args(argv)
    wall, used, rate = measure([str(args.gmcp)], args.pairs, args.calls)
    print(_line("time", wall))
    print(_line("processor", used))
    print(f"without a tail: {rate:,.0f} opens/s")
    return 0


def _line(name: str, ratios: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(ratios, n=4)
    quartiles = f"quartiles {(low - 1) * 100:+.1f} % and {(high - 1) * 100:+.1f} %, {len(ratios)} pairs"
    return f"tail attached, {name:9} {(middle - 1) * 100:+6.1f} %   aim ≤ +3 %   {quartiles}"


def measure(gmcp: Sequence[str], pairs: int, calls: int) -> tuple[list[float], list[float], float]:
    """Return of each pair the ratio of time, and of the session's own processor time; and calls a second without."""
    top = "/srv" if os.access("/srv", os.W_OK) else Path.home()
    wall, used, alone = [], [], []
    with tempfile.TemporaryDirectory(prefix="gmcp-bench-", dir=top) as folder:
        environment = {**os.environ, "XDG_STATE_HOME": f"{folder}/state"}
        workspace = Path(folder, "work")
        workspace.mkdir()
        (workspace / "agent.py").write_text(AGENT)
        (Path(folder) / "p.toml").write_text(
            'name = "bench"\nextends = "default"\nreplaces = ["rates"]\n[limits]\nlog_bytes = "8GiB"\n'
        )
        command = [*gmcp, "exec", "-p", f"{folder}/p.toml", "--", "python3", "agent.py"]
        with subprocess.Popen(
            command, cwd=workspace, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as session:
            assert session.stdin is not None and session.stdout is not None
            assert session.stdout.readline() == "ready\n", "the session did not start"

            family = _family(session.pid)

            def block() -> tuple[float, int]:
                before = sum(map(_ticks, family))
                print(calls, file=session.stdin, flush=True)
                seconds = float(session.stdout.readline())  # type: ignore[union-attr]
                return seconds, sum(map(_ticks, family)) - before

            block()
            for number in range(pairs):
                found = {}
                for has_tail in (bool(number % 2), not number % 2):
                    with _tail([*gmcp, "tail", "--all"], environment, is_wanted=has_tail):
                        found[has_tail] = block()
                wall.append(found[True][0] / found[False][0])
                used.append(found[True][1] / max(1, found[False][1]))
                alone.append(calls / found[False][0])
            session.stdin.close()
    return wall, used, statistics.median(alone)


@contextmanager
def _tail(command: Sequence[str], environment: dict[str, str], *, is_wanted: bool) -> Iterator[None]:
    """Attach a tail, once it has read to the end of the log; what it prints is read and thrown away."""
    if not is_wanted:
        yield
        return
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        with subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL):
            try:
                _wait_until_asleep(process.pid)
                yield
            finally:
                process.kill()


def _wait_until_asleep(pid: int) -> None:
    """Return when a process has used no processor time for a while: it has started, and waits for news."""
    seen = [0]
    while len(seen) < 5 or len(set(seen[-4:])) > 1 or seen[-1] < 5:
        seen.append(_ticks(pid))
        subprocess.run(["sleep", "0.2"], check=True)


def _family(pid: int) -> list[int]:
    """Return a process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])

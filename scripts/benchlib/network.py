"""`scripts/bench net`: one client in four worlds, by turns: a plain veth, slirp4netns, pasta, and this sandbox.

Server and host are two network namespaces joined by a veth (tests/e2e/upstream.py), so that nothing but the way
between them differs. Needs root for that; the machine's own network is not touched.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from scripts.benchlib.worlds import base_python, environment
from tests.e2e.internet import Internet, internet

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SECONDS = 180
WORLDS = ("veth", "slirp4netns", "pasta", "sandbox")
PROFILE = """\
name = "bench"
extends = "default"
[[net.allow]]
hosts = ["web.example.com"]
ports = [7100, 7180]
raw = true
addresses = ["203.0.113.0/24", "2001:db8::/32"]

# A bulk transfer is what is measured here, so that the principle asks about more than is sent.
[[rules]]
id = "no-bulk-upload"
text = "Replaces the principle of this name."
effect = "ask"
tools = ["net.connect", "net.send", "tls.hello", "http.request"]
counts = [{ of = "net.bytes_up", seconds = 3600, at_least = 1099511627776, by_object = true }]
"""
_SLIRP = """
import os, subprocess, sys
ready, tell = os.pipe()
go, let_go = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(let_go)
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    os.write(tell, b"x")
    os.read(go, 1)
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(ready, 1)
up, tell_up = os.pipe()
words = ["slirp4netns", "-c", "-m", "65520", "-r", str(tell_up), str(pid), "tap0"]
slirp = subprocess.Popen(words, pass_fds=(tell_up,), stdout=2)
os.close(tell_up)
os.read(up, 1)
os.write(let_go, b"x")
status = os.waitpid(pid, 0)[1]
slirp.terminate()
slirp.wait()
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Item(NamedTuple):
    """What is measured, and what it should reach beside pasta (and slirp4netns, for bulk)."""

    unit: str
    is_rate: bool
    aim: str


ITEMS = {
    "down": Item("MiB/s", True, "ahead of both"),
    "up": Item("MiB/s", True, "ahead of both"),
    "connect p50": Item("µs", False, "≤ 2 × pasta"),
    "connect p99": Item("µs", False, ""),
    "requests": Item("/s", True, "≥ 0.5 × pasta"),
    "dns": Item("µs", False, "≤ 200 µs"),
}
Values = dict[str, dict[str, list[float]]]


def main(argv: Sequence[str]) -> int:
    """Measure and print. Ends with 0 also where an aim is missed: this is no test."""
    args = _parser().parse_args(argv)
    values: Values = {name: {} for name in ITEMS}
    with furnished(args.gmcp, HERE / "netclient.py") as (commands, env, workspace):
        for number in range(args.rounds):
            turn = number % len(commands)
            for world in [*list(commands)[turn:], *list(commands)[:turn]]:
                words = [base_python(), "-I", str(workspace / "netclient.py"), str(args.mib), str(args.count)]
                _attempt(values, world, [*commands[world], *words], env, workspace)
    print("\n".join(table(values)))
    if args.json:
        host = {"kernel": platform.release(), "cores": os.cpu_count(), "python": platform.python_version()}
        args.json.write_text(json.dumps({"rounds": args.rounds, "host": host, "values": values}, indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench net", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each world has its turn (default: 3)")
    parser.add_argument("--mib", type=int, default=256, help="size of a bulk transfer (default: 256)")
    parser.add_argument("--count", type=int, default=300, help="connects and questions; ten times the requests")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there")
    parser.add_argument("--gmcp", type=Path, default=ROOT / ".venv/bin/gmcp-sandbox", help="the program to measure")
    return parser


@contextmanager
def furnished(gmcp: Path, client: Path) -> Iterator[tuple[dict[str, list[str]], dict[str, str], Path]]:
    """Make the namespaces, the server and a workspace with the client; yield the words that lead into each world."""
    (ROOT / ".bench").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="net-", dir=ROOT / ".bench") as name, internet() as net:
        workspace = Path(name)
        workspace.chmod(0o755)
        (workspace / "work").mkdir()
        shutil.copy(client, workspace / "work")
        (workspace / "bench.toml").write_text(PROFILE)
        with _server(net):
            sandbox = [str(gmcp), "exec", "-p", str(workspace / "bench.toml"), "--name", "bench", "--"]
            inner = {
                "veth": [],
                "slirp4netns": [sys.executable, "-c", _SLIRP],
                "pasta": ["pasta", "--config-net", "--quiet", "--foreground", "--runas", "0", "--no-map-gw", "--"],
                "sandbox": sandbox,
            }
            found = {world: [*net.outer, *words] for world, words in inner.items() if _is_there(world)}
            yield found, environment(workspace / "state"), workspace / "work"


def _is_there(world: str) -> bool:
    if world in ("veth", "sandbox") or shutil.which(world):
        return True
    print(f"bench: no {world} column: there is no {world} (scripts/setup --tests installs it)", file=sys.stderr)
    return False


@contextmanager
def _server(net: Internet) -> Iterator[None]:
    command = [*net.upstream, sys.executable, str(HERE / "netserver.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        yield
        process.stdin.close()


def _attempt(values: Values, world: str, command: list[str], env: dict[str, str], workspace: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=workspace,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=SECONDS,
        )
        measured = json.loads(done.stdout)
    except (ValueError, subprocess.TimeoutExpired) as error:
        said = error if isinstance(error, subprocess.TimeoutExpired) else done.stderr.strip()[-500:]
        print(f"bench: net failed in {world}: {said}", file=sys.stderr)
        return
    for item, value in measured.items():
        values[item].setdefault(world, []).append(value)


def table(values: Values) -> list[str]:
    """Return the report as lines."""
    rows = [("item", "unit", *WORLDS, *(f"÷{world}" for world in WORLDS[:-1]), "aim", "")]
    for name, item in ITEMS.items():
        medians = {world: statistics.median(found) for world, found in values[name].items()}
        ours = medians.get("sandbox")
        ratios = {world: ours / medians[world] for world in WORLDS[:-1] if ours and medians.get(world)}
        shown = [f"{medians[world]:,.0f}" if world in medians else "–" for world in WORLDS]
        over = [f"{ratios[world]:.2f}×" if world in ratios else "–" for world in WORLDS[:-1]]
        mark = {None: "", True: "met", False: "MISSED"}[is_met(name, ours, ratios)]
        rows.append((name, item.unit, *shown, *over, item.aim, mark))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if 2 <= column <= 8 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def is_met(name: str, ours: float | None, ratios: dict[str, float]) -> bool | None:
    """Return whether the aim is reached; None without an aim or a measurement."""
    if name == "dns":
        return None if ours is None else ours <= 200
    if not ITEMS[name].aim or "pasta" not in ratios:
        return None
    if name in ("down", "up"):
        return min(ratios["pasta"], ratios.get("slirp4netns", 9.0)) > 1
    return ratios["pasta"] >= 0.5 if ITEMS[name].is_rate else ratios["pasta"] <= 2

"""`scripts/bench mcp`: what the gateway adds to a call, without the gate's model.

All ways are open at once, and each has its turn in every round; which comes first changes from round to round. What is
added is told against the same client and the same server with nothing between them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.benchlib.worlds import base_python

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
DIRECT = "direct"
PARALLEL = 50
PROFILE = """
name = "bench"
extends = "default"
replaces = ["rates"]

[probe]
required = false
tools = []

[limits]
log_bytes = "8GiB"

[mcp.servers.echo]
command = "{python}"
args = ["-I", "{server}"]
where = "{where}"
profile = "{profile}"
tools = ["echo"]
"""
SERVER = """
name = "server"
extends = "mcp-server"

[probe]
required = false
tools = []
"""
MOUNT = """
[[mounts]]
path = "{path}"
mode = "ro"
label = "system"
exec = true
"""


def main(argv: Sequence[str]) -> int:
    """Measure and print. Ends with 0 also where the aim is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench mcp", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="default: 10")
    parser.add_argument("--calls", type=int, default=200, help="calls of a way in a round (default: 200)")
    parser.add_argument("--where", choices=("sandbox", "host"), default="sandbox", help="where the server runs")
    parser.add_argument("--gate", action="store_true", help="with the gate's model, which reads calls and results")
    args = parser.parse_args(argv)
    found = measure(args.rounds, args.calls, where=args.where, has_gate=args.gate)
    print("\n".join(table(found)))
    return 0


def measure(rounds: int, calls: int, *, where: str, has_gate: bool) -> dict[str, list[tuple[list[float], float]]]:
    """Return for each way of each round the seconds of each call, and of `PARALLEL` at once."""
    top = "/srv" if os.access("/srv", os.W_OK) else Path.home()
    with tempfile.TemporaryDirectory(prefix="gmcp-bench-", dir=top) as folder, ExitStack() as stack:
        gmcp = _product(Path(folder), has_gate=has_gate)
        clients = {name: stack.enter_context(client) for name, client in ways(gmcp, Path(folder), where, stack).items()}
        found: dict[str, list[tuple[list[float], float]]] = {name: [] for name in clients}
        for number in range(-1, rounds):  # the first is for warming up
            names = list(clients)
            turn = number % len(names)
            for name in [*names[turn:], *names[:turn]]:
                sample = _run(clients[name], calls if number >= 0 else 50, name)
                if number >= 0:
                    found[name].append(sample)
        return found


def _product(folder: Path, *, has_gate: bool) -> list[str]:
    """Return the command of a copy of the product, in which the model lies or not: nothing else switches it off."""
    place = folder / "product"
    for name in ("gmcp_sandbox", "profiles", *(["model"] if has_gate else [])):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "_data"))
    shutil.copy(ROOT / "pyproject.toml", place)
    run = f"import sys; sys.path.insert(0, {str(place)!r}); from gmcp_sandbox.cli.main import main; sys.exit(main())"
    return [sys.executable, "-P", "-c", run]


def ways(gmcp: Sequence[str], folder: Path, where: str, stack: ExitStack) -> dict[str, Any]:
    """Return what starts the client of each way; the gateway over HTTP is started here."""
    workspace = folder / "work"
    workspace.mkdir()
    tops = {Path(base_python()).resolve().parents[1], HERE}
    mounts = "".join(MOUNT.format(path=path) for path in sorted(tops) if not path.is_relative_to("/usr"))
    (folder / "server.toml").write_text(SERVER + mounts)
    words = {"python": base_python(), "server": HERE / "mcpserver.py", "profile": folder / "server.toml"}
    profile = folder / "agent.toml"
    profile.write_text(PROFILE.format(where=where, **words) + mounts)
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    entry: dict[str, Any] = stack.enter_context(
        _gateway([*gmcp, "mcp", "serve", "-p", str(profile)], workspace, environment)
    )
    url = urlsplit(entry["url"])
    client = [base_python(), "-I", str(HERE / "mcpclient.py")]
    inside = [*gmcp, "exec", "--share", "-p", str(profile), "--", *client]
    at = ("http", str(url.hostname), str(url.port), url.path, entry["headers"]["Authorization"])
    argv = {
        DIRECT: [*client, "stdio", base_python(), "-I", str(HERE / "mcpserver.py")],
        "exec, HTTP": [*inside, "http", "mcp.gmcp.internal", "80", "/echo"],
        "exec, gmcp-mcp": [*inside, "stdio", "gmcp-mcp", "echo"],
        "mcp serve, HTTP": [*client, *at],
        "mcp serve, stdio": [*client, "stdio", *gmcp, "mcp", "serve", "-p", str(profile), "echo"],
    }
    return {name: _client(each, workspace, environment) for name, each in argv.items()}


@contextmanager
def _client(argv: list[str], workspace: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        argv, cwd=workspace, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


@contextmanager
def _gateway(argv: list[str], workspace: Path, environment: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Run the gateway that speaks HTTP; give what a client's configuration says of it."""
    with subprocess.Popen(argv, cwd=workspace, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            last = next((line for line in process.stderr if "configuration for clients" in line), "")
            yield json.loads(Path(last.strip().rpartition(" ")[2]).read_text())["mcpServers"]["echo"]
        finally:
            process.terminate()


def _run(client: subprocess.Popen[str], calls: int, name: str) -> tuple[list[float], float]:
    assert client.stdin is not None and client.stdout is not None
    print(calls, PARALLEL, file=client.stdin, flush=True)
    line = client.stdout.readline()
    if not line:
        sys.exit(f"bench: {name} has failed, see above")
    sample = json.loads(line)
    return sample["one"], sample["many"]


def table(found: dict[str, list[tuple[list[float], float]]]) -> list[str]:
    """Return the lines of the result; medians are of the rounds, each against the direct way in the same round."""
    lines = [f"{'':18}{'p50':>10}{'p95':>10}{'added p50':>12}{'added p95':>12}{'ratio':>8}{f'{PARALLEL} at once':>14}"]
    direct = [_figures(one) for one, _ in found[DIRECT]]
    for name, samples in found.items():
        own = [_figures(one) for one, _ in samples]
        middle, late = (statistics.median(each[index] for each in own) for index in (0, 1))
        added = [statistics.median(mine[i] - base[i] for mine, base in zip(own, direct, strict=True)) for i in (0, 1)]
        ratio = statistics.median(mine[0] / base[0] for mine, base in zip(own, direct, strict=True))
        many = statistics.median(each for _, each in samples)
        told = f"{added[0] * 1e3:9.2f} ms{added[1] * 1e3:9.2f} ms{ratio:8.1f}" if name != DIRECT else " " * 32
        lines.append(f"{name:18}{middle * 1e3:7.2f} ms{late * 1e3:7.2f} ms{told}{many * 1e3:11.1f} ms")
    return [*lines, "aim: added p50 ≤ 1 ms"]


def _figures(times: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(times, n=20)
    return statistics.median(times), cuts[-1]

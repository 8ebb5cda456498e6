"""`scripts/soak`: one session that does everything for a long time, and what its processes hold meanwhile.

Ends with 1 when memory, descriptors, threads, nodes, flows, watches or the log's share of a call grow after the
warm-up, when a step of the workload fails, or when the log does not verify. The session's host is the tests' internet,
in network namespaces of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from gmcp_sandbox.errors import SandboxError
from scripts.soaklib.look import look
from scripts.soaklib.series import Sample, findings, judged, summary, trend_kib
from tests.e2e.internet import GRANT, internet

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SERVER = ROOT / "scripts" / "benchlib" / "mcpserver.py"
PROFILE = """\
name = "soak"
extends = "default"
replaces = ["rates"]
description = "The shipped one, with a network and a server; the gate judges what goes to the server alone."

[probe]
tools = ["mcp.call"]

[limits]
log_bytes = "64GiB"

[net]
connect_seconds = 5

[[net.allow]]
{grant}

[[net.allow]]
{grant}ports = [7000]
raw = true

[[net.allow]]
{grant}ports = [7001]
protocols = ["udp"]

[mcp.servers.echo]
command = "/usr/bin/python3"
args = ["-I", "{server}"]
profile = "{server_profile}"
tools = ["echo"]
"""
SERVER_PROFILE = """\
name = "server"
extends = "mcp-server"

[probe]
tools = []

[[mounts]]
path = "{folder}"
mode = "ro"
label = "system"
exec = true
"""
_GMCP = "import sys; sys.path.insert(0, {!r}); from gmcp_sandbox.cli.main import main; sys.exit(main())"


def main(argv: Sequence[str] | None = None) -> int:
    """Soak and print the series."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60, help="default: 60")
    parser.add_argument("--every", type=float, default=10, metavar="SECONDS", help="between samples (default: 10)")
    parser.add_argument("--rest", type=float, default=0, metavar="SECONDS", help="after each round (default: 0)")
    parser.add_argument("--series", type=Path, metavar="FILE", help="write every sample there, a JSON line each")
    args = parser.parse_args(argv)
    top = "/srv" if os.access("/srv", os.W_OK) else str(Path.home())
    with tempfile.TemporaryDirectory(prefix="gmcp-soak-", dir=top) as folder:
        samples, said, problems = soak(Path(folder), args)
    rounds = sum(line.startswith("round ") for line in said)
    print(f"{rounds} rounds, {samples[-1].calls if samples else 0:,} calls")
    print(*(line for line in said if line.startswith("without ")), sep="\n")
    problems += [line for line in said if line.startswith("FAILED")]
    problems += findings(samples)
    if len(samples) > 2:
        print("\n".join(summary(samples)))
        grown = trend_kib(judged(samples), lambda sample: sample.rss_kib) / 1024
        print(f"the supervisor's memory after the warm-up: {grown:+.1f} MiB by its trend")
    for problem in problems:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


def soak(folder: Path, args: argparse.Namespace) -> tuple[list[Sample], list[str], list[str]]:
    """Run one session; return its samples, what the workload said, and what was wrong with its end."""
    work, state = furnish(folder), folder / "state"
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "GMCP_SANDBOX_STATE": str(state)}
    os.environ["XDG_STATE_HOME"] = str(state)
    gmcp = [sys.executable, "-c", _GMCP.format(str(ROOT))]
    with internet() as net, tempfile.TemporaryFile() as status, open(folder / "said", "wb") as said:
        argv = [*net.outer, *gmcp, "exec", "--json-status", str(status.fileno()), "-p", str(folder / "profile.toml")]
        argv += ["--", "/bin/bash", "workload.sh", str(int(args.minutes * 60)), str(args.rest)]
        session = subprocess.Popen(
            argv, cwd=work, env=environment, pass_fds=[status.fileno()], stdout=said, stderr=subprocess.STDOUT
        )
        samples = _samples(session, status, state, args)
    lines = (folder / "said").read_text(errors="replace").splitlines()
    problems = [] if session.returncode == 0 else [f"the session ended with {session.returncode}: {lines[-5:]}"]
    return samples, lines, problems + _unverified(gmcp, environment, state / "gmcp-sandbox" / "sessions")


def _unverified(gmcp: Sequence[str], environment: dict[str, str], sessions: Path) -> list[str]:
    """Verify every log, those of the server's own sessions included; say which are not whole."""
    found, records = [], 0
    names = sorted(path.name for path in sessions.glob("*/"))
    for name in names:
        command = [*gmcp, "audit", "verify", "--json", name]
        verified = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if verified.returncode != 0:
            found.append(f"the log of {name} does not verify: {verified.stdout}")
        else:
            records += int(json.loads(verified.stdout)["records"])
    print(f"{len(names)} sessions with {records:,} records verified, {len(found)} not")
    return found


def furnish(folder: Path) -> Path:
    """Write profiles and workload; return the workspace."""
    folder.chmod(0o755)
    work, server_profile = folder / "work", folder / "server.toml"
    work.mkdir()
    server_profile.write_text(SERVER_PROFILE.format(folder=SERVER.parent))
    (folder / "profile.toml").write_text(PROFILE.format(grant=GRANT, server=SERVER, server_profile=server_profile))
    for name in ("workload.sh", "inside.py"):
        shutil.copy(HERE / name, work)
    return work


def _samples(
    session: subprocess.Popen[bytes], status: IO[bytes], state: Path, args: argparse.Namespace
) -> list[Sample]:
    samples: list[Sample] = []
    began = time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            session.wait(args.every)
            return samples
        with suppress(OSError, ValueError, LookupError, SandboxError):
            samples.append(look(status, state, time.monotonic() - began))
            print(samples[-1], flush=True)
            _keep(samples[-1], args.series)


def _keep(sample: Sample, series: Path | None) -> None:
    if series is not None:
        with series.open("a") as file:
            file.write(json.dumps(dataclasses.asdict(sample)) + "\n")

"""The protocol's own conformance suite: what a server passes directly, it passes through the gateway as well."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.bearer import bearer
from tests.e2e.harness import AGENTS, SECONDS, Sandbox, wait_until
from tests.e2e.packages import node, npm_packages

_UNLISTED = "calls a tool that the server does not list, and takes whatever comes for the answer"
REFUSED = {("everything", "tools-call-simple-text"): _UNLISTED, ("everything", "tools-call-error"): _UNLISTED}
"""Server and scenario → why policy refuses what it wants, under a profile that grants all there is to grant."""
PROFILE = """
name = "conformance"
extends = "default"

[probe]
required = false
"""
SERVER = """
[mcp.servers.{name}]
url = "http://127.0.0.1:{port}/mcp"
tools = ["*"]
resources = ["*"]
prompts = ["*"]
sampling = true
elicitation = true
logging = true
completion = true
roots = true
flows_to = ["*"]
"""
SERVERS = ("reference", "everything")


@contextmanager
def reserved() -> Iterator[int]:
    """Give a port that nobody but a server with SO_REUSEADDR takes meanwhile."""
    with closing(socket.socket()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def running(sandbox: Sandbox, argv: list[str], stderr: int = subprocess.DEVNULL, **env: str) -> Iterator[Any]:
    """Run a program of the host as the user, until the block ends."""
    how: dict[str, Any] = {"cwd": sandbox.workspace, "env": {**sandbox.environment(), **env}, "stderr": stderr}
    with subprocess.Popen(sandbox._as_user(argv), stdout=subprocess.DEVNULL, **how) as process:
        try:
            yield process
        finally:
            process.terminate()
            if process.stderr is not None:
                process.stderr.read()
            process.wait(SECONDS)


@contextmanager
def served(sandbox: Sandbox) -> Iterator[dict[str, int]]:
    """Run both servers; give their ports."""
    with ExitStack() as stack:
        ports = {name: stack.enter_context(reserved()) for name in SERVERS}
        program = npm_packages() / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
        reference = [sys.executable, str(AGENTS / "mcp_reference.py"), str(ports["reference"])]
        everything = [str(node() / "node"), str(program), "streamableHttp"]
        stack.enter_context(running(sandbox, reference))
        stack.enter_context(running(sandbox, everything, PORT=str(ports["everything"])))
        for name, port in ports.items():
            wait_until(partial(answers, port), f"{name} to answer", SECONDS)
        yield ports


@contextmanager
def gateway(sandbox: Sandbox, ports: dict[str, int]) -> Iterator[int]:
    """Run `mcp serve` in front of them; give the port at which it takes clients without a token."""
    text = PROFILE + "".join(SERVER.format(name=name, port=port) for name, port in ports.items())
    with running(sandbox, sandbox.gmcp("mcp", "serve", "-p", sandbox.profile(text)), subprocess.PIPE) as process:
        lines = [process.stderr.readline().decode().strip() for _ in range(len(ports) + 1)]
        entries = json.loads(Path(lines[-1].rpartition(" ")[2]).read_text())["mcpServers"]
        entry = next(iter(entries.values()))
        with bearer(urlsplit(entry["url"]).port, entry["headers"]["Authorization"]) as port:
            yield port


def judged(sandbox: Sandbox, url: str) -> dict[str, list[str]]:
    """Run the suite; return each scenario's failures."""
    place = sandbox.workspace / re.sub(r"\W+", "-", url)
    program = npm_packages() / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    words = ("server", "--suite", "all", "--url", url, "-o", str(place))
    done = sandbox.native(str(node() / "node"), str(program), *words, timeout=4 * SECONDS)
    found = {}
    for report in place.glob("*/checks.json"):
        name = re.sub(r"^server-(.*)-\d{4}-\d\d-\d\dT.*$", r"\1", report.parent.name)
        checks = json.loads(report.read_text())
        found[name] = [
            f"{check['id']}: {check.get('errorMessage')}" for check in checks if check["status"] == "FAILURE"
        ]
    assert found, done.err + done.text
    return found


@pytest.fixture(scope="module")
def suites(shared_sandbox: Sandbox) -> dict[tuple[str, str], dict[str, list[str]]]:
    """What the suite says of each server, directly and through the gateway."""
    npm_packages()
    with served(shared_sandbox) as ports, gateway(shared_sandbox, ports) as port:
        return {
            (name, way): judged(shared_sandbox, url)
            for name in SERVERS
            for way, url in (
                ("directly", f"http://127.0.0.1:{ports[name]}/mcp"),
                ("through", f"http://127.0.0.1:{port}/{name}"),
            )
        }


@pytest.mark.parametrize("name", SERVERS)
def test_what_passes_directly_passes_through_the_gateway(suites, name):
    directly, through = suites[name, "directly"], suites[name, "through"]
    passed = {scenario for scenario, failures in directly.items() if not failures}
    refused = {scenario for server, scenario in REFUSED if server == name}
    assert {scenario: through[scenario] for scenario in passed - refused if through[scenario]} == {}
    assert all("denied by policy" in through[scenario][0] for scenario in refused)


def test_the_reference_server_passes_every_scenario(suites):
    """Else the comparison would say little."""
    assert len(suites["reference", "directly"]) >= 32
    assert {name: failures for name, failures in suites["reference", "directly"].items() if failures} == {}

"""Put the MCP gateway of a session together: starter, worker, servers and judge.

Imported only for a profile with servers. Nothing of the SDK is: the worker alone has that.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.mcp.governor import Governor
from gmcp_sandbox.mcp.line import Server, Setup
from gmcp_sandbox.mcp.pins import PinStore
from gmcp_sandbox.mcp.processes import CannotStart, Processes, Program
from gmcp_sandbox.mcp.service import Gateway
from gmcp_sandbox.mcp.starter import fork_starter
from gmcp_sandbox.monitor.statedir import StateDir
from gmcp_sandbox.net.addresses import OwnAddresses
from gmcp_sandbox.net.dial import Dial
from gmcp_sandbox.net.proxy import proxy_of
from gmcp_sandbox.net.resolve import Resolver
from gmcp_sandbox.net.types import DialError, Target
from gmcp_sandbox.policy.addresses import parse_address
from gmcp_sandbox.policy.credentialtext import filled
from gmcp_sandbox.policy.hostrules import HostRules
from gmcp_sandbox.policy.network import MCP_HOST, MCP_PORT, HostRule, Network
from gmcp_sandbox.proc.confine import DieWithParent
from gmcp_sandbox.proc.plan import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gmcp_sandbox.audit.writer import AuditWriter
    from gmcp_sandbox.monitor.monitor import Monitor
    from gmcp_sandbox.policy.mcp import Mcp, McpServer
    from gmcp_sandbox.policy.profile import Profile

_ROOT: Final = str(Path(__file__).resolve().parents[2])
_RUN: Final = "import sys; sys.path.append({!r}); from {} import main; sys.exit(main())"
_PASSED: Final = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "PYTHONPATH",
    "TMPDIR",
    "USER",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
)
"""Variables of ours that a server or the worker gets."""
_PORTS: Final = {"http": 80, "https": 443}


class Callers(msgspec.Struct, frozen=True):
    """How clients may call the HTTP endpoint; see `mcp.endpoint.Rules`."""

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    token: str | None = None


INSIDE: Final = Callers((MCP_HOST, f"{MCP_HOST}:{MCP_PORT}"))
"""A session's own agent: whoever reaches the name is it."""


def start_starter() -> socket.socket:
    """Fork the starter; return our end of the line to it."""
    return fork_starter(lambda: DieWithParent().apply(Stage(root=b"/")))


def build_gateway(
    profile: Profile, line: socket.socket, monitor: Monitor, audit: AuditWriter, clients: tuple[str, Callers]
) -> Gateway:
    """Build the gateway.

    Args:
        clients: Their name in records, and how they may come.

    Raises:
        ProfileError: A credential cannot be had.
    """
    agent, callers = clients
    mcp = profile.mcp
    assert mcp is not None
    values = {server.name: _credentials(server) for server in mcp.servers}
    secrets = {name: tuple(found.values()) for name, found in values.items()}
    judge = Governor(
        monitor,
        mcp,
        PinStore(StateDir.open().pins()),
        secrets=secrets,
        clock=time.time_ns,
        explain=profile.explain is not None,
    )
    programs = {server.name: _program(server, values[server.name], agent) for server in mcp.servers if server.command}
    told = tuple(_told(server, values[server.name]) for server in mcp.servers)
    setup = Setup(told, callers.hosts, callers.token, callers.origins)
    worker = Program(_python("gmcp_sandbox.cli.mcpworker"), _environment(), "/")
    processes = Processes(line, programs, audit.event)
    return Gateway(setup, worker, processes, judge, _Connections(mcp), audit.event)


def _python(module: str) -> tuple[str, ...]:
    """Return what runs the `main` of a module of ours, in a process of its own, from where this one has it."""
    return (sys.executable, "-P", "-c", _RUN.format(_ROOT, module))


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED if name in os.environ}


def _credentials(server: McpServer) -> dict[str, str]:
    """Fetch the values that the operator keeps elsewhere. Raises ProfileError."""
    found = {}
    for name, source in server.credentials:
        kind, _, place = source.partition(":")
        try:
            value = os.environ[place] if kind == "env" else Path(place).read_text(encoding="utf-8").strip()
        except (KeyError, OSError, UnicodeDecodeError) as error:
            cause = f"the variable {place} is not set" if isinstance(error, KeyError) else f"{place}: {error}"
            raise ProfileError(f"no credential {name!r} for the MCP server {server.name}", cause=cause) from None
        found[name] = value
    return found


def _program(server: McpServer, values: Mapping[str, str], agent: str) -> Program:
    command = tuple(filled(word, values) for word in server.command)
    own = {name: filled(value, values) for name, value in server.env}
    if server.where == "host":
        return Program(command, _environment() | own, server.workspace or os.getcwd(), server.restarts)
    directory = server.workspace or tempfile.mkdtemp(prefix="gmcp-mcp-")
    # Under other names, so that they change nothing for the program that makes the sandbox.
    ours = {f"GMCP_SERVER_{number}": value for number, value in enumerate(own.values())}
    passed = [word for name, our in zip(own, ours, strict=True) for word in ("--env", f"{name}={our}")]
    sandbox = (*_python("gmcp_sandbox.cli.main"), "exec", "-p", server.profile, "-w", directory, "--share")
    name = ("--name", f"{agent}-mcp-{server.name}")
    argv = (*sandbox, *name, *passed, "--", *command)
    return Program(argv, _environment() | ours, directory, server.restarts, is_guest=server.workspace is None)


def _told(server: McpServer, values: Mapping[str, str]) -> Server:
    """Return what the worker has to know of a server."""
    return Server(
        server.name,
        None if server.url is None else filled(server.url, values),
        tuple((name, filled(value, values)) for name, value in server.headers),
        server.start_seconds,
        server.call_seconds,
        server.max_sessions,
        server.message_bytes,
    )


class _Connections:
    """Opens connections to the URLs of servers, each to its own host and port and nothing else."""

    def __init__(self, mcp: Mcp) -> None:
        resolver, own = Resolver(), OwnAddresses()
        self._dials: dict[str, tuple[Dial, Target]] = {}
        for server in mcp.servers:
            if server.url is not None:
                target = _target(server.url)
                local = ("127.0.0.1", "::1") if target.host == "localhost" else ()
                rule = HostRule((target.host,), ((target.port, target.port),), addresses=local)
                rules = HostRules(Network(allow=(rule,)))
                self._dials[server.name] = (Dial(rules, resolver, own, proxy_of("environment", os.environ)), target)

    async def __call__(self, name: str) -> socket.socket:
        dial, target = self._dials[name]
        try:
            dialled = await dial.dial(target)
        except DialError as error:
            raise CannotStart(f"{target.host}:{target.port} cannot be reached: {error.reason}") from None
        return socket.socket(fileno=dialled.stream.socket.detach())


def _target(url: str) -> Target:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return Target(host, parts.port or _PORTS[parts.scheme], host, parse_address(host) is not None)

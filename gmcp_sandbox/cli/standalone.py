"""A session without an agent: an MCP gateway, its log, its control socket, and the clients that come to it.

Order of a start:
1. The starter is forked, while this process has neither threads nor a connection.
2. The log is open before the first client is heard.
3. Clients are let in.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import trio

from gmcp_sandbox.cli.assembly import approvals_of, open_log
from gmcp_sandbox.cli.controlled import Controlled
from gmcp_sandbox.cli.mcpwiring import Callers, build_gateway, start_starter
from gmcp_sandbox.cli.questions import open_control, serve_control
from gmcp_sandbox.cli.reloading import Reloading
from gmcp_sandbox.cli.supervisor import close_log, describe
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.mcp.line import Handed
from gmcp_sandbox.monitor.monitor import Monitor
from gmcp_sandbox.monitor.retention import retire
from gmcp_sandbox.monitor.semantics import model_directory, open_gate, surroundings
from gmcp_sandbox.monitor.session import Ending, Service, Session, end_after, sign_in_groups, sync_in_groups
from gmcp_sandbox.monitor.statedir import StateDir
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.policy.state import SessionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from gmcp_sandbox.audit.writer import AuditWriter
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.mcp.service import Gateway
    from gmcp_sandbox.monitor.approvals import Approvals
    from gmcp_sandbox.monitor.statedir import SessionDir
    from gmcp_sandbox.policy.profile import Profile
    from gmcp_sandbox.probe.gate import Gate

_PIECE: Final = 1 << 16
_CLIENTS: Final = "mcp.json"
_BACKLOG: Final = 64


class Entrance(msgspec.Struct, frozen=True):
    """How clients come.

    Attributes:
        server: Over standard input and output, as this server; None: over HTTP.
        port: Of the loopback; 0: any.
        token: What a request has to bear.
    """

    server: str | None = None
    port: int = 0
    token: str | None = None


class _Parts(NamedTuple):
    """What takes a new profile; see `reloading.Parts`."""

    audit: AuditWriter
    monitor: Monitor
    approvals: Approvals
    pipeline_of: Callable[[Profile], Pipeline]
    filesystem: None = None
    network: None = None


class _Notices:
    def offer(self, kind: str, **fields: object) -> bool:
        _warn(str(fields.get("text", kind)))
        return True


def serve(prepared: Preparation, entrance: Entrance) -> Ending:
    """Serve until the client of the pipes has ended, or a signal comes; return how it ended.

    Raises:
        SandboxError: It cannot begin.
    """
    starter = start_starter()
    state = StateDir.open()
    state.collect()
    session = state.create_session()
    around = surroundings(prepared.profile, prepared.workspace, prepared.home)
    gate = open_gate(model_directory(), prepared.profile, around, environ=None, warn=_warn)
    audit = open_log(prepared, session, _enforced(gate), gate)
    meta = describe(prepared)
    session.write_meta(meta)
    ending = None
    try:
        ending = trio.run(_Standalone(prepared, session, audit, gate).run, starter, entrance)
    finally:
        close_log(audit, session, meta, ending, gate)
    _warn(f"{audit.allowed} allowed, {audit.denied} denied · gmcp-sandbox audit show {session.id}")
    return ending


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def _enforced(gate: Gate | None) -> dict[str, str]:
    return {
        "agent": "none: clients come from outside",
        "mcp": "worker without capabilities, files or network (seccomp allow-list)",
        "probe": "no model" if gate is None else f"model {gate.scoring.manifest.model.blake3[:16]}",
    }


class _Standalone:
    """The session. Use once."""

    def __init__(self, prepared: Preparation, session: SessionDir, audit: AuditWriter, gate: Gate | None) -> None:
        self._prepared = prepared
        self._directory = session
        self._audit = audit
        self._gate = gate
        self._session = Session()
        profile = prepared.profile
        self._approvals = approvals_of(profile.approvals, has_person=False)
        self._monitor = Monitor(
            Pipeline(profile, gate),
            SessionState(profile.tier),
            audit,
            session=session.id,
            agent=prepared.agent,
            clock=_now,
            probe=gate,
            approver=self._approvals,
            deadline=profile.approvals.deadline_seconds,
        )

    async def run(self, starter: socket.socket, entrance: Entrance) -> Ending:
        """Serve."""
        audit, profile = self._audit, self._prepared.profile
        listener = None if entrance.server is not None else _listener(entrance.port)
        callers = Callers() if listener is None else _callers(listener, entrance)
        gateway = build_gateway(profile, starter, self._monitor, audit, (self._prepared.agent, callers))
        parts = _Parts(audit, self._monitor, self._approvals, lambda profile: Pipeline(profile, self._gate))
        reloading = Reloading(self._prepared, parts, _Notices())
        state = self._monitor.state
        controlled = Controlled(self._prepared, audit, state, end=self._session.end, reloading=reloading)
        services: list[Service] = [
            gateway.run,
            self._obey_signals,
            self._watch_monitor,
            reloading.watch,
            lambda: sync_in_groups(audit.sync, lambda: audit.dirty),
            lambda: sign_in_groups(audit.warm, audit.checkpoint),
            self._retire_logs,
        ]
        if self._gate is not None:
            services.append(self._watch_model)
        if profile.limits.wall_seconds is not None:
            seconds = profile.limits.wall_seconds
            services.append(lambda: end_after(self._session, seconds))
        if listener is not None:
            self._tell_of(listener, entrance)
            services.append(lambda: _accept(listener, gateway))
        elif entrance.server is not None:
            name = entrance.server
            services.append(lambda: self._serve_pipes(name, gateway))
        with open_control(self._directory) as line:
            services.append(lambda: serve_control(line, self._approvals, controlled))
            return await self._session.run(*services)

    async def _serve_pipes(self, name: str, gateway: Gateway) -> None:
        """Carry standard input and output, in threads: they may be anything, a file or a terminal too."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ended = trio.Event()
        token = trio.lowlevel.current_trio_token()
        threading.Thread(target=_carry_in, args=(ours,), daemon=True).start()
        threading.Thread(target=_carry_out, args=(ours, token, ended), daemon=True).start()
        gateway.hand_in(Handed("lines", server=name), theirs)
        await ended.wait()
        self._session.end(Ending("exited", 0))

    def _tell_of(self, listener: socket.socket, entrance: Entrance) -> None:
        """Write down what a client has to know, for the caller's eyes alone, and say where."""
        port = listener.getsockname()[1]
        mcp = self._prepared.profile.mcp
        assert mcp is not None
        servers = {
            server.name: {
                "type": "http",
                "url": f"http://127.0.0.1:{port}/{server.name}",
                "headers": {"Authorization": f"Bearer {entrance.token}"},
            }
            for server in mcp.servers
        }
        path = self._directory.path / _CLIENTS
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="ascii") as file:
            json.dump({"mcpServers": servers}, file, indent=2)
        for server in mcp.servers:
            _warn(f"http://127.0.0.1:{port}/{server.name}")
        _warn(f"token and configuration for clients: {path}")

    async def _obey_signals(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async for number in signals:
                self._session.end(Ending("stopped", 128 + number))

    async def _watch_monitor(self) -> None:
        await self._monitor.failed.wait()
        self._session.end(Ending("failed", 125, str(self._monitor.fault), "free space, or raise limits.log_bytes"))

    async def _watch_model(self) -> None:
        """Load the model at once: every call asks it; end the session when there is none to judge any more."""
        assert self._gate is not None
        engine, failed = self._gate.engine, trio.Event()
        token = trio.lowlevel.current_trio_token()
        engine.watch(lambda: _run_soon(token, failed))
        engine.start()
        await failed.wait()
        self._session.end(Ending("failed", 125, f"the semantic gate cannot judge: {engine.fault}"))

    async def _retire_logs(self) -> None:
        removed = await trio.to_thread.run_sync(retire, self._prepared.profile.audit)
        if removed:
            self._audit.event("retention", removed=removed[:1000], count=len(removed))


def _now() -> int:
    import time

    return time.time_ns()


def _run_soon(token: trio.lowlevel.TrioToken, event: trio.Event) -> None:
    try:
        token.run_sync_soon(event.set)
    except trio.RunFinishedError:
        pass  # the session is over


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        what = f"cannot serve at 127.0.0.1:{port}"
        raise HostError(what, cause=error.strerror or str(error), hint="--port OTHER") from None
    return listener


def _callers(listener: socket.socket, entrance: Entrance) -> Callers:
    port = listener.getsockname()[1]
    hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
    return Callers(hosts, tuple(f"http://{host}" for host in hosts), entrance.token)


async def _accept(sock: socket.socket, gateway: Gateway) -> None:
    """Hand clients to the gateway."""
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
    async with listener:
        while True:
            stream = await listener.accept()
            gateway.hand_in(Handed("http"), socket.socket(fileno=stream.socket.detach()))


def _carry_in(sock: socket.socket) -> None:
    try:
        while data := os.read(0, _PIECE):
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other thread sees the end, too


def _carry_out(sock: socket.socket, token: Any, ended: trio.Event) -> None:
    try:
        while data := sock.recv(_PIECE):
            while data:
                data = data[os.write(1, data) :]
    except OSError:
        pass  # whoever read our output has gone
    _run_soon(token, ended)

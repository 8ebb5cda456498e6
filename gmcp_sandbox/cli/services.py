"""What runs while an agent runs: the file system's server, and the watchers of everything that ends a session."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
from typing import TYPE_CHECKING

import msgspec
import trio

from gmcp_sandbox.cli.controlled import Controlled
from gmcp_sandbox.cli.limiting import watch_limits
from gmcp_sandbox.cli.questions import TerminalQuestions, serve_control
from gmcp_sandbox.cli.reloading import Reloading
from gmcp_sandbox.errors import SandboxError
from gmcp_sandbox.fs.adapter import serve
from gmcp_sandbox.monitor.retention import retire
from gmcp_sandbox.monitor.session import (
    Ending,
    Service,
    Session,
    end_after,
    give_memory_back,
    sign_in_groups,
    sync_in_groups,
)
from gmcp_sandbox.proc.init import fingerprint
from gmcp_sandbox.proc.program import exit_code_of

if TYPE_CHECKING:
    import socket

    from gmcp_sandbox.cli.assembly import Assembled
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.probe.engine import Engine
    from gmcp_sandbox.proc.channel import Channel
    from gmcp_sandbox.proc.launch import Launch

_ENDED = (errno.ENOENT, errno.ESRCH, errno.EINVAL)
"""How /proc answers for a process that is gone, or has no mounts any more."""
_GRACE_SECONDS = 1.0
_HEAD_START_SECONDS = 0.5
_SAY = {126: "may not be executed", 127: "was not found in the view"}


class Services:
    """The services of one session. Use once."""

    def __init__(self, assembled: Assembled, started: Launch, report: Channel, fuse_fd: int) -> None:
        self._assembled = assembled
        self._started = started
        self._report = report
        self._fuse_fd = fuse_fd
        self._session = Session()
        self._init_pid = 0

    async def run(self, prepared: Preparation, control_line: socket.socket) -> Ending:
        """Serve until the session ends; return how it ended."""
        audit, approvals = self._assembled.audit, self._assembled.approvals
        reloading = Reloading(prepared, self._assembled, self._report)
        state = self._assembled.monitor.state
        files, network = self._assembled.filesystem, self._assembled.network
        controlled = Controlled(
            prepared,
            audit,
            state,
            end=self._session.end,
            reloading=reloading,
            present=files.present,
            nodes=lambda: len(files.table),
            flows=lambda: 0 if network is None else network.flows,
        )
        services: list[Service] = [
            self._serve_files,
            self._hear_init,
            self._hear_front,
            self._obey_signals,
            self._watch_monitor,
            lambda: sync_in_groups(audit.sync, lambda: audit.dirty),
            lambda: sign_in_groups(audit.warm, audit.checkpoint),
            lambda: give_memory_back(lambda: audit.records),
            self._retire_logs,
            lambda: serve_control(control_line, approvals, controlled),
            reloading.watch,
        ]
        gate = self._assembled.gate
        if gate is not None:
            services.append(lambda: self._run_model(gate.engine))
        seconds = self._assembled.profile.limits.wall_seconds
        services += self._ways()
        if self._assembled.announcements is not None:
            services.append(self._attend_gate)
        if seconds is not None:
            services.append(lambda: end_after(self._session, seconds))
        if self._started.groups.held:
            services.append(lambda: watch_limits(self._started.groups, audit))
        ending = await self._session.run(*services)
        return msgspec.structs.replace(ending, remarks=self._remarks())

    def _remarks(self) -> tuple[str, ...]:
        source = self._assembled.monitor.first_orders
        if source is None:
            return ()
        return (f"orders to a model came in ({source}): what followed was tainted untrusted-instructions",)

    def _ways(self) -> list[Service]:
        """Return the services of what leads out of the sandbox and into it."""
        parts = self._assembled
        ways: list[Service] = [part.run for part in (parts.network, parts.publisher, parts.gateway) if part is not None]
        return ways if parts.ssh is None else [*ways, parts.ssh]

    async def _serve_files(self) -> None:
        self._started.begin()  # the kernel queues requests until the connection is served, a moment from now
        network = self._assembled.network
        urgent = () if network is None else network.urgent
        announcements = self._assembled.announcements
        if announcements is not None:
            urgent = (*urgent, announcements.urgent)
        await serve(self._assembled.filesystem, self._fuse_fd, self._on_failure, urgent)
        # Process 1 tells how the agent ended, and its own end takes the mount away: the two arrive in either order.
        await trio.sleep(_GRACE_SECONDS)
        self._session.end(Ending("failed", 125, "the file system's connection ended before the agent did"))

    async def _attend_gate(self) -> None:
        assert self._assembled.announcements is not None
        try:
            await self._assembled.announcements.run()
        except SandboxError as error:
            if select.select([self._started.channel.fileno()], [], [], 0)[0]:
                await trio.sleep(_GRACE_SECONDS)  # process 1 said or is saying why it has ended, and the gate with it
            self._end(Ending("failed", 125, str(error), error.hint))

    async def _retire_logs(self) -> None:
        """Remove the logs of old sessions that are too many, off the loop, and write down which."""
        removed = await trio.to_thread.run_sync(retire, self._assembled.profile.audit)
        if removed:
            self._assembled.audit.event("retention", removed=removed[:1000], count=len(removed))

    def _on_failure(self, error: Exception) -> None:
        if self._assembled.monitor.fault is not None:
            return  # the file system could not do without a record; `_watch_monitor` says why there is none
        what = f"the file system failed: {type(error).__name__}: {error}"
        self._session.end(Ending("failed", 125, what, "please report this"))

    async def _hear_init(self) -> None:
        channel = self._started.channel
        async with trio.open_nursery() as nursery:
            while True:
                await trio.lowlevel.wait_readable(channel.fileno())
                received = channel.receive()
                if received is None:
                    self._end(Ending("failed", 125, "process 1 of the sandbox was killed"))
                    return
                message, _ = received
                if message["kind"] == "init":
                    self._init_pid = message["pid"]
                elif message["kind"] == "started":
                    nursery.start_soon(self._watch_mounts, message["mounts"])
                else:
                    self._end(_ending(message))

    async def _hear_front(self) -> None:
        """Take the user's answers from the front; its end is the end of the session."""
        questions = TerminalQuestions(self._assembled.approvals, self._report, self._assembled.audit.session)
        while True:
            await trio.lowlevel.wait_readable(self._report.fileno())
            received = self._report.receive()
            if received is None:
                self._session.end(Ending("front_gone", 129, "the process that the session was started from is gone"))
                return
            if received[0]["kind"] == "answer":
                questions.take(received[0])

    async def _obey_signals(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            async for number in signals:
                self._session.end(Ending("stopped", 128 + number, "the session was stopped"))

    async def _watch_monitor(self) -> None:
        """End the session when a decision could not be recorded: no record, no effect, and no session."""
        await self._assembled.monitor.failed.wait()
        self._end(Ending("failed", 125, "the audit log cannot be written"))

    async def _run_model(self, engine: Engine) -> None:
        """Load the model beside the agent's start; end the session when there is none to judge any more.

        A question that nothing remembered answers has it loaded at once. Else the agent's own start comes first, and a
        short session of well-known calls never needs it.
        """
        token, failed = trio.lowlevel.current_trio_token(), trio.Event()

        def tell() -> None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(failed.set)

        engine.watch(tell)
        await trio.sleep(_HEAD_START_SECONDS)
        engine.start()
        await failed.wait()
        self._end(_without_model(engine))

    def _end(self, ending: Ending) -> None:
        """End the session; a decision without a record is the reason before all others, then a gate that cannot judge:
        an agent whose calls fail for it often ends by itself, and sooner."""
        gate = self._assembled.gate
        if gate is not None and gate.engine.fault is not None:
            ending = _without_model(gate.engine)
        fault = self._assembled.monitor.fault
        if fault is not None:
            what = f"{fault}: {fault.cause}" if fault.cause else str(fault)
            hint = fault.hint or "free space, or raise limits.log_bytes in the profile"
            ending = Ending("failed", 125, what, hint)
        self._session.end(ending)

    async def _watch_mounts(self, made: str) -> None:
        """End the session when the mounts are not, or no longer, what process 1 made: exec right hangs on them.

        Args:
            made: Fingerprint that process 1 took before it started the agent.
        """
        path = f"/proc/{self._init_pid}/mountinfo"
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _ENDED:
                return  # a short program is over already; its last message is on the way
            raise
        with select.epoll() as watcher:
            try:
                watcher.register(fd, select.EPOLLPRI | select.EPOLLERR)
                while (now := _read_again(fd)) == b"" or fingerprint(now) == made:
                    await trio.lowlevel.wait_readable(watcher.fileno())
                    watcher.poll(0)
                self._session.end(Ending("view_changed", 125, "a mount of the agent's view changed"))
            finally:
                os.close(fd)


def _without_model(engine: Engine) -> Ending:
    hint = engine.error.hint if engine.error is not None else "please report this"
    return Ending("failed", 125, f"the semantic gate cannot judge: {engine.fault}", hint)


def _read_again(fd: int) -> bytes:
    parts = []
    offset = 0
    while part := os.pread(fd, 65536, offset):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _ending(message: dict[str, object]) -> Ending:
    """Translate the last message of process 1."""
    if message["kind"] == "exit":
        status = int(str(message["status"]))
        if os.WIFSIGNALED(status):
            return Ending("signalled", 128 + os.WTERMSIG(status))
        return Ending("exited", os.WEXITSTATUS(status))
    if message["kind"] == "not_executed":
        failure = int(str(message["errno"]))
        code = exit_code_of(failure)
        what = f"the program {_SAY[code]}: {os.strerror(failure)}"
        return Ending("not_executed", code, what, "--dry-run shows the view")
    return Ending("failed", 125, str(message.get("what", message)), str(message.get("hint", "")))

"""A session's control socket, served as the supervisor does, by a thread; calls that ask wait behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

import trio
import trio.testing

from gmcp_sandbox.audit.writer import AuditWriter
from gmcp_sandbox.calls.arguments import FsDelete, FsWrite
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.cli.controlled import Controlled
from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.cli.questions import open_control, serve_control
from gmcp_sandbox.monitor.approvals import Approvals
from gmcp_sandbox.monitor.mediator import Answer
from gmcp_sandbox.monitor.session import Ending
from gmcp_sandbox.monitor.statedir import SessionDir
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState

ASKS = (Verdict(Layer.CONSTITUTION, Outcome.ASK, "constitution.keep-files", "a person decides"),)


def delete(path: str) -> ToolCall:
    return ToolCall(5, 5, "00000000", "coder", 7, Tool.FS_DELETE, path, FsDelete("file"), WORKSPACE)


def write(path: str, content: bytes) -> ToolCall:
    args = FsWrite("write")
    return ToolCall(6, 6, "00000000", "coder", 7, Tool.FS_WRITE, path, args, WORKSPACE, content=content)


class Desk:
    """Whoever answers the questions of one session; use as a context.

    Attributes:
        answers: What each call that asked was told, by its object.
        endings: How the session was ended.
    """

    def __init__(self, session: SessionDir, writer: AuditWriter, prepared: Preparation) -> None:
        self.approvals = Approvals((), deadline_seconds=60, clock=time.time_ns)
        self.answers: dict[str, Answer] = {}
        self.endings: list[Ending] = []
        self.session = session
        state = SessionState(Tier.STANDARD)
        self._controlled = Controlled(prepared, writer, state, end=self.endings.append)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._run,))

    def __enter__(self) -> Desk:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._call(self._nursery.cancel_scope.cancel)
        self._thread.join(30)

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with open_control(self.session) as line:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(serve_control, line, self.approvals, self._controlled)
                self._ready.set()

    def ask(self, call: ToolCall) -> None:
        """Let a call ask; return once its question is open, or answered."""
        self._call(lambda: self._nursery.start_soon(self._ask, call))
        self.settle()

    def settle(self) -> None:
        """Wait until everything that can happen has happened."""
        trio.from_thread.run(trio.testing.wait_all_tasks_blocked, trio_token=self._token)

    def _call(self, function: Callable[[], None]) -> None:
        trio.from_thread.run_sync(function, trio_token=self._token)

    async def _ask(self, call: ToolCall) -> None:
        self.answers[call.object] = await self.approvals.ask(call, ASKS)

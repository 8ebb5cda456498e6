"""The supervisor's side of the exec gate: takes announcements in, answers for words that the kernel changed, records.

Guarantees: a program that stands before its first instruction with other words than those that were judged is killed,
and that is recorded before. When the gate ends, the session ends.
"""

from __future__ import annotations

from typing import Protocol

import trio

from gmcp_sandbox.audit.encode import JSON
from gmcp_sandbox.audit.redact import redact_words
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.monitor.attempts import Attempts
from gmcp_sandbox.monitor.starts import Start, Starts
from gmcp_sandbox.proc.startline import ATTEMPTED, BEGIN, BROKEN, FULL, KILL, RAN, REFUSED, UNTRACED, Line, Message

_EVENTS_A_KIND = 1000
"""Refused calls and untraced starts that are recorded one by one; what comes later is noise of an attack."""


class Record(Protocol):
    """Takes an event down."""

    def __call__(self, name: str, **fields: JSON) -> None:
        """Record it. Raises AuditError."""


def spelled(word: bytes) -> str:
    """Return a word of the agent's as calls and records spell it."""
    return word.decode("utf-8", "surrogateescape")


class Announcements:
    """Both lines to the gate, and what they say of the starts under way."""

    def __init__(
        self, announcing: Line, talking: Line, starts: Starts, record: Record, attempts: Attempts | None = None
    ) -> None:
        self._attempts = attempts
        self.starts = starts
        starts.refresh = self.take_in
        self._announcing = announcing
        self._talking = talking
        self._record = record
        self._told: dict[bytes, int] = {}

    @property
    def urgent(self) -> int:
        """The descriptor on which a program may wait for its first instruction."""
        return self._talking.fileno()

    def take_in(self) -> None:
        """Take in every announcement that was made until now."""
        receive, announce = self._announcing.receive, self.starts.announce
        try:
            while (message := receive()) is not None:
                name, cwd, *words = map(spelled, message.words)
                announce(message.tid, Start(name, cwd or None, tuple(words)))
        except EOFError:
            pass  # the other line says so, too

    async def run(self) -> None:
        """Answer the gate until it ends.

        Raises:
            HostError: It has ended.
            AuditError: What it said could not be recorded.
        """
        try:
            while True:
                await self._next()
        finally:
            if self._attempts is not None:
                self._attempts.report()

    async def _next(self) -> None:
        await trio.lowlevel.wait_readable(self._talking.fileno())
        try:
            message = self._talking.receive()
            if message is not None and message.kind == ATTEMPTED:
                if self._attempts is not None:
                    name, *arguments = message.words
                    await self._attempts.take(message.tid, name.decode(), [int(word) for word in arguments])
            elif message is not None:
                self._hear(message)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise HostError("the exec gate ended", hint="please report this") from None

    def _hear(self, message: Message) -> None:
        if message.kind == RAN:
            self._compare(message.tid, tuple(map(spelled, message.words)))
        elif message.kind == FULL:
            self.take_in()
        elif message.kind == BROKEN:
            raise HostError(f"the exec gate ended: {spelled(message.words[0])}", hint="gmcp-sandbox doctor")
        elif self._is_told(message.kind):
            self._note(message)

    def _compare(self, tid: int, words: tuple[str, ...]) -> None:
        """Let a program begin, or record that it has other words than were judged and have it killed."""
        start = self.starts.forget(tid)
        if start is not None and start.is_what_ran(words):
            self._talking.send(Message(BEGIN, tid))
            return
        try:
            self._record(
                "exec_mismatch",
                pid=tid,
                program="" if start is None else start.program,
                judged=[] if start is None else list(redact_words(start.argv)),
                ran=list(redact_words(words)),
            )
        finally:
            self._talking.send(Message(KILL, tid))

    def _is_told(self, kind: bytes) -> bool:
        self._told[kind] = count = self._told.get(kind, 0) + 1
        return count <= _EVENTS_A_KIND

    def _note(self, message: Message) -> None:
        if message.kind == UNTRACED:
            self._record("exec_of_a_traced_process", pid=message.tid)
        elif message.kind == REFUSED:
            number, *arguments, errno = map(int, message.words)
            shown: list[JSON] = [f"{argument:#x}" for argument in arguments]
            self._record("system_call_refused", pid=message.tid, number=number, arguments=shown, errno=errno)

"""Calls that wait for a person: held one by one, folded when they are the same, answered once or with a pattern.

Invariants:
- Only yes is yes: a call that nobody answers in time is not granted by that; an answer to a question that is closed is
  an error to the one who gives it.
- Identical asks (tool, object, arguments, place in the object, content, reasons) are one; its answer is for all that
  wait for it.
- An answer for a pattern holds for later asks of the same reasons that the pattern covers, and was shown before it was
  taken: the caller names the pattern, nothing here widens it.
- At most `MAX_PENDING` asks wait; more are refused at once, so that an agent cannot bury a person, or a question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import trio

from gmcp_sandbox.audit.encode import JSON
from gmcp_sandbox.audit.redact import content_digest, redact, redact_words
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.verdicts import Outcome, Verdict
from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.monitor.mediator import Answer
from gmcp_sandbox.policy.approving import Covers, Grant, compile_grants, proposals
from gmcp_sandbox.policy.hosts import GlobError

MAX_PENDING = 64
MAX_GRANTS = 1024
SHOWN_CONTENT = 256 << 10
"""Bytes of content that a question shows."""
_REFUSED = Answer(is_granted=False, by="too many calls wait for an answer")


class Question(msgspec.Struct, frozen=True):
    """What a person is asked.

    Attributes:
        id: Of the question in its session.
        asked_ns: When; `deadline_ns` is when silence becomes a denial.
        seq: Number of the (first) call.
        arguments: As they are recorded: secrets redacted.
        reasons: (layer, reason, detail) of every layer that asks.
        patterns: What a wider answer could cover, the narrowest first.
        waiting: How many calls wait for the answer.
        content_bytes: Length of what would be written or sent; None when there is none.
    """

    id: int
    asked_ns: int
    deadline_ns: int
    seq: int
    agent: str
    pid: int
    tool: str
    object: str
    label: str
    arguments: dict[str, JSON]
    reasons: tuple[tuple[str, str, str], ...]
    patterns: tuple[str, ...]
    waiting: int = 1
    content_bytes: int | None = None


class _Pending:
    """A question that is open."""

    def __init__(self, question: Question, call: ToolCall, reasons: frozenset[str]) -> None:
        self.question = question
        self.call = call
        self.reasons = reasons
        self.waiting = 0
        self.answered = trio.Event()
        self.answer: Answer | None = None


class Approvals:
    """The questions of one session."""

    def __init__(
        self, grants: Sequence[Grant], *, deadline_seconds: float, clock: Callable[[], int], is_open: bool = True
    ) -> None:
        """`is_open` is False where nobody can answer: only grants say yes then."""
        self._clock = clock
        self._deadline_ns = int(deadline_seconds * 1e9)
        self._is_open = is_open
        self._standing = compile_grants(grants)
        self._session_grants: list[tuple[str, Covers]] = []
        self._pending: dict[int, _Pending] = {}
        self._by_key: dict[object, _Pending] = {}
        self._next = 1
        self._watchers: list[Callable[[], None]] = []

    def replace_grants(self, grants: Sequence[Grant]) -> None:
        """Use the standing grants of another profile; those of the session stay."""
        self._standing = compile_grants(grants)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call somebody whenever a question comes or goes; the watcher must not wait."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call it no more."""
        self._watchers.remove(watcher)

    async def ask(self, call: ToolCall, verdicts: Sequence[Verdict]) -> Answer:
        """Wait for the answer to a call; the caller's deadline ends the waiting."""
        asking = [verdict for verdict in verdicts if verdict.outcome is Outcome.ASK]
        reasons = frozenset(verdict.reason for verdict in asking)
        if self._standing(call, reasons):
            return Answer(is_granted=True, by="a grant of the profile")
        for pattern, covers in self._session_grants:
            if covers(call, reasons):
                return Answer(is_granted=True, by=f"an answer for this session: {pattern}")
        if not self._is_open:
            return Answer(is_granted=False, by="nobody is there to answer")
        digest = None if call.content is None else content_digest(call.content)
        key = (call.tool, call.object, call.label, call.args, call.extent, digest, reasons)
        pending = self._by_key.get(key)
        if pending is None or pending.answered.is_set():  # what was answered once is not the answer to a later call
            if len(self._pending) >= MAX_PENDING:
                return _REFUSED
            pending = self._open(call, asking, reasons)
            self._by_key[key] = pending
        return await self._wait(pending, key)

    async def _wait(self, pending: _Pending, key: object) -> Answer:
        pending.waiting += 1
        self._tell()
        try:
            await pending.answered.wait()
        finally:
            pending.waiting -= 1
            if pending.waiting == 0:
                self._close(pending, key)
        if pending.answer is None:
            raise AssertionError("a question that is answered has an answer")
        return pending.answer

    def _open(self, call: ToolCall, asking: Sequence[Verdict], reasons: frozenset[str]) -> _Pending:
        now = self._clock()
        question = Question(
            id=self._next,
            asked_ns=now,
            deadline_ns=now + self._deadline_ns,
            seq=call.seq,
            agent=call.agent,
            pid=call.pid,
            tool=call.tool.value,
            object=redact(call.object),
            label=call.label.name,
            arguments=_shown(call),
            reasons=tuple((one.layer.value, one.reason, redact(one.detail)) for one in asking),
            patterns=proposals(call),
            content_bytes=None if call.content is None else len(call.content),
        )
        self._next += 1
        pending = self._pending[question.id] = _Pending(question, call, reasons)
        return pending

    def _close(self, pending: _Pending, key: object) -> None:
        if self._by_key.get(key) is pending:
            del self._by_key[key]
        if self._pending.pop(pending.question.id, None) is not None:
            self._tell()

    def pending(self) -> list[Question]:
        """Return the open questions, the oldest first."""
        return [
            msgspec.structs.replace(one.question, waiting=one.waiting)
            for one in self._pending.values()
            if not one.answered.is_set()
        ]

    def call(self, number: int) -> ToolCall:
        """Return the call that is asked about. Raises UsageError."""
        return self._find(number).call

    def content(self, number: int) -> bytes | None:
        """Return the beginning of what a call would write or send. Raises UsageError."""
        content = self._find(number).call.content
        return None if content is None else content[:SHOWN_CONTENT]

    def answer(self, number: int, *, allow: bool, by: str, pattern: str | None = None) -> None:
        """Answer a question; with a pattern, an allow holds for the rest of the session for all that it covers.

        Raises:
            UsageError: There is no such open question, or the pattern does not cover the call that was asked about.
        """
        pending = self._find(number)
        if allow and pattern is not None:
            self._grant(pending, pattern)
        pending.answer = Answer(is_granted=allow, by=by)
        pending.answered.set()
        self._tell()

    def _find(self, number: int) -> _Pending:
        pending = self._pending.get(number)
        if pending is None or pending.answered.is_set():
            raise UsageError(f"no question {number} is open", hint="it was answered, or its time is over")
        return pending

    def _grant(self, pending: _Pending, pattern: str) -> None:
        grant = Grant(tuple(sorted(pending.reasons)), (pending.call.tool,), (pattern,))
        try:
            covers = compile_grants((grant,))
        except GlobError as error:
            raise UsageError(f"{pattern!r} is no pattern: {error}") from None
        if not covers(pending.call, pending.reasons):
            raise UsageError(f"{pattern!r} does not cover the call that was asked about")
        if len(self._session_grants) >= MAX_GRANTS:
            raise UsageError("too many answers for this session", hint="write a grant into the profile")
        self._session_grants.append((pattern, covers))

    def _tell(self) -> None:
        for watcher in tuple(self._watchers):
            watcher()


def _shown(call: ToolCall) -> dict[str, JSON]:
    """Return the arguments that differ from their defaults, as a record shows them."""
    shown: dict[str, JSON] = {}
    for field in msgspec.structs.fields(call.args):
        value = getattr(call.args, field.name)
        if value == field.default:
            continue
        if isinstance(value, str):
            value = redact(value)
        elif isinstance(value, tuple):
            value = redact_words(value)
        shown[field.name] = value
    if call.extent is not None:
        shown["offset"] = call.extent[0]
    return shown

"""Write the chain: no record, no effect.

Guarantees:
- When `append` returns, the record is in the kernel's page cache and survives a kill of this process.
- A failed or short write is taken back (the file is cut to its last whole record), and from then on every call raises:
  a session whose log is broken stops.
- All files of the log together stay within the budget. When it is used up, an event says so and `append` raises; room
  for the event and the seal is kept free from the start.
- A later file starts with the last hash of the one before and is there before the earlier one says that it ended.
- With a signer, no more than `CHECKPOINT_EVERY` records are without a signature, and no file ends and no seal is
  written without one.

Left to others: time (`clock`), when to sync, one process (and, but for `sync`, one thread) using it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from gmcp_sandbox.audit.chain import START, TAIL, linker
from gmcp_sandbox.audit.encode import JSON
from gmcp_sandbox.audit.record import (
    MAX_LINE,
    MAX_SEAL,
    Genesis,
    again_body,
    call_body,
    checkpoint_body,
    event_body,
    genesis_body,
    seal_body,
    segment_body,
)
from gmcp_sandbox.audit.redact import redact_decision
from gmcp_sandbox.audit.repeats import Repeats
from gmcp_sandbox.audit.segments import is_segment, segment_name
from gmcp_sandbox.audit.signing import Signer, statement
from gmcp_sandbox.calls.footprint import footprint
from gmcp_sandbox.calls.labels import OUTSIDE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Outcome
from gmcp_sandbox.errors import AuditError

MIN_BUDGET = 64 << 10
MAX_SEGMENT = 64 << 20
REPEATABLE = 4096
"""Longer lines are not referred to, so that the table and its readers stay small."""
CHECKPOINT_EVERY = 4096
"""Records from one signature to the next (50 µs each)."""
RESERVE = MAX_SEAL + 2048
"""Kept free for the event that ends a session, its seal and the last checkpoint."""
_ROTATION = 1024
"""More than the lines that a checkpoint and a change of files cost."""
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_ALLOW = Outcome.ALLOW
_SPENT = "the byte budget of the log is used up"
_LEAVE_IT = "leave the files of a running session alone; audit.keep_bytes removes old ones"
_RAISE_BUDGET = "raise limits.log_bytes in the profile"


class AuditWriter:
    """The log of one session, open for writing.

    Attributes:
        allowed: Decisions written that allow.
        denied: Decisions written that deny.
        unseen: Those of them that looked for a name outside of the view; programs do that all the time.
        dirty: True when something was written since the last sync.
    """

    def __init__(  # noqa: PLR0913 - the facts of a log, each said by name
        self,
        directory_fd: int,
        session: str,
        *,
        budget_bytes: int,
        clock: Callable[[], int],
        signer: Signer | None,
        redact: Callable[[str], str] | None,
    ) -> None:
        """Use `create`; this makes a writer without a first record."""
        self.allowed = 0
        self.denied = 0
        self.unseen = 0
        self.dirty = False
        self.session = session
        self._clock = clock
        self._left = budget_bytes - RESERVE  # what the current file may grow to within the budget
        self._segment_bytes = min(budget_bytes // 8, MAX_SEGMENT)
        self._index = 0
        self._size = 0
        self._first_size = 0
        self._limit = 0  # below this size a record needs no further thought
        self._records = 0
        self._signer = signer
        self._checkpoint_at = sys.maxsize if signer is None else CHECKPOINT_EVERY
        self._redact = redact
        self._link = linker()
        self._previous = START
        self._totals: dict[str, list[int]] = {tool.value: [0, 0] for tool in Tool}
        self._repeats = Repeats()
        self._is_spent = False
        self._broken: str | None = None
        self._sync_lock = threading.Lock()
        self._to_sync: deque[int] = deque()
        self._fd = -1
        self._directory = os.dup(directory_fd)

    @classmethod
    def create(  # noqa: PLR0913 - likewise
        cls,
        directory_fd: int,
        genesis: Genesis,
        *,
        budget_bytes: int,
        clock: Callable[[], int],
        signer: Signer | None = None,
        redact: Callable[[str], str] | None = None,
    ) -> AuditWriter:
        """Start a log in a directory and write its first record. Without a signer it is not signed, and says so.

        `redact` takes out of every word of a call what this session's records must not hold.

        Raises:
            AuditError: There is a log already, it cannot be written, or the budget is too small.
        """
        first = genesis_body(msgspec.structs.replace(genesis, key=None if signer is None else signer.public))
        if budget_bytes < max(MIN_BUDGET, 2 * (RESERVE + len(first))) or len(first) > MAX_LINE - TAIL:
            raise AuditError(f"a log budget of {budget_bytes} bytes is too small", hint=_RAISE_BUDGET)
        writer = cls(
            directory_fd, genesis.session, budget_bytes=budget_bytes, clock=clock, signer=signer, redact=redact
        )
        try:
            writer._start_segment(writer._open_segment(), first)
        except AuditError:
            writer.close()
            raise
        return writer

    def append(self, decision: Decision, latency_ns: int) -> None:
        """Write one decision with one system call; equal ones refer to the first.

        Raises:
            AuditError: It is not written; there must be no effect.
        """
        call = decision.call
        is_allowed = decision.outcome is _ALLOW
        key = (call.object, call.tool, call.args, call.label.name, decision.epoch, is_allowed or decision.deciding)
        try:
            ref = self._repeats.of(key) if not call.derived else None  # what an object brings is news, never a repeat
        except TypeError:  # arguments that the schema layer refused need not be hashable
            self._append_once(decision, latency_ns)
        else:
            if ref is None:
                if self._append_once(decision, latency_ns) <= REPEATABLE and not call.derived:
                    self._repeats.remember(key, call.seq, footprint(call.object, call.args))
            else:
                body = again_body(call, ref, latency_ns)
                if self._size + len(body) > self._limit and self._make_room(len(body)):
                    self._append_once(decision, latency_ns)  # a new file cannot refer to the one before
                else:
                    self._put(body)
        if is_allowed:
            self.allowed += 1
            self._totals[call.tool][0] += 1
        else:
            self.denied += 1
            self.unseen += call.label == OUTSIDE and call.tool is Tool.FS_STAT
            self._totals[call.tool][1] += 1
        if self._records >= self._checkpoint_at:
            self.checkpoint()

    def _append_once(self, decision: Decision, latency_ns: int) -> int:
        shown = decision if self._redact is None else redact_decision(decision, self._redact)
        body = call_body(shown, latency_ns)
        if self._size + len(body) > self._limit:
            self._make_room(len(body))
        self._put(body)
        return len(body)

    def event(self, name: str, **fields: JSON) -> None:
        """Write down something that is no decision.

        Raises:
            AuditError: It is not written.
        """
        body = event_body(name, self._clock(), fields)
        if self._size + len(body) > self._limit:
            self._make_room(len(body))
        self._put(body)
        if self._records >= self._checkpoint_at:
            self.checkpoint()

    @property
    def records(self) -> int:
        """How many lines were written."""
        return self._records

    @property
    def head(self) -> bytes:
        """The hash of the last line."""
        return self._previous

    def warm(self) -> None:
        """Get ready to sign; may run in another thread. Raises AuditError."""
        if self._signer is not None:
            self._signer.warm()

    def checkpoint(self) -> None:
        """Sign everything that was written so far; nothing happens when it is signed already, or nothing is signed.

        Raises:
            AuditError: It is not signed, or not written.
        """
        if self._signer is None or self._records == self._checkpoint_at - CHECKPOINT_EVERY:
            return
        body = self._signed(self._records, self._previous)
        if self._size + len(body) > self._limit:
            self._make_room(len(body))
            body = self._signed(self._records, self._previous)
        self._put(body)
        self._checkpoint_at = self._records + CHECKPOINT_EVERY

    def _signed(self, records: int, head: bytes) -> bytes:
        if self._signer is None:
            raise AssertionError("only a signed log has checkpoints")
        signature = self._signer.sign(statement(self.session, records, head))
        return checkpoint_body(self._clock(), records, signature)

    def seal(self, outcome: Mapping[str, JSON]) -> None:
        """Write the last record, sync and close. There is room for it even when the budget is used up.

        Raises:
            AuditError: The log could not be sealed; it ends with its last record.
        """
        totals = {tool: counts for tool, counts in self._totals.items() if any(counts)}
        try:
            self._put_seal(seal_body(self._clock(), self._records, totals, outcome))
            self.sync()
        finally:
            self.close()

    def sync(self) -> None:
        """Sync what was written so far to the disk; may run in another thread than `append`.

        Raises:
            AuditError: The disk failed; the log takes no more records.
        """
        with self._sync_lock:
            if self._fd < 0:
                return
            self.dirty = False
            try:
                while self._to_sync:
                    os.fdatasync(self._to_sync[0])
                    os.close(self._to_sync.popleft())
                os.fdatasync(self._fd)
                os.fsync(self._directory)
                lost = self._lost()
            except OSError as error:
                self._broken = f"it could not be synced: {error.strerror}"
                raise AuditError("cannot sync the audit log", cause=error.strerror or "") from error
            if lost:
                self._broken = lost
                raise AuditError(f"the audit log was taken away: {lost}", hint=_LEAVE_IT)

    def _lost(self) -> str:
        """Return what became of the file that is written to; "" when it stands where it should, in its full length.

        Files may change meanwhile in the other thread; then the next look tells.
        """
        fd, index, size = self._fd, self._index, self._size
        mine = os.fstat(fd)
        is_there = is_segment(self._directory, index, mine) or is_segment(self._directory, index - 1, mine)
        if self._fd != fd or self._size < size:
            return ""
        if not is_there:
            return "its file was removed, renamed or replaced while the session ran"
        return "its file was cut while the session ran" if mine.st_size < size else ""

    def close(self) -> None:
        """Close the files without a seal; the log ends with its last record. Safe to call twice."""
        with self._sync_lock:
            for fd in (*self._to_sync, self._fd, self._directory):
                if fd >= 0:
                    os.close(fd)
            self._to_sync.clear()
            self._fd = self._directory = -1
            self._broken = self._broken or "it is closed"

    def _put_seal(self, body: bytes) -> None:
        """Write the seal and the signature over it in one: an end without a signature is nobody's."""
        if self._signer is None:
            self._put(body)
            return
        digest, line = self._link(self._previous, body)
        last, signature = self._link(digest, self._signed(self._records + 1, digest))
        self._write(line + signature, last, records=2)

    def _put(self, body: bytes) -> None:
        """Chain a body and write the line, whole or not at all."""
        digest, line = self._link(self._previous, body)
        self._write(line, digest)

    def _write(self, line: bytes, digest: bytes, records: int = 1) -> None:
        if self._broken is not None:
            raise AuditError("the audit log takes no more records", cause=self._broken)
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            self._take_back(error.strerror or type(error).__name__)
            raise AuditError("cannot write the audit log", cause=error.strerror or "") from error
        if written != len(line):
            self._take_back("a record was written in part")
            raise AuditError("cannot write the audit log", cause="only a part was written: is the disk full?")
        self._previous = digest
        self._size += written
        self._records += records
        self.dirty = True

    def _take_back(self, why: str) -> None:
        """Cut a torn line away, so that the log verifies to its last record, and refuse everything from now on."""
        self._broken = why
        try:
            os.ftruncate(self._fd, self._size)
        except OSError as error:
            self._broken = f"{why}; the torn line stays: {error.strerror}"

    def _make_room(self, body_bytes: int) -> bool:
        """Start a new file when this one is full; return whether it did.

        A file takes at least one record, however long, so that a long record cannot start files without end.

        Raises:
            AuditError: The budget is used up, or the new file cannot be written.
        """
        if self._broken is not None:
            return False  # `_put` raises
        needed = self._size + body_bytes + TAIL + _ROTATION
        if self._is_spent or needed > self._left:
            self._spend(body_bytes)
        if needed <= self._segment_bytes or self._size == self._first_size:
            return False
        self._rotate()
        return True

    def _spend(self, body_bytes: int) -> None:
        if not self._is_spent:
            self._is_spent = True
            self._limit = -1
            self._put(event_body("budget", self._clock(), {"left": self._left - self._size, "wanted": body_bytes}))
        raise AuditError("the audit log is full", cause=_SPENT, hint=_RAISE_BUDGET)

    def _rotate(self) -> None:
        """Go on in the next file: (1) make it, (2) sign the old one and say so in it, (3) link it to the old one."""
        self._index += 1
        try:
            new = self._open_segment()
        except AuditError as error:
            self._broken = str(error)
            raise
        try:
            if self._signer is not None:
                self._put(self._signed(self._records, self._previous))
                self._checkpoint_at = self._records + CHECKPOINT_EVERY
            self._put(event_body("rotate", self._clock(), {"next": self._index}))
        except AuditError:
            os.close(new)
            raise
        self._to_sync.append(self._fd)
        self._left -= self._size
        self._repeats.clear()
        self._start_segment(new, segment_body(self.session, self._index, self._previous, self._clock()))

    def _start_segment(self, fd: int, first: bytes) -> None:
        self._fd = fd
        self._size = 0
        self._put(first)
        self._first_size = self._size
        self._limit = min(self._segment_bytes, self._left) - TAIL - _ROTATION

    def _open_segment(self) -> int:
        name = segment_name(self._index)
        try:
            return os.open(name, _FLAGS, 0o600, dir_fd=self._directory)
        except OSError as error:
            raise AuditError(f"cannot create the audit log {name}", cause=error.strerror or "") from error

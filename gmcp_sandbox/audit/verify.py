"""Verify a log: every line follows from the one before, from the genesis to the seal.

What is found: any byte changed, any line removed, added or moved, a file missing or swapped; with the key that it has
to be signed by, also a log that was chained anew, one of another session or another user, and an end that was cut back
by more than what may stand unsigned. What is only reported: no seal (the session runs, or crashed), the records after
the last checkpoint of such a log, and a torn last line (a crash in the middle of a write).

Guarantees:
- Whatever the files hold, the answer is a `Verification`; `AuditError` says that they cannot be read at all.
- Records of calls are compared as bytes and not parsed; memory is bounded by the longest line.
"""

from __future__ import annotations

import enum
import os
import re
from functools import partial
from itertools import chain
from typing import BinaryIO

import msgspec
from blake3 import blake3

from gmcp_sandbox.audit.chain import START, TAIL, claimed_hash, follow
from gmcp_sandbox.audit.entries import (
    CheckpointEntry,
    EventEntry,
    GenesisEntry,
    RawEntry,
    SealEntry,
    SegmentEntry,
    decode,
)
from gmcp_sandbox.audit.record import MAX_LINE
from gmcp_sandbox.audit.segments import is_log_directory, list_segments, open_segment, segment_index, segment_name
from gmcp_sandbox.audit.signing import is_signed_by, statement
from gmcp_sandbox.audit.writer import CHECKPOINT_EVERY
from gmcp_sandbox.errors import AuditError


class State(enum.StrEnum):
    """What a log turns out to be."""

    WHOLE = "whole"
    """From genesis to seal."""
    UNSEALED = "unsealed"
    """Whole up to its last record; the session runs, or ended without a seal."""
    TORN = "torn"
    """Whole up to its last record; a part of a line follows, as a crash leaves it."""
    BROKEN = "broken"
    """Not what was written."""


class Finding(msgspec.Struct, frozen=True):
    """The first bad record.

    Attributes:
        file: Name of the file.
        line: Counted from 1; 0 for the file as such.
        seq: Of the call, where the line has one.
        problem: What is wrong.
    """

    file: str
    line: int
    seq: int | None
    problem: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        record = "" if self.seq is None else f" (record {self.seq})"
        return f"{place}{record}: {self.problem}"


class Verification(msgspec.Struct, frozen=True):
    """What verifying found out.

    Attributes:
        state: The answer.
        records: Good records before the end or the finding.
        files: Files that were looked at.
        session: Id that the genesis names; None when it could not be read.
        finding: Where the log is broken or torn.
        last_hash: Of the last good record, hex.
        signed: How many records, from the first on, a checkpoint with a good signature covers; of a later file
            alone, the number that its last checkpoint states.
        key: Public key that the checkpoints were compared with, hex; None when there was none.
        is_own_key: True when the caller knew the key; else the log itself named it, and so could anybody.
    """

    state: State
    records: int
    files: int
    session: str | None = None
    finding: Finding | None = None
    last_hash: str = ""
    signed: int = 0
    key: str | None = None
    is_own_key: bool = False

    @property
    def is_intact(self) -> bool:
        """True when nothing says that the log was changed."""
        return self.state is not State.BROKEN


class _Bad(Exception):
    """Ends the walk at a finding."""

    def __init__(self, problem: str, *, is_torn: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.is_torn = is_torn


_SEQ = re.compile(rb'\{"kind":"(?:call|again)","seq":([0-9]{1,19}),')
_SLACK = 16
"""Events and the lines of a change of files, which the writer does not count at once."""
_CALLS = frozenset((b"call", b"agai"))
_BREAK = "does not follow from the record before it: it was changed, or records before it were removed, added or moved"


def verify(path: str, *, session: str | None = None, key: str | None = None) -> Verification:
    """Verify a session's directory or one file.

    Args:
        session: Id that the log must name.
        key: Public key (hex) that must have signed it; None: the one that the log names, if it names one.

    Raises:
        AuditError: There is no log, or it cannot be read.
    """
    if not is_log_directory(path):
        first = segment_index(os.path.basename(path)) or 0
        return _Walk(session, key, is_part=first > 0).run([path], first)
    found = list_segments(path)
    if not found:
        raise AuditError(f"there is no log in {path!r}")
    paths = [os.path.join(path, segment_name(index)) for index in range(len(found))]
    return _Walk(session, key, is_part=False).run(paths, 0, found)


class _Walk:
    """One pass over the files of a log."""

    def __init__(self, session: str | None, key: str | None, *, is_part: bool) -> None:
        self._is_part = is_part  # a later file alone: what was before it is unknown
        self._session = session
        self._own_key = key
        self._key = key
        self._signed = 0
        self._previous = START
        self._records = 0
        self._line = 0
        self._bad = b""
        self._is_ended = False  # this file has said that nothing follows in it
        self._is_sealed = False
        self._next: int | None = None  # the file that a rotate event has announced

    def run(self, paths: list[str], first: int, found: list[int] | None = None) -> Verification:
        """Walk over the files; `found` are the numbers of the files that are there."""
        last = first + len(paths) - 1
        for index, path in enumerate(paths, first):
            self._line, self._bad, self._is_ended = 0, b"", False
            try:
                self._check_place(index, found)
                with open_segment(path) as file:
                    self._lines(file, index, is_last=index == last)
                self._check_end(index, is_last=index == last)
            except _Bad as bad:
                return self._answer(*self._judge_end(bad, path), index - first + 1)
        return self._answer(State.WHOLE if self._is_sealed else State.UNSEALED, None, len(paths))

    def _judge_end(self, bad: _Bad, path: str) -> tuple[State, Finding]:
        """Return what a finding makes of the log; a torn one must be signed as far as any other."""
        if bad.is_torn and self._key is not None and not self._is_part:
            try:
                self._check_signed()
            except _Bad as worse:
                bad = worse
        seq = _SEQ.match(self._bad)
        finding = Finding(os.path.basename(path), self._line, int(seq[1]) if seq else None, bad.problem)
        return State.TORN if bad.is_torn else State.BROKEN, finding

    def _answer(self, state: State, finding: Finding | None, files: int) -> Verification:
        return Verification(
            state,
            self._records,
            files,
            self._session,
            finding,
            self._previous.hex(),
            self._signed,
            self._key,
            self._own_key is not None,
        )

    def _check_place(self, index: int, found: list[int] | None) -> None:
        if found is not None and index not in found:
            raise _Bad("the file is missing")
        if index and not self._is_part and self._next != index:
            raise _Bad("the file before it does not say that the log goes on here")

    def _check_end(self, index: int, *, is_last: bool) -> None:
        if not is_last and not self._is_ended:
            raise _Bad("the file ends before it says that the log goes on")
        if is_last and not self._is_part and self._next == index + 1:
            raise _Bad(f"the log goes on in {segment_name(index + 1)}, which is missing")
        if is_last and self._key is not None and not self._is_part:
            self._check_signed()

    def _check_signed(self) -> None:
        """Raise when more stands without a signature than the writer ever leaves so."""
        unsigned = self._records - self._signed
        if self._is_sealed and unsigned > 1:
            raise _Bad("the end of the log is not signed: it was written by somebody without the key")
        if unsigned > CHECKPOINT_EVERY + _SLACK:
            raise _Bad(f"the last {unsigned} records are not signed: checkpoints were removed, or never written")

    def _lines(self, file: BinaryIO, index: int, *, is_last: bool) -> None:
        """Follow the chain through a file. The loop is written out, because it runs for every record of a log."""
        read = partial(file.readline, MAX_LINE)
        first = read()
        self._check_first(first, index, is_last=is_last)
        previous, number = self._previous, 0
        for line in chain((first,), iter(read, b"")) if first else ():
            number += 1
            digest = blake3(previous + line[:-TAIL]).digest()
            is_good = line[-TAIL:] == b',"hash":"%b"}\n' % digest.hex().encode()
            # Calls are all but every line, and nothing is to be seen in them but that they follow.
            if not is_good or line[9:13] not in _CALLS or self._is_ended:
                self._line, self._bad, self._previous = number, line, previous
                if not is_good:
                    self._explain(line, is_last=is_last)
                self._check_other(line, index, number)
            previous = digest
            self._records += 1
        self._previous, self._line, self._bad = previous, number, b""

    def _check_first(self, line: bytes, index: int, *, is_last: bool) -> None:
        self._line, self._bad = 1, line
        kind = "segment" if index else "genesis"
        start = b'{"kind":"%b",' % kind.encode()
        if not line.startswith(start):
            # A crash between making the last file and the end of its first write leaves nothing, or a beginning.
            if is_last and start.startswith(line):
                if index and not line:
                    return
                raise _Bad(f"a crash left the log without a {kind} record", is_torn=True)
            raise _Bad(f"there is no {kind} record")
        if self._is_part:
            self._previous = self._stated_previous(line)

    def _stated_previous(self, line: bytes) -> bytes:
        entry = self._decode(line)
        if not isinstance(entry, SegmentEntry):
            raise _Bad("there is no segment record")
        try:
            return bytes.fromhex(entry.prev)
        except ValueError:
            raise _Bad("the hash of the file before is no hash") from None

    def _explain(self, line: bytes, *, is_last: bool) -> None:
        """Say why a line does not follow.

        Raises:
            _Bad: Always.
        """
        if line.endswith(b"\n"):
            raise _Bad(_BREAK)
        if self._is_ended:
            raise _Bad("something follows the end of the log")
        if len(line) >= MAX_LINE:
            raise _Bad("the line is longer than a record can be")
        # A crash leaves the beginning of a genuine line: if the hash is there already, it must be right.
        is_prefix = follow(self._previous, line + b"\n") is not None
        is_changed = claimed_hash(line + b"\n") is not None or claimed_hash(line[:-1] + b"\n") is not None
        if not is_last or (is_changed and not is_prefix):
            raise _Bad(_BREAK)
        raise _Bad("the last line is torn, as a crash in the middle of a write leaves it", is_torn=True)

    def _check_other(self, line: bytes, index: int, number: int) -> None:
        """Look into a record that is no call."""
        entry = self._decode(line)
        if self._is_ended and not self._is_last_checkpoint(entry):
            raise _Bad("a record follows the end of the log")
        if isinstance(entry, GenesisEntry | SegmentEntry):
            self._check_head(entry, index, number)
        elif isinstance(entry, SealEntry):
            if not self._is_part and entry.records != self._records:
                raise _Bad(f"the seal counts {entry.records} records before it, there are {self._records}")
            self._is_ended = self._is_sealed = True
        elif isinstance(entry, CheckpointEntry):
            self._check_signature(entry)
        elif isinstance(entry, EventEntry) and entry.name == "rotate":
            if entry.data.get("next") != index + 1:
                raise _Bad("the log goes on in a file that is not the next")
            self._is_ended, self._next = True, index + 1

    def _is_last_checkpoint(self, entry: RawEntry) -> bool:
        """True for the one record that may follow a seal: the signature over it."""
        return self._is_sealed and isinstance(entry, CheckpointEntry) and self._signed < self._records

    def _check_signature(self, entry: CheckpointEntry) -> None:
        if self._key is None and not self._is_part:
            raise _Bad("a signature in a log that names no key")
        if not self._is_part and entry.records != self._records:
            raise _Bad(f"the checkpoint counts {entry.records} records before it, there are {self._records}")
        if self._key is None:
            return  # a later file alone names no key: what it says of signatures cannot be judged
        try:
            signature = bytes.fromhex(entry.signature)
        except ValueError:
            signature = b""
        message = statement(self._session or "", entry.records, self._previous)
        if not is_signed_by(self._key, signature, message):
            raise _Bad("the signature is not that of the key: the log was chained anew, or is of another session")
        self._signed = entry.records

    def _check_head(self, entry: GenesisEntry | SegmentEntry, index: int, number: int) -> None:
        if number != 1:
            raise _Bad("a second beginning")
        if isinstance(entry, SegmentEntry) and (entry.index != index or entry.prev != self._previous.hex()):
            raise _Bad("the file does not link to the file before it")
        if self._session is not None and entry.session != self._session:
            raise _Bad(f"it is the log of session {entry.session[:64]!r}, not of {self._session!r}")
        self._session = entry.session
        if isinstance(entry, GenesisEntry):
            self._check_key(entry)

    def _check_key(self, entry: GenesisEntry) -> None:
        if self._own_key is None:
            self._key = entry.key
        elif entry.key is None:
            raise _Bad("the log is not signed, and the one who keeps it signs: it was chained anew, or is not yours")
        elif entry.key != self._own_key:
            raise _Bad(f"the log names another key ({entry.key[:16]}…) than the one it must be signed by")

    def _decode(self, line: bytes) -> RawEntry:
        try:
            return decode(line)
        except AuditError as error:
            raise _Bad(f"it is no record: {error.cause}") from None

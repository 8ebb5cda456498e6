"""Verify a log: every line follows from the one before, from the genesis to the seal.

What is found: any byte changed, any line removed, added or moved, a file missing or swapped. What is only reported: no
seal (the session runs, or crashed, or the end was cut off: without a signature nobody can tell), and a torn last line
(a crash in the middle of a write).

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
from gmcp_sandbox.audit.entries import EventEntry, GenesisEntry, RawEntry, SealEntry, SegmentEntry, decode
from gmcp_sandbox.audit.record import MAX_LINE
from gmcp_sandbox.audit.segments import is_log_directory, list_segments, open_segment, segment_index, segment_name
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
    """

    state: State
    records: int
    files: int
    session: str | None = None
    finding: Finding | None = None
    last_hash: str = ""

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
_CALLS = frozenset((b"call", b"agai"))
_BREAK = "does not follow from the record before it: it was changed, or records before it were removed, added or moved"


def verify(path: str, *, session: str | None = None) -> Verification:
    """Verify a session's directory or one file. `session` is the id that the log must name.

    Raises:
        AuditError: There is no log, or it cannot be read.
    """
    if not is_log_directory(path):
        first = segment_index(os.path.basename(path)) or 0
        return _Walk(session, is_part=first > 0).run([path], first)
    found = list_segments(path)
    if not found:
        raise AuditError(f"there is no log in {path!r}")
    return _Walk(session, is_part=False).run([os.path.join(path, segment_name(i)) for i in range(len(found))], 0, found)


class _Walk:
    """One pass over the files of a log."""

    def __init__(self, session: str | None, *, is_part: bool) -> None:
        self._is_part = is_part  # a later file alone: what was before it is unknown
        self._session = session
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
                seq = _SEQ.match(self._bad)
                finding = Finding(os.path.basename(path), self._line, int(seq[1]) if seq else None, bad.problem)
                return self._answer(State.TORN if bad.is_torn else State.BROKEN, index - first + 1, finding)
        return self._answer(State.WHOLE if self._is_sealed else State.UNSEALED, len(paths), None)

    def _answer(self, state: State, files: int, finding: Finding | None) -> Verification:
        return Verification(state, self._records, files, self._session, finding, self._previous.hex())

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
        if self._is_ended:
            raise _Bad("a record follows the end of the log")
        entry = self._decode(line)
        if isinstance(entry, GenesisEntry | SegmentEntry):
            self._check_head(entry, index, number)
        elif isinstance(entry, SealEntry):
            if not self._is_part and entry.records != self._records:
                raise _Bad(f"the seal counts {entry.records} records before it, there are {self._records}")
            self._is_ended = self._is_sealed = True
        elif isinstance(entry, EventEntry) and entry.name == "rotate":
            if entry.data.get("next") != index + 1:
                raise _Bad("the log goes on in a file that is not the next")
            self._is_ended, self._next = True, index + 1

    def _check_head(self, entry: GenesisEntry | SegmentEntry, index: int, number: int) -> None:
        if number != 1:
            raise _Bad("a second beginning")
        if isinstance(entry, SegmentEntry) and (entry.index != index or entry.prev != self._previous.hex()):
            raise _Bad("the file does not link to the file before it")
        if self._session is not None and entry.session != self._session:
            raise _Bad(f"it is the log of session {entry.session[:64]!r}, not of {self._session!r}")
        self._session = entry.session

    def _decode(self, line: bytes) -> RawEntry:
        try:
            return decode(line)
        except AuditError as error:
            raise _Bad(f"it is no record: {error.cause}") from None

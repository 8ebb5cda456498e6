"""Read a log: entries in order, repeats in full, over all files of a session; once, or following a log that grows.

Guarantees:
- The text is taken as it stands: nothing here verifies the chain.
- Hostile files end in `AuditError` that names file and line; memory stays bounded by the longest line and the table of
  records that repeats refer to.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

import msgspec

from gmcp_sandbox.audit.entries import AgainEntry, CallEntry, Entry, EventEntry, SealEntry, decode, resolve
from gmcp_sandbox.audit.record import MAX_LINE
from gmcp_sandbox.audit.repeats import REPEATS
from gmcp_sandbox.audit.segments import is_log_directory, list_segments, open_segment, segment_name
from gmcp_sandbox.audit.writer import REPEATABLE
from gmcp_sandbox.calls.tools import NETWORK_TOOLS
from gmcp_sandbox.errors import AuditError

_TAIL_SLACK = 128
"""More than what a hash adds to a body: a line so long may still be referred to."""


class Selection(msgspec.Struct, frozen=True):
    """Which decisions to see; None and False choose all.

    Attributes:
        denied: Only denials.
        tool: Glob over tool names (`fs.*`).
        path: Glob over objects; `*` matches `/`, too.
        host: Glob over the objects of calls to hosts.
        layer: Glob over the layer that decided: denials alone have one.
    """

    denied: bool = False
    tool: str | None = None
    path: str | None = None
    host: str | None = None
    layer: str | None = None

    @property
    def is_all(self) -> bool:
        """True when nothing is left out."""
        return self == EVERYTHING

    def matches(self, entry: Entry) -> bool:
        """True for a decision that is chosen; other entries are chosen when everything is."""
        if not isinstance(entry, CallEntry):
            return self.is_all
        return (
            (not self.denied or entry.outcome == "deny")
            and (self.tool is None or _glob(self.tool).match(entry.tool) is not None)
            and (self.path is None or _glob(self.path).match(entry.object) is not None)
            and (self.host is None or _is_host(entry, self.host))
            and (self.layer is None or _glob(self.layer).match(entry.layer or "") is not None)
        )


EVERYTHING = Selection()


def _is_host(entry: CallEntry, pattern: str) -> bool:
    return entry.tool in NETWORK_TOOLS and _glob(pattern).match(entry.object) is not None


@lru_cache(maxsize=16)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern), re.DOTALL)


class Resolver:
    """Turns the lines of one file into entries, in order."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._line = 0
        self._full: dict[int, bytes] = {}

    def entry(self, line: bytes) -> Entry:
        """Return what the next line says.

        Raises:
            AuditError: It says nothing, or refers to nothing; the message names the line.
        """
        self._line += 1
        try:
            entry = decode(line)
        except AuditError as error:
            raise self._error(str(error), error.cause) from error
        if isinstance(entry, AgainEntry):
            return self._resolved(entry)
        if isinstance(entry, CallEntry) and len(line) <= REPEATABLE + _TAIL_SLACK:
            self._keep(entry.seq, line)
        return entry

    def _keep(self, seq: int, line: bytes) -> None:
        # The writer starts its table anew after REPEATS records, so the latest ones are all that it can refer to;
        # twice as many allows for lines in the slack, which the writer does not count.
        if len(self._full) >= 2 * REPEATS:
            del self._full[next(iter(self._full))]
        self._full[seq] = line

    def _resolved(self, again: AgainEntry) -> CallEntry:
        line = self._full.get(again.ref)
        if line is None:
            raise self._error(f"record {again.seq} refers to record {again.ref}, which is not there", "")
        first = decode(line)
        if not isinstance(first, CallEntry):  # only lines of calls are kept
            raise AssertionError(first)
        return resolve(again, first)

    def _error(self, what: str, cause: str) -> AuditError:
        return AuditError(f"{self._name}, line {self._line}: {what}", cause=cause, hint="gmcp-sandbox audit verify")


def read(path: str, selection: Selection = EVERYTHING) -> Iterator[Entry]:
    """Read a session's directory or one file; a torn last line is left out.

    Raises:
        AuditError: It cannot be read, or holds a line that is no record.
    """
    for segment in _paths(path):
        with open_segment(segment) as file:
            resolver = Resolver(segment)
            for line in lines(file, segment):
                entry = resolver.entry(line)
                if selection.matches(entry):
                    yield entry


def _paths(path: str) -> list[str]:
    if not is_log_directory(path):
        return [path]
    found = [os.path.join(path, segment_name(index)) for index in list_segments(path)]
    if not found:
        raise AuditError(f"there is no log in {path!r}")
    return found


def lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Return the whole lines of a file, in order.

    Raises:
        AuditError: A line is longer than a record can be, or the file cannot be read.
    """
    try:
        while line := file.readline(MAX_LINE):
            if line[-1:] == b"\n":
                yield line
            elif len(line) >= MAX_LINE:
                raise AuditError(f"{name}: a line is longer than a record can be")
    except OSError as error:
        raise AuditError(f"cannot read {name!r}", cause=error.strerror or "") from error


class Follower:
    """Follows the log of a session while it grows, from file to file, until its seal.

    It never waits: the caller asks for what is new, as often as it likes.
    """

    def __init__(self, directory: str, *, from_start: bool) -> None:
        """Open the log.

        Raises:
            AuditError: There is no log.
        """
        self.is_sealed = False
        self._directory = directory
        self._index = 0
        self._pending = b""
        found = list_segments(directory)
        if not found:
            raise AuditError(f"there is no log in {directory!r}")
        self._open(0 if from_start else found[-1])
        self._is_skipping = not from_start

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def poll(self) -> list[Entry]:
        """Return the entries that were written since the last time.

        Raises:
            AuditError: The log cannot be read, or holds a line that is no record.
        """
        entries: list[Entry] = []
        while line := self._next_line():
            entry = self._resolver.entry(line)
            if not self._is_skipping:
                entries.append(entry)
            if isinstance(entry, SealEntry):
                self.is_sealed = True
            elif isinstance(entry, EventEntry) and entry.name == "rotate":
                self._file.close()
                self._open(self._index + 1)
        self._is_skipping = False
        return entries

    def _open(self, index: int) -> None:
        self._index = index
        path = os.path.join(self._directory, segment_name(index))
        self._file = open_segment(path)
        self._resolver = Resolver(path)

    def _next_line(self) -> bytes:
        """Return the next whole line, or nothing when it is not written yet."""
        try:
            part = self._file.readline(MAX_LINE)
        except OSError as error:
            raise AuditError("cannot read the log", cause=error.strerror or "") from error
        line = self._pending + part
        if line[-1:] == b"\n":
            self._pending = b""
            return line
        if len(line) >= MAX_LINE:
            raise AuditError("a line of the log is longer than a record can be")
        self._pending = line
        return b""

"""Read a log into the index: what a file has grown by, in one pass.

Guarantees: every whole line is taken in once; a line that is no record, or refers to nothing, is an `AuditError` that
names the file. Memory is bounded by a batch, the decisions of one file and `_KNOWN` names.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

from gmcp_sandbox.audit.entries import CallEntry, decode
from gmcp_sandbox.errors import AuditError

_BATCH = 20_000
_KNOWN = 1 << 20
_AGAIN = re.compile(rb'\{"kind":"again","seq":(\d{1,19}),"at":(\d{1,19}),"pid":(\d{1,19}),"ref":(\d{1,19}),')

_OTHERS = tuple(b'{"kind":"%b"' % kind for kind in (b"event", b"segment", b"checkpoint", b"seal"))


class Intake:
    """One pass over the new part of a file. Rows get their numbers here, so that they can be written many at a time."""

    def __init__(
        self, db: sqlite3.Connection, *, session: int, segment: int, path: str, objects: dict[str, int]
    ) -> None:
        """Read for `session` and `segment`; `objects` are numbers that are known already, and grows."""
        self.records = 0
        self._db = db
        self._session = session
        self._segment = segment
        self._path = path
        self._calls: dict[int, int] = {}
        self._objects = objects
        self._next_call, self._next_object = (
            1 + int(db.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0])  # noqa: S608 - two names of ours
            for table in ("calls", "objects")
        )
        self._knows_objects = self._next_object > 1
        self._new_records: list[tuple[int, int, int, int, int]] = []
        self._new_calls: list[tuple[object, ...]] = []
        self._new_objects: list[tuple[int, bytes]] = []

    def read(self, file: Iterable[bytes], offset: int) -> int:
        """Take in every whole line, the first of which stands at `offset`; return where the next one will begin."""
        match, new = _AGAIN.match, self._new_records
        for line in file:
            if line[-1:] != b"\n":
                break
            if again := match(line):
                seq, at, pid, ref = map(int, again.groups())
                new.append((self._calls.get(ref) or self._call_of(ref), seq, at, pid, offset))
            elif line.startswith(b'{"kind":"call"'):
                self._take_call(line, offset)
            elif line.startswith(b'{"kind":"genesis"'):
                self._take_genesis(line)
            elif not line.startswith(_OTHERS):
                raise AuditError(f"{self._path}: a line is no record as sessions write it")
            offset += len(line)
            if len(new) >= _BATCH:
                self._flush()
        self._flush()
        return offset

    def _flush(self) -> None:
        """Write what was gathered."""
        self._db.executemany("INSERT INTO objects VALUES (?, CAST(? AS TEXT))", self._new_objects)
        self._db.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._new_calls)
        self._db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", self._new_records)
        self.records += len(self._new_records)
        self._knows_objects = True
        for gathered in (self._new_objects, self._new_calls, self._new_records):
            gathered.clear()

    def _call_of(self, ref: int) -> int:
        """Return the decision that an earlier reading took in."""
        place = (self._session, self._segment, ref)
        row = self._db.execute("SELECT id FROM calls WHERE session = ? AND segment = ? AND seq = ?", place).fetchone()
        if row is None:
            raise AuditError(f"{self._path}: a record refers to record {ref}, which is not there")
        found = self._calls[ref] = int(row[0])
        return found

    def _take_call(self, line: bytes, offset: int) -> None:
        entry = decode(line)
        if not isinstance(entry, CallEntry):
            raise AuditError(f"{self._path}: a record of a call is none")
        target = entry.args.get("target")
        call = self._calls[entry.seq] = self._next_call
        self._next_call += 1
        place = (call, self._session, self._segment, entry.seq, offset)
        about = (entry.tool, self._object(entry.object), self._object(target) if isinstance(target, str) else None)
        self._new_calls.append((*place, *about, entry.label, entry.outcome, *entry.telling))
        self._new_records.append((call, entry.seq, entry.at, entry.pid, offset))

    def _object(self, text: str) -> int:
        found = self._objects.get(text)
        if found is not None:
            return found
        data = text.encode("utf-8", "surrogateescape")
        if self._knows_objects:
            row = self._db.execute("SELECT id FROM objects WHERE text = CAST(? AS TEXT)", (data,)).fetchone()
            found = None if row is None else int(row[0])
        if found is None:
            found = self._next_object
            self._next_object += 1
            self._new_objects.append((found, data))
        if len(self._objects) < _KNOWN:
            self._objects[text] = found
        elif found == self._next_object - 1:
            self._flush()  # else a second mention would not be found anywhere
        return found

    def _take_genesis(self, line: bytes) -> None:
        data = str(getattr(decode(line), "agent", "")).encode("utf-8", "surrogateescape")
        self._db.execute("UPDATE sessions SET agent = CAST(? AS TEXT) WHERE id = ?", (data, self._session))

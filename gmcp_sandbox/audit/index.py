"""An index over the logs of all sessions, so that a question does not read every record (SQLite).

Invariants:
- The index is no evidence: it says where records stand, and what is shown is read from the logs. It can be thrown away
  at any time; a damaged or older one is, and is built anew.
- A record stands in it once: what a file has grown by is read from where the last reading ended, in one transaction.
- A file that is not the continuation of what was read (another inode, or shorter) is read anew from its beginning.

A decision is kept once (`calls`), its repetitions are five integers each (`records`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from gmcp_sandbox.audit.intake import Intake
from gmcp_sandbox.audit.segments import list_segments, open_segment, segment_name
from gmcp_sandbox.calls.tools import NETWORK_TOOLS, Tool
from gmcp_sandbox.errors import AuditError

NAME = "index.sqlite"
_VERSION = 2
_PATHS = tuple(tool.value for tool in Tool if tool.startswith(("fs.", "proc.")))
_HOSTS = tuple(sorted(tool.value for tool in NETWORK_TOOLS))
_SCHEMA = """
CREATE TABLE sessions (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, agent TEXT NOT NULL DEFAULT '');
CREATE TABLE files (session INTEGER, segment INTEGER, inode INTEGER, read_to INTEGER, PRIMARY KEY (session, segment));
CREATE TABLE objects (id INTEGER PRIMARY KEY, text TEXT UNIQUE NOT NULL);
CREATE TABLE calls (id INTEGER PRIMARY KEY, session INTEGER, segment INTEGER, seq INTEGER, offset INTEGER,
    tool TEXT, object INTEGER, target INTEGER, label TEXT, outcome TEXT, layer TEXT, reason TEXT);
CREATE TABLE records (call INTEGER, seq INTEGER, at INTEGER, pid INTEGER, offset INTEGER);
CREATE INDEX calls_by_place ON calls (session, segment, seq);
CREATE INDEX calls_by_object ON calls (object);
CREATE INDEX calls_by_target ON calls (target) WHERE target IS NOT NULL;
CREATE INDEX records_by_call ON records (call);
CREATE INDEX records_by_time ON records (at);
"""


_JOINED = " FROM records r JOIN calls c ON c.id = r.call JOIN sessions s ON s.id = c.session"


class Place(NamedTuple):
    """Where a record stands: session, segment, offset of its line, and offset of the decision that it repeats."""

    session: str
    segment: int
    offset: int
    first: int


class Condition(msgspec.Struct, frozen=True):
    """What to look for; None and False choose all. Globs are those of `audit show`: `*` matches `/`, too."""

    session: str | None = None
    agent: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    tool: str | None = None
    path: str | None = None
    host: str | None = None
    label: str | None = None
    layer: str | None = None
    reason: str | None = None
    outcome: str | None = None


class Index:
    """The index of one state directory. Close it."""

    def __init__(self, path: str) -> None:
        """Open or make the index.

        Raises:
            AuditError: It cannot be used.
        """
        self._path = path
        self._objects: dict[str, int] = {}
        try:
            self._db = _connect(path)
        except sqlite3.DatabaseError:
            for name in (path, f"{path}-wal", f"{path}-shm"):
                _remove(name)
            try:
                self._db = _connect(path)
            except sqlite3.Error as error:
                raise AuditError(f"cannot open the index {path!r}", cause=str(error)) from error

    def close(self) -> None:
        """Close the index."""
        self._db.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take_in(self, session: str, directory: str) -> int:
        """Read what a session's log has grown by; return how many records that were.

        Raises:
            AuditError: The log cannot be read, or holds what is no record.
        """
        try:
            with self._db:
                number = self._session(session)
                return sum(self._read_file(number, segment, directory) for segment in list_segments(directory))
        except (OverflowError, UnicodeEncodeError):
            raise AuditError(f"the log in {directory!r} holds what no record has: a number or a word") from None
        except sqlite3.Error as error:
            raise self._error(error) from error

    def forget(self, kept: frozenset[str]) -> None:
        """Drop the sessions whose logs are gone."""
        try:
            with self._db:
                for number, name in self._db.execute("SELECT id, name FROM sessions").fetchall():
                    if name not in kept:
                        self._drop(number)
                        self._db.execute("DELETE FROM sessions WHERE id = ?", (number,))
        except sqlite3.Error as error:
            raise self._error(error) from error

    def find(self, condition: Condition, *, newest: int | None = None) -> Iterator[Place]:
        """Return the places of the records that meet all conditions, by time; with `newest`, only the last so many."""
        where, values = _where(condition)
        query = f"SELECT s.name, c.segment, r.offset, c.offset, r.at{_JOINED}{where}"
        if newest is not None:
            query = f"SELECT * FROM ({query} ORDER BY r.at DESC, r.seq DESC LIMIT {newest:d}) ORDER BY 5"  # noqa: S608 - a number
        else:
            query += " ORDER BY r.at, r.seq"
        try:
            for name, segment, offset, first, _ in self._db.execute(query, values):
                yield Place(name, segment, offset, first)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def count(self, condition: Condition) -> int:
        """Return how many records meet all conditions."""
        where, values = _where(condition)
        try:
            return int(self._db.execute(f"SELECT count(*){_JOINED}{where}", values).fetchone()[0])
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> AuditError:
        hint = f"it holds nothing of its own: rm {self._path}"
        return AuditError("the index of the logs failed", cause=str(error), hint=hint)

    def _session(self, name: str) -> int:
        self._db.execute("INSERT OR IGNORE INTO sessions (name) VALUES (?)", (name,))
        return int(self._db.execute("SELECT id FROM sessions WHERE name = ?", (name,)).fetchone()[0])

    def _drop(self, session: int, segment: int | None = None) -> None:
        which = "session = ?" + ("" if segment is None else " AND segment = ?")
        values = (session,) if segment is None else (session, segment)
        self._db.execute(f"DELETE FROM records WHERE call IN (SELECT id FROM calls WHERE {which})", values)  # noqa: S608
        self._db.execute(f"DELETE FROM calls WHERE {which}", values)  # noqa: S608
        self._db.execute(f"DELETE FROM files WHERE {which}", values)  # noqa: S608

    def _read_file(self, session: int, segment: int, directory: str) -> int:
        path = os.path.join(directory, segment_name(segment))
        with open_segment(path) as file:
            facts = os.fstat(file.fileno())
            known = self._db.execute(
                "SELECT inode, read_to FROM files WHERE session = ? AND segment = ?", (session, segment)
            ).fetchone()
            start = 0
            if known is not None:
                if known[0] == facts.st_ino and known[1] <= facts.st_size:
                    start = known[1]
                else:
                    self._drop(session, segment)
            if start == facts.st_size:
                return 0
            file.seek(start)
            reading = Intake(self._db, session=session, segment=segment, path=path, objects=self._objects)
            end = reading.read(file, start)
        self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (session, segment, facts.st_ino, end))
        return reading.records


def _connect(path: str) -> sqlite3.Connection:
    """Open the index, made when it is not there or of another version. Raises sqlite3.DatabaseError for no index."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)  # SQLite would make it 0644
    os.close(fd)
    db = sqlite3.connect(path, timeout=30)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")  # a lost index is built anew
        db.execute("PRAGMA cache_size = -131072")  # 128 MiB: the indexes are written in random order
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError("an index of another version")
        if version == 0:
            with db:
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _where(condition: Condition) -> tuple[str, list[object]]:
    """Return the WHERE clause of a condition, and its values."""
    parts: list[str] = []
    values: list[object] = []

    def add(part: str, *given: object) -> None:
        parts.append(part)
        values.extend(given)

    for column, glob in (
        ("s.name", condition.session),
        ("s.agent", condition.agent),
        ("c.tool", condition.tool),
        ("c.label", condition.label),
        ("c.layer", condition.layer),
        ("c.reason", condition.reason),
        ("c.outcome", condition.outcome),
    ):
        if glob is not None:
            add(f"{column} GLOB ?", _glob(glob))
    if condition.since_ns is not None:
        add("r.at >= ?", condition.since_ns)
    if condition.until_ns is not None:
        add("r.at < ?", condition.until_ns)
    if condition.path is not None:
        chosen = "(SELECT id FROM objects WHERE text GLOB ?)"
        glob = _glob(condition.path)
        add(f"(c.object IN {chosen} OR c.target IN {chosen}) AND {_one_of(_PATHS)}", glob, glob, *_PATHS)
    if condition.host is not None:
        chosen = "(SELECT id FROM objects WHERE text GLOB ?)"
        add(f"c.object IN {chosen} AND {_one_of(_HOSTS)}", _glob(condition.host), *_HOSTS)
    return (" WHERE " + " AND ".join(parts) if parts else ""), values


def _one_of(tools: tuple[str, ...]) -> str:
    return f"c.tool IN ({', '.join('?' * len(tools))})"


def _glob(pattern: str) -> str:
    """Return a shell glob as SQLite spells it."""
    return pattern.replace("[!", "[^")

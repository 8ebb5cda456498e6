"""Follow the logs of many sessions at once, of those that run and of those that will start.

Guarantees: it reads the logs like any other reader, so a slow or stopped reader slows no session down, and nothing is
lost: what was written meanwhile is read later. A log that is gone before it was read to its end is said, with the last
record that was seen.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, NamedTuple

from gmcp_sandbox.audit.entries import CallEntry
from gmcp_sandbox.audit.query import Follower
from gmcp_sandbox.errors import AuditError

if TYPE_CHECKING:
    from gmcp_sandbox.audit.entries import Entry
    from gmcp_sandbox.monitor.statedir import SessionDir, StateDir


class Seen(NamedTuple):
    """One record, or (entry None) something to say of a session."""

    session: str
    entry: Entry | None
    note: str = ""


class _Followed:
    """One session that is followed."""

    def __init__(self, session: SessionDir, *, from_start: bool) -> None:
        self.session = session
        self.last_seq = 0
        self._follower = Follower(str(session.path), from_start=from_start)

    def poll(self) -> tuple[list[Seen], bool]:
        """Return what is new, and whether the session is over."""
        is_over = not self.session.is_running()  # asked before reading: what it wrote last is there then
        try:
            entries = self._follower.poll()
        except AuditError as error:
            note = f"the log is lost after record {self.last_seq}: {error}"
            return [Seen(self.session.id, None, note)], True
        for entry in entries:
            if isinstance(entry, CallEntry):
                self.last_seq = entry.seq
        seen = [Seen(self.session.id, entry) for entry in entries]
        if is_over and not self._follower.is_sealed:
            seen.append(Seen(self.session.id, None, "ended without a seal"))
        return seen, is_over or self._follower.is_sealed

    def close(self) -> None:
        self._follower.close()


class Following:
    """All sessions, or those of some agents."""

    def __init__(self, state: StateDir, *, agent: str | None, from_start: bool) -> None:
        """Begin with the sessions that run now."""
        self._state = state
        self._agent = agent
        self._known: set[str] = set()
        self._followed: list[_Followed] = []
        self._join(from_start=from_start, is_first=True)

    def poll(self) -> list[Seen]:
        """Return what is new in all logs, in the order of time. It never waits."""
        self._join(from_start=True, is_first=False)
        found: list[Seen] = []
        for followed in tuple(self._followed):
            seen, is_over = followed.poll()
            found += seen
            if is_over:
                followed.close()
                self._followed.remove(followed)
        return sorted(found, key=lambda seen: 0 if seen.entry is None else seen.entry.at)

    def close(self) -> None:
        """Close the logs."""
        for followed in self._followed:
            followed.close()

    def _join(self, *, from_start: bool, is_first: bool) -> None:
        """Take sessions in that were not known; one whose log is not there yet is looked at again the next time."""
        for session in self._state.sessions(unlike=self._known):
            meta = session.meta()
            if meta is None or not session.log.exists():
                continue
            self._known.add(session.id)
            if is_first and not session.is_running():
                continue
            if self._agent is None or fnmatch.fnmatchcase(meta.agent, self._agent):
                self._followed.append(_Followed(session, from_start=from_start))

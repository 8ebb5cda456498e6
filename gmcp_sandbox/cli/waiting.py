"""Wait for the questions of one session, or of all: those that run and those that start later.

Guarantee: a session that ends, or cannot be reached, is left out and disturbs no other.
"""

from __future__ import annotations

import contextlib
import select
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from gmcp_sandbox.client import Client
from gmcp_sandbox.errors import HostError

if TYPE_CHECKING:
    from gmcp_sandbox.monitor.statedir import SessionDir, StateDir

LOOK_SECONDS = 0.5
"""How often it is looked for new sessions."""


class _Watched(NamedTuple):
    session: SessionDir
    client: Client
    questions: Iterator[list[dict[str, Any]]]


class Waiting:
    """The questions of sessions, as they come. Use as a context."""

    def __init__(self, state: StateDir, only: SessionDir | None = None) -> None:
        """Watch all sessions, or only one."""
        self._state = state
        self._only = only
        self._known: set[str] = set()
        self._seen: set[tuple[str, int]] = set()
        self._watched: list[_Watched] = []

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        for watched in self._watched:
            watched.client.close()

    @property
    def is_over(self) -> bool:
        """True when the one session has ended; all sessions are never over."""
        return self._only is not None and bool(self._known) and not self._watched

    def poll(self, seconds: float = LOOK_SECONDS) -> list[tuple[SessionDir, dict[str, Any]]]:
        """Return the questions that were not returned before; wait for the first of them, but not for ever."""
        found = self._join()
        if found:
            return found
        readable, _, _ = select.select([each.client for each in self._watched], [], [], seconds)
        for watched in [each for each in self._watched if each.client in readable]:
            found += self._take(watched)
        return found

    def _join(self) -> list[tuple[SessionDir, dict[str, Any]]]:
        found: list[tuple[SessionDir, dict[str, Any]]] = []
        sessions = self._state.sessions(unlike=self._known) if self._only is None else [self._only]
        for session in sessions:
            if session.id in self._known or session.meta() is None:
                continue
            if not session.is_running():
                self._known.add(session.id)
                continue
            with contextlib.suppress(HostError):  # its socket is not there yet, or not any more
                client = Client(str(session.path))
                self._known.add(session.id)
                watched = _Watched(session, client, client.watch())
                self._watched.append(watched)
                found += self._take(watched)
        return found

    def _take(self, watched: _Watched) -> list[tuple[SessionDir, dict[str, Any]]]:
        """Return what is new in all that a session has said."""
        found = []
        try:
            while True:
                for question in next(watched.questions):
                    if (key := (watched.session.id, question["id"])) not in self._seen:
                        self._seen.add(key)
                        found.append((watched.session, question))
                if not watched.client.has_more:
                    return found
        except (StopIteration, HostError):
            watched.client.close()
            self._watched.remove(watched)
        return found

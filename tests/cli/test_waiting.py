"""Questions of many sessions at once."""

from __future__ import annotations

import os
from typing import Any

from gmcp_sandbox.cli.waiting import Waiting
from gmcp_sandbox.monitor.statedir import StateDir
from tests.cli.desk import Desk, delete
from tests.cli.launches import Place


def polled(waiting: Waiting) -> list[tuple[str, str]]:
    return [(session.id, question["object"]) for session, question in waiting.poll(5)]


def test_questions_come_once_and_a_session_that_ends_disturbs_no_other(sessions: Any, place: Place) -> None:
    one, two, dead = (sessions.make(os.getpid()) for _ in range(3))
    with Waiting(StateDir.open()) as waiting, Desk(one[0], one[1], place.prepare("true")) as desk:
        desk.ask(delete("/ws/a"))
        with Desk(two[0], two[1], place.prepare("true")) as other:
            other.ask(delete("/ws/b"))
            assert sorted(polled(waiting)) == sorted([(one[0].id, "/ws/a"), (two[0].id, "/ws/b")])
            other.ask(delete("/ws/c"))
            assert polled(waiting) == [(two[0].id, "/ws/c")]
        assert polled(waiting) == []
        desk.ask(delete("/ws/d"))
        assert polled(waiting) == [(one[0].id, "/ws/d")]
        assert not waiting.is_over
    assert dead[0].is_running()  # there is nobody at its socket, and that stops nothing


def test_waiting_for_one_ends_with_it(sessions: Any, place: Place) -> None:
    session, writer = sessions.make(os.getpid())
    with Waiting(StateDir.open(), session) as waiting:
        with Desk(session, writer, place.prepare("true")) as desk:
            desk.ask(delete("/ws/a"))
            assert polled(waiting) == [(session.id, "/ws/a")]
        assert not waiting.is_over
        assert polled(waiting) == []
        assert waiting.is_over

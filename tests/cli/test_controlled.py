"""What a running session says of itself, and what can be done to it from outside."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from gmcp_sandbox.calls.arguments import FsStat
from gmcp_sandbox.calls.labels import OUTSIDE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.cli.controlled import Controlled
from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.monitor.session import Ending
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState
from tests.cli.launches import Place


@pytest.fixture
def endings() -> list[Ending]:
    return []


@pytest.fixture
def made(sessions: Any, place: Place, endings: list[Ending]) -> tuple[Any, Any, Controlled, SessionState]:
    session, writer = sessions.make()
    state = SessionState(Tier.STANDARD)
    controlled = Controlled(place.prepare("--name", "coder", "true"), writer, state, end=endings.append)
    return session, writer, controlled, state


def test_the_status_has_the_counts_and_who_it_is(made: Any) -> None:
    session, _, controlled, _ = made
    status = controlled.status()
    assert (status["session"], status["agent"], status["profile"]) == (session.id, "coder", "default")
    assert (status["allowed"], status["denied"], status["unseen"]) == (2, 1, 0)
    assert status["allowed_per_second"] > status["denied_per_second"] > 0
    assert (status["taint"], status["tier"], status["nodes"]) == ([], "standard", 0)
    assert msgspec.json.decode(msgspec.json.encode(status)) == status


def test_the_status_follows_what_the_session_has_seen(made: Any) -> None:
    _, _, controlled, state = made
    before = controlled.status()["epoch"]
    state.demote(Tier.LIMITED)
    assert controlled.status()["tier"] == "limited"
    assert controlled.status()["epoch"] > before


def test_looking_for_what_the_view_does_not_have_is_counted_apart(made: Any, decide: Any) -> None:
    session, writer, controlled, _ = made
    before = controlled.status()["denied_per_second"]
    for number in range(1000):
        one = decide(session, 10 + number, f"/home/u/.ssh/{number}")
        call = msgspec.structs.replace(one.call, tool=Tool.FS_STAT, args=FsStat("lookup"), label=OUTSIDE)
        writer.append(msgspec.structs.replace(one, call=call), 1)
    status = controlled.status()
    assert (status["denied"], status["unseen"]) == (1, 1000)
    assert status["denied_per_second"] <= before


async def test_rates_are_those_of_the_last_seconds(made: Any, nursery: Any, autojump_clock: MockClock) -> None:
    import trio

    _, _, controlled, _ = made
    nursery.start_soon(controlled.sample)
    await trio.sleep(30)
    status = controlled.status()
    assert (status["allowed_per_second"], status["denied_per_second"]) == (0, 0)
    assert (status["allowed"], status["denied"]) == (2, 1)


def test_a_stop_ends_the_session_as_a_signal_does(made: Any, endings: list[Ending]) -> None:
    made[2].stop()
    assert [(one.reason, one.code) for one in endings] == [("stopped", 143)]


async def test_what_is_not_read_again_says_so(made: Any) -> None:
    with pytest.raises(UsageError, match="not read again"):
        await made[2].reload()

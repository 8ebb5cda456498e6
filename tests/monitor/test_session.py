"""One session: the first ending wins, a service that breaks ends it, nothing outlives it."""

from __future__ import annotations

import pytest
import trio

from gmcp_sandbox.errors import AuditError, HostError
from gmcp_sandbox.monitor.session import (
    GIVE_BACK_SECONDS,
    SYNC_SECONDS,
    Ending,
    Session,
    end_after,
    give_memory_back,
    sync_in_groups,
)

EXITED = Ending("exited", 3)
STOPPED = Ending("stopped", 143, "the session was stopped")


async def test_a_session_ends_as_its_service_says() -> None:
    session = Session()

    async def service() -> None:
        session.end(EXITED)

    assert await session.run(service) == EXITED


async def test_the_first_ending_wins() -> None:
    session = Session()

    async def service() -> None:
        session.end(EXITED)
        session.end(STOPPED)
        await trio.lowlevel.checkpoint()
        session.end(STOPPED)

    assert await session.run(service, service) == EXITED


async def test_an_ending_from_before_the_start_counts() -> None:
    session = Session()
    session.end(STOPPED)
    assert await session.run(trio.sleep_forever) == STOPPED


async def test_a_service_that_just_returns_ends_nothing(autojump_clock: trio.testing.MockClock) -> None:
    session = Session()

    async def quick() -> None:
        await trio.lowlevel.checkpoint()

    async def slow() -> None:
        await trio.sleep(1000)
        session.end(EXITED)

    assert await session.run(quick, slow) == EXITED
    assert trio.current_time() >= 1000


async def test_no_task_outlives_the_session() -> None:
    session = Session()
    log: list[str] = []

    async def long() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("undone")

    async def service() -> None:
        await trio.testing.wait_all_tasks_blocked()
        session.end(EXITED)

    assert await session.run(long, long, service) == EXITED
    assert log == ["undone", "undone"]


@pytest.mark.parametrize("fault", [ValueError("odd"), ExceptionGroup("several", [KeyError("x")]), OSError(5, "io")])
async def test_a_service_that_breaks_ends_the_session_and_is_said(
    fault: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    async def service() -> None:
        raise fault

    ending = await Session().run(trio.sleep_forever, service)
    assert (ending.reason, ending.code, ending.hint) == ("failed", 125, "please report this")
    assert type(fault).__name__ in ending.error
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("fault", [HostError("no mount", hint="try this"), AuditError("disk full", hint="free it")])
async def test_a_known_fault_is_said_without_a_traceback(
    fault: HostError | AuditError, capsys: pytest.CaptureFixture[str]
) -> None:
    async def service() -> None:
        raise fault

    ending = await Session().run(trio.sleep_forever, service)
    assert ending == Ending("failed", fault.exit_code, str(fault), fault.hint)
    assert capsys.readouterr().err == ""


async def test_a_fault_while_the_session_ends_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session()

    async def clumsy() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise RuntimeError("while undoing")

    async def service() -> None:
        await trio.testing.wait_all_tasks_blocked()
        session.end(EXITED)

    assert await session.run(clumsy, service) == EXITED
    assert "while undoing" in capsys.readouterr().err


async def test_a_cancelled_session_passes_the_cancellation_on() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await Session().run(trio.sleep_forever)
    assert scope.cancelled_caught


async def test_the_wall_clock_ends_a_session(autojump_clock: trio.testing.MockClock) -> None:
    session = Session()
    ending = await session.run(trio.sleep_forever, lambda: end_after(session, 3600))
    assert (ending.reason, ending.code) == ("time_limit", 124)
    assert "3600 seconds" in ending.error
    assert trio.current_time() == pytest.approx(3600, abs=1)


async def test_the_log_is_synced_in_groups_and_only_when_something_was_written(
    autojump_clock: trio.testing.MockClock,
) -> None:
    dirty = [False, True, False, True]
    synced: list[float] = []
    seen: list[float] = []

    def is_dirty() -> bool:
        seen.append(trio.current_time())
        return dirty.pop(0) if dirty else False

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sync_in_groups, lambda: synced.append(0.0), is_dirty)
        while len(seen) < 5:
            await trio.sleep(SYNC_SECONDS)
        nursery.cancel_scope.cancel()
    assert len(synced) == 2
    assert seen[1] - seen[0] >= SYNC_SECONDS


async def test_memory_is_given_back_only_after_something_was_done(autojump_clock: trio.testing.MockClock) -> None:
    done, released = [0], []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(give_memory_back, lambda: done[0], lambda: released.append(trio.current_time))
        for counts, expected in ((0, 0), (7, 1), (7, 1), (8, 2)):
            done[0] = counts
            await trio.sleep(GIVE_BACK_SECONDS + 0.1)
            while len(released) < expected:  # the clock jumps also while a thread works
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert len(released) == 2

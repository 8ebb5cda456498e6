from __future__ import annotations

import msgspec
import pytest
import trio

from gmcp_sandbox.calls.arguments import FsDelete, FsWrite
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.monitor.approvals import MAX_PENDING, Approvals
from gmcp_sandbox.policy.approving import Grant

ASKS = (
    Verdict(Layer.TRUST, Outcome.ALLOW, "trust.ok"),
    Verdict(Layer.CONSTITUTION, Outcome.ASK, "constitution.ask-me", "a person decides"),
)


def delete(path="/ws/a", seq=1):
    return ToolCall(seq, seq, "00000000", "coder", 7, Tool.FS_DELETE, path, FsDelete("file"), WORKSPACE)


def write(content, path="/ws/a"):
    args = FsWrite("write")
    return ToolCall(1, 1, "00000000", "coder", 7, Tool.FS_WRITE, path, args, WORKSPACE, content=content)


def approvals(grants=(), **options):
    return Approvals(grants, deadline_seconds=60, clock=lambda: 5, **options)


class Asking:
    """Asks in a nursery, and keeps the answers."""

    def __init__(self, nursery, to):
        self.answers = []
        self._nursery = nursery
        self._to = to

    async def __call__(self, call):
        async def ask():
            self.answers.append(await self._to.ask(call, ASKS))

        self._nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()


@pytest.fixture
def desk():
    return approvals()


@pytest.fixture
def ask(nursery, desk):
    return Asking(nursery, desk)


async def test_a_question_tells_what_is_asked_and_waits(desk, ask):
    await ask(delete())
    (question,) = desk.pending()
    assert (question.tool, question.object, question.label, question.agent) == (
        "fs.delete",
        "/ws/a",
        "workspace",
        "coder",
    )
    assert question.reasons == (("constitution", "constitution.ask-me", "a person decides"),)
    assert question.patterns == ("/ws/a", "/ws/**")
    assert question.deadline_ns == 5 + 60 * 10**9
    assert ask.answers == []
    desk.answer(question.id, allow=True, by="me")
    await trio.testing.wait_all_tasks_blocked()
    assert [(answer.is_granted, answer.by) for answer in ask.answers] == [(True, "me")]
    assert desk.pending() == []


async def test_identical_asks_are_one_question(desk, ask):
    for seq in (1, 2, 3):
        await ask(delete(seq=seq))
    (question,) = desk.pending()
    assert question.waiting == 3
    desk.answer(question.id, allow=False, by="me")
    await trio.testing.wait_all_tasks_blocked()
    assert [answer.is_granted for answer in ask.answers] == [False] * 3


async def test_another_content_is_another_question(desk, ask):
    await ask(write(b"one"))
    await ask(write(b"two"))
    assert [question.content_bytes for question in desk.pending()] == [3, 3]
    assert [desk.content(question.id) for question in desk.pending()] == [b"one", b"two"]


async def test_an_answer_holds_once_unless_a_pattern_was_named(desk, ask):
    await ask(delete())
    desk.answer(1, allow=True, by="me")
    await ask(delete())  # asked before the first asker has heard of its answer, and not answered by it
    assert len(desk.pending()) == 1
    desk.answer(2, allow=True, by="me", pattern="/ws/**")
    await trio.testing.wait_all_tasks_blocked()
    await ask(delete("/ws/deep/b"))
    assert desk.pending() == []
    assert ask.answers[-1].by == "an answer for this session: /ws/**"
    await ask(delete("/elsewhere"))
    assert len(desk.pending()) == 1


async def test_a_pattern_that_does_not_cover_the_call_answers_nothing(desk, ask):
    await ask(delete())
    for pattern in ("/other/**", "[", ""):
        with pytest.raises(UsageError):
            desk.answer(1, allow=True, by="me", pattern=pattern)
    assert len(desk.pending()) == 1


async def test_a_question_whose_askers_went_away_is_closed(desk, autojump_clock):
    with trio.move_on_after(5):
        await desk.ask(delete(), ASKS)
    assert desk.pending() == []
    with pytest.raises(UsageError, match="no question 1"):
        desk.answer(1, allow=True, by="me")


async def test_an_answer_that_came_is_not_changed_by_another(desk, ask):
    await ask(delete())
    desk.answer(1, allow=False, by="me")
    with pytest.raises(UsageError):
        desk.answer(1, allow=True, by="you")
    await trio.testing.wait_all_tasks_blocked()
    assert [answer.is_granted for answer in ask.answers] == [False]


async def test_a_standing_grant_answers_without_a_question(nursery):
    granted = approvals([Grant(("constitution.ask-me",), (Tool.FS_DELETE,), ("/ws/**",))], is_open=False)
    answer = await granted.ask(delete(), ASKS)
    assert (answer.is_granted, answer.by) == (True, "a grant of the profile")
    assert not (await granted.ask(delete("/else"), ASKS)).is_granted
    granted.replace_grants(())
    assert not (await granted.ask(delete(), ASKS)).is_granted


async def test_a_flood_of_questions_is_refused(desk, ask):
    for number in range(MAX_PENDING + 3):
        await ask(delete(f"/ws/{number}"))
    assert len(desk.pending()) == MAX_PENDING
    assert [answer.is_granted for answer in ask.answers] == [False] * 3


async def test_whoever_watches_hears_of_every_change(desk, ask):
    heard = []
    watcher = lambda: heard.append(len(desk.pending()))  # noqa: E731
    desk.watch(watcher)
    await ask(delete())
    desk.answer(1, allow=True, by="me")
    await trio.testing.wait_all_tasks_blocked()
    assert heard[0] == 1 and heard[-1] == 0
    desk.unwatch(watcher)
    await ask(delete())
    assert heard[-1] == 0


async def test_secrets_in_arguments_are_not_shown(desk, nursery):
    from gmcp_sandbox.calls.arguments import ProcExec

    argv = ("curl", "-H", "Authorization: Bearer abcdefghijklmnop")
    call = ToolCall(1, 1, "00000000", "c", 7, Tool.PROC_EXEC, "/usr/bin/curl", ProcExec(argv), WORKSPACE)
    await Asking(nursery, desk)(call)
    assert "abcdefghijklmnop" not in str(desk.pending()[0].arguments)


async def test_the_same_bytes_at_another_place_are_another_question(desk, ask):
    """An agent that holds two writes back: what was approved at one offset says something else at the other."""
    for offset in (0, 4096):
        await ask(msgspec.structs.replace(write(b"yes"), extent=(offset, 3)))
    first, second = desk.pending()
    assert (first.arguments["offset"], second.arguments["offset"]) == (0, 4096)
    desk.answer(first.id, allow=True, by="me")
    await trio.testing.wait_all_tasks_blocked()
    assert [answer.is_granted for answer in ask.answers] == [True]
    assert desk.pending() == [second]

"""Questions on their way to the user's terminal, through a real line to the front, and answers on their way back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.cli.questions import TerminalQuestions, open_control
from gmcp_sandbox.client import Client
from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.monitor.approvals import Approvals
from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.prompting import Prompt
from tests.cli.desk import ASKS, Desk, delete
from tests.cli.launches import Place


class Terminal:
    """Both ends of the line to the front, and the questions of a session."""

    def __init__(self, nursery: Any) -> None:
        self.approvals = Approvals((), deadline_seconds=60, clock=lambda: 5)
        self.front, self.ours = Channel.pair()
        self.questions = TerminalQuestions(self.approvals, self.ours, "7f3a2b1c")
        self.granted: list[bool] = []
        self._nursery = nursery

    async def ask(self, call: ToolCall) -> None:
        import trio.testing

        async def wait() -> None:
            self.granted.append((await self.approvals.ask(call, ASKS)).is_granted)

        self._nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()

    async def answer(self, **message: object) -> None:
        import trio.testing

        self.questions.take({"kind": "answer", **message})
        await trio.testing.wait_all_tasks_blocked()

    def told(self) -> list[dict[str, Any]]:
        """Return what the front has been told meanwhile."""
        self.ours.send("no more")
        found = []
        while (received := self.front.receive()) is not None and received[0]["kind"] != "no more":
            found.append(received[0])
        return found


@pytest.fixture
def terminal(nursery: Any) -> Iterator[Terminal]:
    made = Terminal(nursery)
    yield made
    made.front.close()
    made.ours.close()


async def test_a_question_is_shown_once_and_its_end_is_told(terminal: Terminal) -> None:
    await terminal.ask(delete("/ws/a"))
    await terminal.ask(delete("/ws/a"))
    (shown,) = terminal.told()
    assert (shown["kind"], shown["question"]["object"]) == ("ask", "/ws/a")
    await terminal.answer(id=shown["question"]["id"], allow=True)
    assert terminal.granted == [True, True]
    assert terminal.told() == [{"kind": "ask_over", "id": shown["question"]["id"]}]


async def test_an_answer_for_a_pattern_holds_for_the_session(terminal: Terminal) -> None:
    await terminal.ask(delete("/ws/a"))
    (shown,) = terminal.told()
    await terminal.answer(id=shown["question"]["id"], allow=True, pattern=shown["question"]["patterns"][1])
    await terminal.ask(delete("/ws/b"))
    assert terminal.granted == [True, True]


@pytest.mark.parametrize("said", [False, None, 1, "true"])
async def test_only_yes_is_yes(terminal: Terminal, said: object) -> None:
    await terminal.ask(delete("/ws/a"))
    await terminal.answer(id=1, allow=said, pattern="/ws/**")
    assert terminal.granted == [False]


async def test_an_answer_that_comes_too_late_changes_nothing(terminal: Terminal) -> None:
    await terminal.ask(delete("/ws/a"))
    terminal.approvals.answer(1, allow=False, by="another")
    await terminal.answer(id=1, allow=True)
    await terminal.answer(id=99, allow=True)
    assert terminal.granted == [False]


async def test_a_pattern_beside_the_question_grants_nothing(terminal: Terminal) -> None:
    await terminal.ask(delete("/ws/a"))
    await terminal.answer(id=1, allow=True, pattern="/etc/**")
    assert terminal.granted == []
    assert len(terminal.approvals.pending()) == 1


async def test_a_front_that_is_busy_gets_the_question_with_the_next_change(terminal: Terminal) -> None:
    while terminal.ours.offer("notice", text="x" * 4096):
        pass
    await terminal.ask(delete("/ws/a"))
    assert {message["kind"] for message in _drain(terminal)} == {"notice"}
    await terminal.ask(delete("/ws/b"))
    assert [message["question"]["object"] for message in terminal.told()] == ["/ws/a", "/ws/b"]


def _drain(terminal: Terminal) -> list[dict[str, Any]]:
    os.set_blocking(terminal.front.fileno(), False)
    found = []
    try:
        while (received := terminal.front.receive()) is not None:
            found.append(received[0])
    except BlockingIOError:
        pass
    os.set_blocking(terminal.front.fileno(), True)
    return found


TEXTS = st.text(st.sampled_from("a\udcff\N{GRINNING FACE}\x1b\x00é"), max_size=5) | st.text(max_size=20)
WORDS = st.tuples(TEXTS, st.sampled_from([1, 300, 4000])).map(lambda pair: pair[0] * pair[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, max_size=40), WORDS)
@example(["\N{GRINNING FACE}" * 2000] * 16, "a" * 4000)
def test_every_question_reaches_the_terminal_whole(words: list[str], program: str) -> None:
    import trio

    path = "/" + program.replace("\0", "")
    call = ToolCall(1, 1, "s", "coder", 7, Tool.PROC_EXEC, path, ProcExec(tuple(words)), WORKSPACE)

    async def check() -> None:
        async with trio.open_nursery() as nursery:
            terminal = Terminal(nursery)
            await terminal.ask(call)
            (shown,) = terminal.told()
            assert "\x1b" not in Prompt(shown["question"]).text()
            assert all(pattern in terminal.approvals.pending()[0].patterns for pattern in shown["question"]["patterns"])
            nursery.cancel_scope.cancel()
            terminal.front.close()
            terminal.ours.close()

    trio.run(check)


def test_the_control_socket_stands_in_the_sessions_directory_and_answers(sessions: Any, place: Place) -> None:
    session, writer = sessions.make(os.getpid())
    with Desk(session, writer, place.prepare("true")) as desk, Client(str(session.path)) as client:
        assert client.status()["session"] == session.id
        desk.ask(delete("/ws/a"))
        assert client.status()["asks"] == 1
        client.answer(client.asks()[0]["id"], allow=True)
        desk.settle()
        assert desk.answers["/ws/a"].is_granted
        with pytest.raises(UsageError, match="not read again"):
            client.call("reload")
        client.call("stop")
        assert [one.reason for one in desk.endings] == ["stopped"]


def test_a_socket_that_is_there_already_is_nobodys_but_its_makers(sessions: Any) -> None:
    session, _ = sessions.make()
    with open_control(session), pytest.raises(HostError, match="control socket"):
        open_control(session)

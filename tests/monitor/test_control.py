from __future__ import annotations

import contextlib
import json
import os

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.client import Client
from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.monitor import control
from gmcp_sandbox.monitor.approvals import Approvals
from tests.monitor.test_approvals import ASKS, delete, write


class Session:
    """A session that notes what it is told."""

    def __init__(self):
        self.is_stopped = False

    def status(self):
        return {"session": "0123abcd"}

    def change(self, call):
        return (b"old\n", b"new\xff\n") if call.content else None

    async def reload(self):
        raise UsageError("it is wrong", cause="line 3", hint="mend it")

    def stop(self):
        self.is_stopped = True


@pytest.fixture
def desk():
    return Approvals((), deadline_seconds=60, clock=lambda: 5)


@pytest.fixture
async def served(tmp_path, desk, nursery):
    """Serve a control socket in a directory whose path is longer than an address of a socket can be."""
    directory = tmp_path.joinpath(*["a-directory-with-a-rather-long-name"] * 6)
    directory.mkdir(parents=True)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    sock = control.listen(fd)
    os.close(fd)
    session = Session()
    nursery.start_soon(control.serve, sock, desk, session)
    return str(directory), session


async def in_thread(function):
    return await trio.to_thread.run_sync(function, abandon_on_cancel=True)


async def test_a_program_lists_and_answers(served, desk, nursery):
    directory, session = served
    answers = []

    async def ask(call):
        answers.append((await desk.ask(call, ASKS)).is_granted)

    nursery.start_soon(ask, delete("/ws/a"))
    nursery.start_soon(ask, write(b"content\xff", "/ws/b"))
    await trio.testing.wait_all_tasks_blocked()

    def work():
        with Client(directory) as client:
            assert client.status() == {"session": "0123abcd", "asks": 2}
            by_tool = {one["tool"]: one for one in client.asks()}
            assert client.content(by_tool["fs.write"]["id"]) == (b"content\xff", False)
            assert client.content(by_tool["fs.delete"]["id"]) is None
            assert client.change(by_tool["fs.write"]["id"]) == (b"old\n", b"new\xff\n")
            assert client.change(by_tool["fs.delete"]["id"]) is None
            client.answer(by_tool["fs.delete"]["id"], allow=True, by="bot")
            client.answer(by_tool["fs.write"]["id"], allow=False)
            assert client.asks() == []
            client.call("stop")

    await in_thread(work)
    await trio.testing.wait_all_tasks_blocked()
    assert sorted(answers) == [False, True]
    assert session.is_stopped


async def test_whoever_watches_gets_each_question(served, desk, nursery):
    directory, _ = served
    seen = []

    def watch():
        with Client(directory) as client:
            for questions in client.watch():
                seen.append([one["object"] for one in questions])
                if seen[-1]:
                    client.answer(questions[0]["id"], allow=True)
                    return

    async with trio.open_nursery() as inner:
        inner.start_soon(in_thread, watch)
        while not seen:
            await trio.sleep(0.01)
        assert (await desk.ask(delete("/ws/seen"), ASKS)).is_granted
    assert seen == [[], ["/ws/seen"]]


async def test_errors_are_said_and_the_line_stays(served):
    directory, _ = served

    def work():
        with Client(directory) as client:
            with pytest.raises(UsageError, match="it is wrong") as caught:
                client.call("reload")
            assert (caught.value.cause, caught.value.hint) == ("line 3", "mend it")
            for do, fields in (
                ("dance", {}),
                ("answer", {"ask": 9, "allow": True}),
                ("answer", {"ask": 9}),
                ("content", {}),
            ):
                with pytest.raises(UsageError):
                    client.call(do, **fields)
            assert client.status()["asks"] == 0

    await in_thread(work)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_a_hostile_line_is_a_request_or_a_refusal(data):
    import msgspec

    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
        assert msgspec.json.decode(data, type=control.Request).do is not None


async def test_nonsense_and_endless_lines_lose_their_connection_alone(served):
    directory, _ = served
    fd = os.open(directory, os.O_RDONLY)
    path = f"/proc/self/fd/{fd}/{control.NAME}"
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"x" * (control.MAX_LINE + 2), b'{"do":"status","evil":1}\n'):
        stream = await trio.open_unix_socket(path)
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(nonsense)
            with trio.fail_after(5):
                while await stream.receive_some(4096):
                    pass
        await stream.aclose()
    stream = await trio.open_unix_socket(path)
    await stream.send_all(b'{"id":4,"do":"status"}\n')
    assert json.loads(await stream.receive_some(4096)) == {"id": 4, "result": {"session": "0123abcd", "asks": 0}}
    await stream.aclose()
    os.close(fd)


async def test_the_socket_is_the_owners_alone(served):
    directory, _ = served
    assert os.stat(f"{directory}/{control.NAME}").st_mode & 0o777 == 0o600


def test_a_session_that_is_gone_is_said(tmp_path):
    with pytest.raises(HostError, match="cannot be reached"):
        Client(str(tmp_path))

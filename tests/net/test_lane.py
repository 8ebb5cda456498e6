"""The quick way of plain HTTP, beside what test_http.py, whose flows go by it, says of all flows."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.monitor.mediator import Unsettled
from gmcp_sandbox.net.lane import Lane, Simple
from gmcp_sandbox.net.questions import Questions
from gmcp_sandbox.net.requests import Reader, Writer
from gmcp_sandbox.net.side import Side
from gmcp_sandbox.pipeline.cache import Judgement
from tests.net.talk import TARGET, Door, pair, read_all, read_until, talk

GET = b"GET /%b HTTP/1.1\r\nHost: example.com\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def _exchange(ends, path=b"a"):
    await ends.agent.send_all(GET % path)
    assert (await read_until(ends.server, b"\r\n\r\n")).startswith(b"GET /" + path)
    await ends.server.send_all(OK)
    assert await read_until(ends.agent, b"ok") == OK


async def test_every_request_is_asked_for_and_every_byte_counted():
    counted = [0, 0]

    def moved(up, down):
        counted[0] += up
        counted[1] += down

    async with talk(door := Door(), moved=moved) as ends:
        for path in (b"a", b"b", b"c"):
            await _exchange(ends, path)
        await ends.agent.aclose()
        closing = await ends.end()
    assert door.asked == ["http.request GET /a", "http.request GET /b", "http.request GET /c"]
    assert counted == [3 * len(GET % b"a"), 3 * len(OK)] == [closing.up, closing.down]


async def test_a_denied_request_after_quick_ones_never_reaches_the_server():
    async with talk(door := Door(lambda call: getattr(call.args, "path", None) == "/secret")) as ends:
        await _exchange(ends)
        await ends.agent.send_all(GET % b"secret")
        assert (await read_until(ends.agent, b"here\n")).startswith(b"HTTP/1.1 403")
        await ends.agent.aclose()
        assert await ends.closing() == "refused"
        assert await read_all(ends.server) == b""
    assert door.asked[1:] == ["http.request GET /secret"]


async def test_smuggling_after_quick_requests_is_refused():
    async with talk(door := Door()) as ends:
        await _exchange(ends)
        await ends.agent.send_all(
            b"GET /a HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert (await read_until(ends.agent, b")\n")).startswith(b"HTTP/1.1 400")
    assert door.args[-1].fault == "length_and_encoding"


async def test_another_host_after_quick_requests_is_refused():
    async with talk(Door()) as ends:
        await _exchange(ends)
        await ends.agent.send_all(b"GET /a HTTP/1.1\r\nHost: other.example\r\n\r\n")
        assert (await read_until(ends.agent, b"here\n")).startswith(b"HTTP/1.1 403")
        await ends.agent.aclose()
        assert await read_all(ends.server) == b""


async def test_a_request_in_pieces_a_body_and_a_pipeline_between_quick_ones():
    async with talk(door := Door()) as ends:
        await _exchange(ends)
        await ends.agent.send_all(b"GET /p HT")
        await trio.testing.wait_all_tasks_blocked(0.01)
        await ends.agent.send_all(b"TP/1.1\r\nHost: example.com\r\n\r\n")
        await read_until(ends.server, b"\r\n\r\n")
        await ends.agent.send_all(b"POST /q HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\n\r\nhi" + GET % b"r")
        await ends.server.send_all(OK)
        assert await read_until(ends.agent, b"ok") == OK
        assert (await read_until(ends.server, b"hi")).startswith(b"POST /q")
        await ends.server.send_all(OK)
        assert (await read_until(ends.server, b"\r\n\r\n")).startswith(b"GET /r")
        await ends.server.send_all(OK)
        assert await read_until(ends.agent, OK + OK)
        await _exchange(ends, b"s")
    assert [line.rpartition("/")[2] for line in door.asked] == ["a", "p", "q", "r", "s"]


async def test_an_answer_in_pieces_between_quick_ones():
    async with talk(Door()) as ends:
        await _exchange(ends)
        await ends.agent.send_all(GET % b"a")
        await read_until(ends.server, b"\r\n\r\n")
        for part in (OK[:9], OK[9:-1], OK[-1:]):
            await ends.server.send_all(part)
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert await read_until(ends.agent, b"ok") == OK
        await _exchange(ends)


async def test_a_server_that_hangs_up_or_speaks_unasked_ends_the_flow():
    async with talk(Door()) as ends:
        await _exchange(ends)
        await ends.server.aclose()
        assert await ends.closing() == "closed"
    async with talk(Door()) as ends:
        await _exchange(ends)
        await ends.server.send_all(OK)
        assert await ends.closing() == "closed"
        assert await read_all(ends.agent) == b""


async def test_a_server_that_is_gone_while_its_answer_is_due_is_a_reset():
    async with talk(Door()) as ends:
        await _exchange(ends)
        await ends.agent.send_all(GET % b"a")
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.aclose()
        assert await ends.closing() == "reset"


async def test_an_agent_that_hangs_up_early_does_not_keep_the_loop_busy():
    async with talk(Door()) as ends:
        await _exchange(ends)
        await ends.agent.send_all(GET % b"a")
        await read_until(ends.server, b"\r\n\r\n")
        await ends.agent.send_eof()
        await trio.testing.wait_all_tasks_blocked(0.01)
        await ends.server.send_all(OK)
        assert await read_until(ends.agent, b"ok") == OK
        assert await ends.closing() == "closed"


async def test_an_agent_that_does_not_read_gets_all_of_it_later():
    body = b"x" * 12_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12000\r\n\r\n" + body
    async with talk(Door()) as ends:
        await _exchange(ends)
        sent = 0
        with trio.move_on_after(0.5):
            while True:
                await ends.agent.send_all(GET % b"a")
                await read_until(ends.server, b"\r\n\r\n")
                await ends.server.send_all(answer)
                sent += 1
        got = 0
        while got < sent * len(answer):
            got += len(await ends.agent.receive_some())


async def test_what_somebody_has_to_answer_for_is_asked_once_and_waits():
    class Slow(Door):
        is_slow = False

        def begin(self, call: ToolCall) -> Decision | Unsettled:  # type: ignore[override]
            if self.is_slow:
                return Unsettled(Judgement((), Outcome.ASK, 0))
            return super().begin(call)

        async def settle(self, call: ToolCall, unsettled: object) -> Decision:
            self.calls.append(call)
            await answered.wait()
            return Decision(call, Outcome.ALLOW, (Verdict(Layer.TRUST, Outcome.ALLOW, "trust.test"),), 0)

    answered = trio.Event()
    async with talk(door := Slow()) as ends:
        await _exchange(ends)
        door.is_slow = True
        await ends.agent.send_all(GET % b"b")
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(door.calls) == 2
        answered.set()
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(OK)
        assert await read_until(ends.agent, b"ok") == OK
    assert door.asked == ["http.request GET /a", "http.request GET /b"]


async def test_what_cannot_be_recorded_is_not_sent_and_raised_in_the_flow():
    class Broken(Door):
        def begin(self, call: ToolCall) -> Decision:
            raise AuditError("the disk is full")

    agent, inner = pair()
    outer, server = pair()
    lane = Lane()
    simple = Simple(Questions(Broken(), TARGET), (Side(inner), Side(outer)), (Reader("http"), Writer()), b"example.com")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.serve)
        await agent.send_all(GET % b"a")
        with trio.fail_after(5), pytest.raises(AuditError, match="disk is full"):
            await lane.lead(simple)
        nursery.cancel_scope.cancel()
    await trio.aclose_forcefully(outer)
    assert await read_all(server) == b""
    for stream in (agent, inner, server):
        stream.socket.close()


async def test_a_flow_that_is_cut_off_is_forgotten():
    async with talk(Door()) as ends:
        await _exchange(ends)
    async with talk(Door()) as ends:
        await _exchange(ends)

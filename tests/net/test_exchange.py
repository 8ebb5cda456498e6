"""One request and its answer, when things go wrong at the worst moment."""

import pytest
import trio

from gmcp_sandbox.net.exchange import Exchange, MisplacedInBody, Passed, Raw, Refused
from gmcp_sandbox.net.framing import BodyError
from gmcp_sandbox.net.head import parse_request
from gmcp_sandbox.net.requests import read_request
from gmcp_sandbox.net.side import Side, SideIdle, SideLost
from tests.net.talk import pair, read_until

POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n"


class Stage:
    """An exchange between sockets; what `run` gave or raised is in `result`."""

    def __init__(self, text, buffered=b"", **how):
        self.agent, inner = pair()
        outer, self.server = pair()
        self.streams = (self.agent, inner, outer, self.server)
        self.sides = Side(inner, buffered, idle=5), Side(outer, idle=5)
        request = read_request(parse_request(text.encode()), "http")
        self.exchange = Exchange(*self.sides, Passed(request, b"HEAD\r\n\r\n", **how))
        self.result = None

    async def run(self):
        try:
            self.result = await self.exchange.run()
        except (Refused, BodyError, MisplacedInBody, SideLost, SideIdle) as error:
            self.result = error


@pytest.fixture
async def stage():
    stages = []

    def build(*args, **how):
        stages.append(Stage(*args, **how))
        return stages[-1]

    yield build
    for each in stages:
        for stream in each.streams:
            await stream.aclose()


async def test_a_body_that_was_read_already_goes_with_the_head(stage):
    here = stage(POST, b"12345678GET")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.run)
        assert await here.server.receive_some() == b"HEAD\r\n\r\n12345678"
        await here.server.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert here.result is True
    assert here.sides[0].buffered == b"GET"


async def test_an_answer_in_the_middle_of_a_body_ends_both(stage):
    here = stage(POST, b"123")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.run)
        await read_until(here.server, b"123")
        await here.server.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        assert b"Connection: close" in await read_until(here.agent, b"\r\n\r\n")
    assert here.result is False


async def test_a_server_that_stops_listening_may_still_answer(stage):
    here = stage("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.run)
        await here.server.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await here.server.aclose()
        assert b"413" in await read_until(here.agent, b"\r\n\r\n")
    assert here.result is False


async def test_an_agent_that_leaves_in_the_middle_of_a_body(stage):
    here = stage(POST, b"123")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.run)
        await read_until(here.server, b"123")
        await here.agent.aclose()
    assert isinstance(here.result, BodyError | SideLost)


async def test_silence_of_both_ends_it(stage, autojump_clock):
    here = stage(POST, b"123")
    await here.run()
    assert isinstance(here.result, SideIdle)


async def test_a_long_upload_is_no_silence_of_the_server(stage, autojump_clock):
    here = stage("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.run)
        for _ in range(10):
            await trio.sleep(3)
            await here.agent.send_all(b"x")
        assert len(await read_until(here.server, b"xxxxxxxxxx")) == 18
        await here.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert here.result is True


async def test_a_placeholder_in_a_body_stops_it(stage):
    here = stage(POST, b"abPLACE8", placeholders=(b"PLACE",))
    await here.run()
    assert isinstance(here.result, MisplacedInBody)
    assert not here.exchange.has_answered


async def test_interim_answers_without_end(stage):
    here = stage("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await here.server.send_all(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
    await here.run()
    assert isinstance(here.result, Refused)


async def test_a_client_of_http_1_0_gets_no_interim_answers_and_no_chunks(stage):
    here = stage("GET / HTTP/1.0\r\n\r\n")
    await here.server.send_all(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    )
    await here.run()
    assert await read_until(here.agent, b"ok") == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"
    assert here.result is False


async def test_what_follows_an_answer_ends_the_connection(stage):
    here = stage("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await here.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 Smuggled\r\n\r\n")
    await here.run()
    assert here.result is False
    assert b"Smuggled" not in await read_until(here.agent, b"ok")


async def test_echoes_are_masked_in_trailers_too(stage):
    here = stage("GET / HTTP/1.1\r\nHost: a\r\n\r\n", echoes={b"token": b"*****"})
    await here.server.send_all(
        b"HTTP/1.1 200 token\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntok\r\n2\r\nen\r\n0\r\nX: token\r\n\r\n"
    )
    await here.run()
    answer = await read_until(here.agent, b"X: ")
    assert b"token" not in answer
    assert answer.count(b"*****") >= 2


async def test_a_broken_chunk_of_the_server_cuts_the_answer_off(stage):
    here = stage("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await here.server.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    await here.run()
    assert isinstance(here.result, SideLost)


async def test_raw_leaves_everything_in_the_buffers(stage):
    here = stage("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", b"up")
    await here.server.send_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\ndown")
    await here.run()
    assert isinstance(here.result, Raw)
    assert [side.buffered for side in here.sides] == [b"up", b"down"]

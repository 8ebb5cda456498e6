"""Servers with a URL: the real one of the SDK's, and some that mean harm."""

import gzip
import json
import socket
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from gmcp_sandbox.mcp.asking import Opened
from gmcp_sandbox.mcp.conversation import CannotConnect
from gmcp_sandbox.mcp.line import Server
from gmcp_sandbox.mcp.messages import Failure, Notification, Result
from gmcp_sandbox.mcp.remote import opener, rehearse
from tests.mcp.talk import fields, request

pytestmark = [
    # The SDK leaves generators to the garbage collector, which says so under trio, and logs what servers do wrong.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.expects_log(".*"),
]

AGENT = Path(__file__).resolve().parents[1] / "e2e" / "agents" / "mcp_server.py"
TRUST = ssl.create_default_context()
LONGEST = 100_000
CLIENT = {"name": "x", "version": "1"}
HELLO = request(1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=CLIENT)


@asynccontextmanager
async def remote(want, url="http://here.example/mcp", headers=()):
    server = Server("s", url, headers, 10.0, 10.0, 1, LONGEST)
    async with trio.open_nursery() as nursery:
        end = await opener(TRUST)(server, want, nursery)
        yield end
        await end.aclose()


class Web:
    """A server of our own: gives one answer to each connection, and keeps what it was asked."""

    def __init__(self, nursery, answer):
        self.nursery, self.answer, self.heard = nursery, answer, []

    async def want(self):
        ours, theirs = socket.socketpair()
        self.nursery.start_soon(self._serve, trio.SocketStream(trio.socket.from_stdlib_socket(theirs)))
        return Opened(0, (ours.detach(),))

    async def _serve(self, stream):
        async with stream:
            self.heard.append(bytes(await stream.receive_some(100_000)))
            try:
                for part in self.answer if isinstance(self.answer, list) else [self.answer]:
                    await stream.send_all(part)
            except trio.BrokenResourceError:
                pass


def http(body, kind=b"application/json", head=b""):
    length = b"content-length: %d\r\n" % len(body)
    return b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\nconnection: close\r\n" + length + head + b"\r\n" + body


async def ask(answer, **how):
    """Return what came of `initialize` where a server answers like this, and what it heard."""
    async with trio.open_nursery() as nursery:
        web = Web(nursery, answer)
        async with remote(web.want, **how) as end:
            await end.send(HELLO)
            with trio.fail_after(20):
                found = await end.receive()
        nursery.cancel_scope.cancel()
    return found, web.heard


GOOD = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-06-18"}}).encode()


async def test_an_answer_comes_as_json_or_as_a_stream():
    assert isinstance((await ask(http(GOOD)))[0], Result)
    stream = http(b"event: message\r\ndata: " + GOOD + b"\r\n\r\n", b"text/event-stream")
    assert isinstance((await ask(stream))[0], Result)


async def test_the_profiles_headers_are_in_the_request():
    _, heard = await ask(http(GOOD), headers=(("Authorization", "Bearer sesame"),))
    assert b"authorization: bearer sesame" in heard[0].lower()


async def test_a_redirect_to_another_origin_is_not_followed_and_no_credential_goes_there():
    away = b"HTTP/1.1 307 Away\r\nlocation: http://evil.example/mcp\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    found, heard = await ask(away, headers=(("Authorization", "Bearer sesame"),))
    assert isinstance(found, Failure) and len(heard) == 1


@pytest.mark.parametrize(
    "answer",
    [
        [http(b"x" * LONGEST * 100)],
        [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", *[b"y" * 65536] * 100],
        [b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ", *[b"y" * 65536] * 100],
        http(gzip.compress(b" " * 50_000_000), head=b"content-encoding: gzip\r\n"),
        http(b'{"jsonrpc":'),
        http(b"<html>", b"text/html"),
        b"\x00\x01\x02",
        b"",
    ],
    ids=["long", "endless", "endless event", "bomb", "no json", "no kind", "no http", "nothing"],
)
async def test_an_answer_that_is_none_ends_the_call_or_the_connection(answer):
    found, _ = await ask(answer)
    assert found is None or isinstance(found, Failure)


async def test_a_server_that_cannot_be_reached_is_the_end_of_the_connection():
    async def want():
        raise CannotConnect("refused")

    async with remote(want) as end:
        await end.send(HELLO)
        assert await end.receive() is None


async def test_the_rehearsal_asks_nobody():
    await rehearse(TRUST)


async def test_the_sdks_own_server():
    port = _free_port()
    with subprocess.Popen([sys.executable, str(AGENT), str(port)], stderr=subprocess.DEVNULL) as process:
        try:
            await _greeted(port)
        finally:
            process.kill()


async def _greeted(port):
    async def want():
        with trio.fail_after(60):
            while True:
                try:
                    stream = await trio.open_tcp_stream("127.0.0.1", port)
                    return Opened(0, (stream.socket.detach(),))
                except OSError:
                    await trio.sleep(0.05)

    async with remote(want, f"http://127.0.0.1:{port}/mcp") as end:
        await end.send(HELLO)
        with trio.fail_after(60):
            assert fields(await end.receive())["serverInfo"]["name"] == "everything"
            await end.send(Notification("notifications/initialized"))
            await end.send(request(2, "tools/call", name="add", arguments={"a": 1, "b": 2}))
            assert fields(await end.receive())["content"][0]["text"] == "3"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

"""HTTP flows: every request is asked for, what is allowed is passed on as it was judged, what is not ends the flow."""

import pytest
import trio
import trio.testing

from gmcp_sandbox.calls.arguments import HttpRequest
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.net.converse import Interception
from gmcp_sandbox.net.credentials import Vault
from gmcp_sandbox.net.types import HandOff, Target
from gmcp_sandbox.policy.network import Credential
from tests.net.talk import Door, read_all, read_until, talk

GET = b"GET /a HTTP/1.1\r\nHost: example.com\r\nAuthorization: Bearer abc\r\nAccept: */*\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def denies_path(path):
    return lambda call: getattr(call.args, "path", None) == path


async def test_a_request_and_its_answer():
    door = Door()
    async with talk(door) as ends:
        await ends.agent.send_all(GET)
        assert await read_until(ends.server, b"\r\n\r\n") == (
            b"GET /a HTTP/1.1\r\nHost: example.com\r\nAuthorization: Bearer abc\r\nAccept: */*\r\n\r\n"
        )
        await ends.server.send_all(OK)
        assert await read_until(ends.agent, b"ok") == OK
        await ends.agent.aclose()
        assert await ends.closing() == "closed"
    args = HttpRequest("GET", "/a", 80, ("authorization", "accept"), "http", "example.com")
    assert [(call.tool, call.object, call.args) for call in door.calls] == [(Tool.HTTP_REQUEST, "example.com", args)]
    assert "abc" not in repr(door.calls)


async def test_every_request_of_a_kept_connection_is_asked_for():
    door = Door(denies_path("/c"))
    async with talk(door) as ends:
        for path in (b"/a", b"/b"):
            await ends.agent.send_all(b"GET %b HTTP/1.1\r\nHost: example.com\r\n\r\n" % path)
            assert b"GET " + path in await read_until(ends.server, b"\r\n\r\n")
            await ends.server.send_all(OK)
            await read_until(ends.agent, b"ok")
        await ends.agent.send_all(b"GET /c HTTP/1.1\r\nHost: example.com\r\n\r\n")
        answer = await read_until(ends.agent, b"here\n")
        assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert b"Connection: close" in answer
        assert await read_all(ends.agent) == b""
        await ends.agent.aclose()
        assert await ends.closing() == "refused"
        assert await read_all(ends.server) == b""
    assert door.asked == ["http.request GET /a", "http.request GET /b", "http.request GET /c"]


async def test_pipelined_requests_are_asked_for_one_by_one():
    door = Door(denies_path("/secret"))
    async with talk(door) as ends:
        await ends.agent.send_all(GET + GET.replace(b"/a", b"/secret") + GET)
        assert b"secret" not in await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(OK)
        answer = await read_until(ends.agent, b"here\n")
        assert answer.startswith(OK + b"HTTP/1.1 403")
        await ends.agent.aclose()
        assert await read_all(ends.server) == b""
    assert door.asked == ["http.request GET /a", "http.request GET /secret"]


async def test_a_body_with_a_length_leaves_the_next_request_alone():
    async with talk(door := Door()) as ends:
        await ends.agent.send_all(b"POST /p HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\nab")
        assert (await read_until(ends.server, b"ab")).endswith(b"Content-Length: 4\r\n\r\nab")
        await ends.agent.send_all(b"cd" + GET)
        assert await read_until(ends.server, b"cd") == b"cd"
        await ends.server.send_all(OK)
        await read_until(ends.agent, b"ok")
        assert (await read_until(ends.server, b"\r\n\r\n")).startswith(b"GET /a ")
    assert door.calls[0].extent == (0, 4)
    assert door.asked == ["http.request POST /p", "http.request GET /a"]


async def test_chunks_are_written_anew_and_trailers_of_an_answer_kept():
    async with talk(Door()) as ends:
        await ends.agent.send_all(
            b"POST /p HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        sent = await read_until(ends.server, b"0\r\n\r\n")
        assert sent.endswith(b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n")
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n")
        assert (await read_until(ends.agent, b"X: y\r\n\r\n")).endswith(b"\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n")
        await ends.agent.send_all(GET)
        await read_until(ends.server, b"GET /a")


async def test_fields_that_come_behind_a_body_are_not_passed_on():
    """Some servers take trailers for fields of the head, which was judged without them."""
    async with talk(Door()) as ends:
        await ends.agent.send_all(
            b"POST /p HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\nX-HTTP-Method-Override: DELETE\r\nAuthorization: Bearer x\r\nHost: b.example\r\n\r\n"
        )
        sent = await read_until(ends.server, b"0\r\n\r\n")
        assert sent.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


async def test_a_rule_that_comes_by_reload_holds_for_open_flows():
    rules = [False]
    post = b"POST /p HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\n\r\nab"
    async with talk(Door(), is_ruled=lambda: rules[0]) as ends:
        await ends.agent.send_all(post)
        assert b"Connection: close" not in await read_until(ends.server, b"ab")
        await ends.server.send_all(OK)
        await read_until(ends.agent, b"ok")
        rules[0] = True
        await ends.agent.send_all(post)
        assert b"Connection: close" in await read_until(ends.server, b"ab")


HIDDEN = b"DELETE /b HTTP/1.1\r\nHost: b.example\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "is_ruled", "keeps"),
    [("GET", False, False), ("DELETE", False, False), ("POST", False, True), ("POST", True, False)],
)
async def test_a_request_hidden_in_a_body_that_the_server_does_not_read(method, is_ruled, keeps):
    """The server is told that nothing follows: it closes, and what it took for the next request is nobody's."""
    head = f"{method} /p HTTP/1.1\r\nHost: example.com\r\nContent-Length: {len(HIDDEN)}\r\n\r\n".encode()
    async with talk(door := Door(), is_ruled=lambda: is_ruled) as ends:
        await ends.agent.send_all(head + HIDDEN + GET)
        sent = await read_until(ends.server, HIDDEN)
        assert (b"\r\nConnection: close\r\n" not in sent) is keeps
        await ends.server.send_all(OK)
        assert (b"\r\nConnection: close\r\n" not in await read_until(ends.agent, b"ok")) is keeps
        if not keeps:
            assert await read_all(ends.server) == b""
    assert door.asked[0] == f"http.request {method} /p"
    assert len(door.asked) == 1 or keeps


async def test_expect_100_continue():
    async with talk(Door()) as ends:
        await ends.agent.send_all(
            b"PUT /p HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
        assert b"Expect: 100-continue" in await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await read_until(ends.agent, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await ends.agent.send_all(b"body")
        assert await read_until(ends.server, b"body") == b"body"
        await ends.server.send_all(OK)
        assert b"Connection: close" not in await read_until(ends.agent, b"ok")


async def test_a_final_answer_before_the_body_ends_the_connection():
    async with talk(Door()) as ends:
        await ends.agent.send_all(
            b"PUT /p HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        )
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        assert b"Connection: close" in await read_until(ends.agent, b"\r\n\r\n")
        assert await ends.closing() == "closed"


async def test_head_and_204_and_304_have_no_body():
    async with talk(Door()) as ends:
        for status, method in ((b"200 OK", b"HEAD"), (b"304 Not Modified", b"GET"), (b"204 No Content", b"GET")):
            await ends.agent.send_all(method + b" / HTTP/1.1\r\nHost: example.com\r\n\r\n")
            await read_until(ends.server, b"\r\n\r\n")
            await ends.server.send_all(b"HTTP/1.1 %b\r\nX: y\r\nContent-Length: 5\r\n\r\n" % status)
            assert (await read_until(ends.agent, b"\r\n\r\n")).startswith(b"HTTP/1.1 " + status)


async def test_an_answer_until_the_end_of_the_connection():
    async with talk(Door()) as ends:
        await ends.agent.send_all(GET)
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        await ends.server.aclose()
        assert await ends.closing() == "closed"
        assert await read_all(ends.agent) == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"


async def test_a_body_that_breaks_off_is_no_clean_end():
    async with talk(Door()) as ends:
        await ends.agent.send_all(GET)
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await ends.server.aclose()
        assert await ends.closing() == "reset"


async def test_a_server_that_hangs_up_between_requests_ends_the_flow():
    async with talk(Door()) as ends:
        await ends.agent.send_all(GET)
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(OK)
        await read_until(ends.agent, b"ok")
        await ends.server.aclose()
        assert await read_all(ends.agent) == b""
        assert await ends.closing() == "closed"


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 2"]
)
async def test_a_server_that_cannot_be_understood(answer):
    async with talk(Door()) as ends:
        await ends.agent.send_all(GET)
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(answer)
        await ends.server.send_eof()
        assert (await read_until(ends.agent, b"understood")).startswith(b"HTTP/1.1 502 Bad Gateway")
        await ends.agent.aclose()
        assert await ends.closing() == "refused"


async def test_a_server_that_says_nothing_gives_nothing():
    async with talk(Door()) as ends:
        await ends.agent.send_all(GET)
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.aclose()
        assert await read_all(ends.agent) == b""
        assert await ends.closing() == "reset"


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (b"GET / HTTP/1.1\r\nHost: example.com\r\nX : y\r\n\r\n", "space_before_colon"),
        (b"GET / HTTP/1.1\r\nHost: example.com\r\n folded\r\n\r\n", "obs_fold"),
        (b"GET / HTTP/1.1\nHost: example.com\n\n", "bare_lf"),
        (
            b"GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "length_and_encoding",
        ),
        (b"GET http://other.example/ HTTP/1.1\r\nHost: example.com\r\n\r\n", "several_hosts"),
        (b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk_line"),
    ],
)
async def test_smuggling_is_refused_and_recorded_and_reaches_nobody(request_, fault):
    door = Door()
    async with talk(door) as ends:
        await ends.agent.send_all(request_)
        assert (await read_until(ends.agent, b")\n")).startswith(b"HTTP/1.1 400 Bad Request")
        await ends.agent.aclose()
        assert await read_all(ends.server) == b""
    assert door.asked[-1].endswith(fault)


async def test_a_body_that_turns_malformed_later_is_cut_off():
    door = Door()
    async with talk(door) as ends:
        head = b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
        await ends.agent.send_all(head + b"1\r\na\r\n")
        await read_until(ends.server, b"1\r\na\r\n")
        await ends.agent.send_all(b"1\r\nab\r\n")
        assert (await read_until(ends.agent, b")\n")).startswith(b"HTTP/1.1 400")
        await ends.agent.aclose()
        assert await read_all(ends.server) == b""
    assert door.asked[-1] == "http.request POST / chunk_end"


@pytest.mark.parametrize("host", [b"other.example", b"example.com:8080", b"198.18.0.1", b"sub.example.com"])
async def test_another_host_is_refused_even_when_the_rules_have_a_gap(host):
    door = Door()
    async with talk(door) as ends:
        await ends.agent.send_all(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
        assert (await read_until(ends.agent, b"here\n")).startswith(b"HTTP/1.1 403")
        await ends.agent.aclose()
        assert await read_all(ends.server) == b""
    assert door.args[0].authority == host.decode().partition(":")[0]


async def test_a_literal_address_is_its_own_host():
    target = Target("2001:db8::7", 8080, "2001:db8::7", True)
    async with talk(Door(), target) as ends:
        await ends.agent.send_all(b"GET / HTTP/1.1\r\nHost: [2001:DB8::7]:8080\r\n\r\n")
        assert b"Host: [2001:db8::7]:8080\r\n" in await read_until(ends.server, b"\r\n\r\n")


WEBSOCKET = b"GET /ws HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def test_an_upgrade_needs_the_right_to_raw_bytes():
    door = Door()
    async with talk(door) as ends:
        await ends.agent.send_all(WEBSOCKET)
        assert (await read_until(ends.agent, b"here\n")).startswith(b"HTTP/1.1 403")
        await ends.agent.aclose()
        assert await read_all(ends.server) == b""
    assert door.asked == ["http.request GET /ws", "net.connect upgrade"]


async def test_an_upgrade_with_the_right_is_handed_off_with_every_byte():
    async with talk(Door(raw=True)) as ends:
        await ends.agent.send_all(WEBSOCKET + b"early")
        assert b"Upgrade: websocket\r\n" in await read_until(ends.server, b"\r\n\r\n")
        changed = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi"
        await ends.server.send_all(changed)
        assert b"101" in await read_until(ends.agent, b"\r\n\r\n")
        how = await ends.end()
    assert isinstance(how, HandOff)
    assert (how.up, how.down) == (b"early", b"hi")
    assert how.sent_up > 0
    assert how.sent_down > 0


async def test_a_refused_upgrade_stays_http():
    async with talk(Door(raw=True)) as ends:
        await ends.agent.send_all(WEBSOCKET)
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(OK)
        await read_until(ends.agent, b"ok")
        await ends.agent.send_all(GET)
        await read_until(ends.server, b"GET /a")


async def test_a_change_of_protocol_that_nobody_asked_for():
    async with talk(Door(raw=True)) as ends:
        await ends.agent.send_all(GET)
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
        assert (await read_until(ends.agent, b"asked for")).startswith(b"HTTP/1.1 502")


async def test_connect_needs_the_right_to_raw_bytes():
    connect = b"CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n"
    door = Door()
    async with talk(door) as ends:
        await ends.agent.send_all(connect)
        assert (await read_until(ends.agent, b"here\n")).startswith(b"HTTP/1.1 403")
    assert door.asked == ["http.request CONNECT other.example:443", "net.connect connect"]
    async with talk(Door(raw=True)) as ends:
        await ends.agent.send_all(connect)
        assert await read_until(ends.server, b"\r\n\r\n") == connect
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        await read_until(ends.agent, b"\r\n\r\n")
        assert isinstance(await ends.end(), HandOff)


async def test_big_bodies_both_ways_at_once():
    piece, times = bytes(range(256)) * 1024, 64
    total = len(piece) * times
    counted = [0, 0]

    def moved(up, down):
        counted[0] += up
        counted[1] += down

    async with talk(Door(), moved=moved) as ends:
        received = []

        async def send(stream, head, pieces):
            await stream.send_all(head)
            for _ in range(pieces):
                await stream.send_all(piece)

        async def take(stream, begun):
            size = len((await read_until(stream, b"\r\n\r\n")).partition(b"\r\n\r\n")[2])
            begun.set()
            while size < total and (data := await stream.receive_some()):
                size += len(data)
            received.append(size)

        async def serve():
            begun = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(take, ends.server, begun)
                await begun.wait()
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total
                nursery.start_soon(send, ends.server, head, times - 1)
            await ends.server.send_all(piece)  # an answer that ended before the body would end the connection

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            head = b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n\r\n" % total
            nursery.start_soon(send, ends.agent, head, times)
            nursery.start_soon(take, ends.agent, trio.Event())
    assert received == [total, total]
    assert min(counted) > total


async def test_a_slow_reader_stops_the_server():
    sent = []
    async with talk(Door()) as ends:
        await ends.agent.send_all(GET)
        await read_until(ends.server, b"\r\n\r\n")
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\n\r\n")

        async def flood():
            while True:
                await ends.server.send_all(bytes(65536))
                sent.append(65536)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
    assert sum(sent) < 8 << 20


async def test_a_placeholder_goes_nowhere_in_plain_text():
    forge = Credential("forge", "git.example", "FORGE_TOKEN", "env:HOST_TOKEN")
    stash = Vault([(forge, b"0123456789abcdefXYZ")])
    holder = stash.environment()["FORGE_TOKEN"]
    door = Door()
    interception = Interception(lambda host, port: False, None, None, stash)  # type: ignore[arg-type] # no TLS here
    target = Target("git.example", 80, "198.18.0.1", False)
    async with talk(door, target, interception) as ends:
        head = f"GET /?q=1 HTTP/1.1\r\nHost: git.example\r\nAuthorization: Bearer {holder}\r\n\r\n"
        await ends.agent.send_all(head.encode())
        assert (await read_until(ends.agent, b"belong\n")).startswith(b"HTTP/1.1 403")
        await ends.agent.aclose()
        assert await read_all(ends.server) == b""
    assert door.asked == ["http.request GET / placeholder"]

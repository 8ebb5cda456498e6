"""The HTTP endpoint, request by request, over streams in memory."""

import json
from contextlib import asynccontextmanager

import h11
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from gmcp_sandbox.mcp.endpoint import VERSIONS, Endpoint, Refused, Rules
from gmcp_sandbox.mcp.ends import EndLost
from gmcp_sandbox.mcp.line import Server
from gmcp_sandbox.mcp.messages import Notification, Request, Result, failure

LIMITS: dict = {"start_seconds": 30.0, "call_seconds": 60.0, "max_sessions": 8, "message_bytes": 10_000}
SERVERS = {"s": Server("s", None, (), **LIMITS), "other": Server("other", None, (), **LIMITS)}
HEAD = b"POST /s HTTP/1.1\r\nhost: here.example\r\n"
HELLO = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}
HEADERS = {"host": "here.example", "content-type": "application/json", "accept": "application/json, text/event-stream"}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        return [json.loads(line[6:]) for line in self.body.decode().splitlines() if line.startswith("data: ")]


class Web:
    """One endpoint and its clients; `server` is what each session's server does."""

    def __init__(self, nursery, rules, server):
        self.nursery, self.server = nursery, server
        self.endpoint = Endpoint(SERVERS, rules, self.begin, self.lines)
        self.upgraded = []

    async def begin(self, name, session):
        if self.server is None:
            raise Refused(503, "too many sessions of this server")
        self.nursery.start_soon(self._lead, session)

    async def _lead(self, session):
        while (message := await session.receive()) is not None:
            self.nursery.start_soon(self.server, session, message)
        await session.aclose()

    async def lines(self, name, stream):
        self.upgraded.append((name, bytes(await stream.receive_some(100))))

    def connect(self):
        ours, theirs = trio.testing.memory_stream_pair()

        async def serve():
            try:
                await self.endpoint.serve(theirs)
            except EndLost:
                pass
            await theirs.aclose()

        self.nursery.start_soon(serve)
        return ours

    async def ask(self, method="POST", path="/s", message=None, stream=None, raw=None, **headers):
        """Make one request; return its whole answer."""
        stream = stream or self.connect()
        http = h11.Connection(h11.CLIENT)
        body = raw if raw is not None else b"" if message is None else json.dumps(message).encode()
        given = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
        fields = [(name, value) for name, value in given.items() if value is not None]
        fields.append(("content-length", str(len(body))))
        request = h11.Request(method=method, target=path, headers=fields)
        data = http.send(request) + (http.send(h11.Data(data=body)) if body else b"") + http.send(h11.EndOfMessage())
        await stream.send_all(data)
        status, found, parts = 0, {}, b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await stream.receive_some(10_000)))
            elif isinstance(event, h11.Response):
                status, found = event.status_code, {key.decode(): value.decode() for key, value in event.headers}
            elif isinstance(event, h11.Data):
                parts += event.data
            else:
                return Answer(status, found, parts)

    async def greet(self):
        answer = await self.ask(message=HELLO)
        assert answer.status == 200
        return answer.headers["mcp-session-id"]


async def echo(session, message):
    """A server that answers everything."""
    if isinstance(message, Request):
        await session.send(Result(message.id, json.dumps({"method": message.method}).encode()))


@asynccontextmanager
async def web(server=echo, **rules):
    async with trio.open_nursery() as nursery:
        yield Web(nursery, Rules(("here.example",), **rules), server)
        nursery.cancel_scope.cancel()


async def test_a_session_begins_with_initialize_and_ends_with_delete():
    async with web() as w:
        name = await w.greet()
        answer = await w.ask(message={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, mcp_session_id=name)
        assert answer.status == 200 and answer.json == {"jsonrpc": "2.0", "id": 1, "result": {"method": "tools/list"}}
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await w.ask(message=note, mcp_session_id=name)).status == 202
        assert (await w.ask("DELETE", mcp_session_id=name)).status == 200
        assert (await w.ask(message=note, mcp_session_id=name)).status == 404
        await trio.testing.wait_all_tasks_blocked()
        assert (await w.ask(message=note, mcp_session_id=name)).status == 404


async def test_one_connection_serves_many_requests():
    async with web() as w:
        name, stream = await w.greet(), w.connect()
        for number in range(3):
            message = {"jsonrpc": "2.0", "id": number, "method": "ping"}
            assert (await w.ask(message=message, stream=stream, mcp_session_id=name)).json["id"] == number


async def test_a_replayed_session_id_is_worth_nothing_elsewhere():
    """Of another server, and of another gateway."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with web() as w, web() as elsewhere:
        name = await w.greet()
        assert (await w.ask(path="/other", message=message, mcp_session_id=name)).status == 404
        assert (await elsewhere.ask(message=message, mcp_session_id=name)).status == 404


@pytest.mark.parametrize(
    ("status", "how"),
    [
        (400, {"message": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}}),
        (400, {"raw": b"{"}),
        (400, {"raw": b"[]"}),
        (400, {"raw": b"[" * 9000}),
        (404, {"path": "/unknown", "message": HELLO}),
        (404, {"path": "/s/../other", "message": HELLO}),
        (405, {"method": "PUT", "message": HELLO}),
        (406, {"message": HELLO, "accept": "application/json"}),
        (406, {"message": HELLO, "accept": "text/html"}),
        (413, {"raw": b" " * 20_000}),
        (415, {"message": HELLO, "content_type": "text/plain"}),
        (421, {"message": HELLO, "host": "rebound.example"}),
        (403, {"message": HELLO, "origin": "http://page.example"}),
        (400, {"message": HELLO, "mcp_protocol_version": "2026-07-28"}),
        (400, {"method": "GET"}),
    ],
)
async def test_what_is_wrong_with_a_request_is_said(status, how):
    async with web() as w:
        answer = await w.ask(**how)
        assert answer.status == status
        assert answer.json["error"]["message"].startswith("gmcp-sandbox: ")


async def test_a_version_without_sessions_is_refused_so_that_clients_go_on_with_initialize():
    async with web() as w:
        error = (await w.ask(message=HELLO, mcp_protocol_version="2026-07-28")).json["error"]
        assert error["code"] == -32022 and error["data"]["supported"] == list(VERSIONS)


async def test_the_bearer_token_is_demanded_where_there_is_one():
    async with web(token="sesame-open", origins=("http://here.example",)) as w:
        for value in (None, "Bearer sesame-ope", "Bearer", "Basic sesame-open", "Bearer sésame"):
            answer = await w.ask(message=HELLO, authorization=None if value is None else value.encode("latin-1"))
            assert answer.status == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert (await w.ask(message=HELLO, authorization="Bearer sesame-open")).status == 200
        fine = await w.ask(message=HELLO, authorization="Bearer sesame-open", origin="http://here.example")
        assert fine.status == 200


async def test_progress_comes_before_the_answer_on_the_same_stream():
    async def server(session, message):
        if message.method != "initialize":
            await session.send(Notification("notifications/progress", b'{"progress":1}'), message.id)
        await session.send(Result(message.id, b"{}"))

    async with web(server) as w:
        name = await w.greet()
        answer = await w.ask(message={"jsonrpc": "2.0", "id": 5, "method": "tools/call"}, mcp_session_id=name)
        assert answer.headers["content-type"] == "text/event-stream"
        assert [event.get("method", event.get("id")) for event in answer.events] == ["notifications/progress", 5]


async def test_a_slow_answer_begins_in_time_and_stays_alive(autojump_clock):
    async def server(session, message):
        if message.method != "initialize":
            await trio.sleep(100)
        await session.send(Result(message.id, b"{}"))

    async with web(server) as w:
        name = await w.greet()
        answer = await w.ask(message={"jsonrpc": "2.0", "id": 5, "method": "tools/call"}, mcp_session_id=name)
        assert answer.events == [{"jsonrpc": "2.0", "id": 5, "result": {}}]
        assert answer.body.count(b": still here") >= 5


async def test_what_a_server_says_by_itself_goes_to_the_standing_stream():
    async def server(session, message):
        if isinstance(message, Request):
            await session.send(Result(message.id, b"{}"))
            await session.send(Notification("notifications/tools/list_changed"))

    async with web(server) as w:
        name = await w.greet()  # what is said before anybody stands there is kept
        found = []

        async def stand():
            found.append(await w.ask("GET", mcp_session_id=name))

        w.nursery.start_soon(stand)
        await trio.testing.wait_all_tasks_blocked()
        assert (await w.ask("GET", mcp_session_id=name)).status == 409
        assert (await w.ask("DELETE", mcp_session_id=name)).status == 200
        await trio.testing.wait_all_tasks_blocked()
        assert found[0].events == [{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}]


async def test_a_server_that_refuses_initialize_leaves_no_session():
    async def server(session, message):
        await session.send(failure(message.id, -32000, "no"))

    async with web(server) as w:
        answer = await w.ask(message=HELLO)
        assert answer.json["error"]["message"] == "no" and "mcp-session-id" not in answer.headers


async def test_without_room_there_is_no_session():
    async with web(None) as w:
        assert (await w.ask(message=HELLO)).status == 503


async def test_a_client_that_leaves_harms_nobody():
    async def server(session, message):
        if message.method == "initialize":
            await session.send(Result(message.id, b"{}"))

    async with web(server) as w:
        name, stream = await w.greet(), w.connect()
        with trio.move_on_after(0.05):
            await w.ask(message={"jsonrpc": "2.0", "id": 1, "method": "x"}, stream=stream, mcp_session_id=name)
        await stream.aclose()
        note = {"jsonrpc": "2.0", "method": "notifications/x"}
        assert (await w.ask(message=note, mcp_session_id=name)).status in (202, 404)


async def test_bare_lines_over_the_same_connection():
    async with web() as w:
        stream = w.connect()
        await stream.send_all(b"GET /s HTTP/1.1\r\nhost: here.example\r\nupgrade: mcp-lines\r\n\r\nfirst bytes")
        assert (await stream.receive_some(1000)).startswith(b"HTTP/1.1 101")
        await trio.testing.wait_all_tasks_blocked()
        assert w.upgraded == [("s", b"first bytes")]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(HEAD.__add__))
def test_any_bytes_end_in_an_answer_or_in_nothing(data):
    async def main():
        async with web() as w:
            stream = w.connect()
            await stream.send_all(data)
            await stream.send_eof()
            answer = b""
            while part := await stream.receive_some(10_000):
                answer += part
            assert answer == b"" or answer.startswith(b"HTTP/1.1 ")

    trio.run(main)

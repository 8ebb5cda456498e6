"""The gateway with its real processes: starter, worker (not locked down here) and servers that misbehave."""

import contextlib
import json
import os
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.mcp.answers import Refuse
from gmcp_sandbox.mcp.line import Handed, Server, Setup
from gmcp_sandbox.mcp.processes import CannotStart, Processes, Program
from gmcp_sandbox.mcp.service import Gateway
from gmcp_sandbox.mcp.starter import fork_starter
from tests.mcp.talk import UnsafeJudge

ROOT = Path(__file__).resolve().parents[2]
WORKER = f"""
import sys
sys.path.append({str(ROOT)!r})
from gmcp_sandbox.mcp.worker import work
work(lambda: None)
"""
SERVER = r"""
import json, os, sys, time
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    params = message.get("params") or {}
    what = params.get("name")
    if what == "crash":
        sys.stderr.write("last words"); sys.stderr.flush(); os._exit(3)
    if what == "hang":
        continue
    if what == "large":
        sys.stdout.write('{"jsonrpc":"2.0","id":%d,"result":{"x":"' % message["id"])
        for _ in range(100):
            sys.stdout.write("y" * (1 << 20))
        sys.stdout.write('"}}\n'); sys.stdout.flush(); continue
    if what == "garbage":
        sys.stdout.write('{"jsonrpc": "2.0", "id": %d, "result": {\n' % message["id"]); sys.stdout.flush(); continue
    if what == "flood":
        note = json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "z" * 1000}}) + "\n"
        sys.stdout.write(note * 5000)
    answer = {"pid": os.getpid(), "method": message["method"]}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer}), flush=True)
"""


CLIENTS = []


class Client:
    """A client of bare lines."""

    def __init__(self, gateway, name="s"):
        ours, theirs = trio.socket.socketpair()
        gateway.hand_in(Handed("lines", server=name), socket.socket(fileno=theirs.detach()))
        self.stream = trio.SocketStream(ours)
        CLIENTS.append(self)
        self._buffer = b""
        self._last = 0

    async def say(self, method, **params):
        self._last += 1
        message = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}
        await self.stream.send_all(json.dumps(message).encode() + b"\n")
        return self._last

    async def hear(self, number):
        """Return the answer of this number; what comes before is passed by."""
        with trio.fail_after(30):
            while True:
                while b"\n" not in self._buffer:
                    data = await self.stream.receive_some(1 << 20)
                    assert data, "the connection ended"
                    self._buffer += data
                line, _, self._buffer = self._buffer.partition(b"\n")
                message = json.loads(line)
                if message.get("id") == number:
                    return message

    async def ask(self, method, **params):
        return await self.hear(await self.say(method, **params))

    async def call(self, name):
        return await self.ask("tools/call", name=name)


@asynccontextmanager
async def gateway(judge=None, events=None, **limits):
    events = [] if events is None else events
    taken = {"start_seconds": 30.0, "call_seconds": 30.0, "max_sessions": 2, "message_bytes": 1 << 20, **limits}
    setup = Setup((Server("s", None, (), **taken),), ("here.example",))
    line = fork_starter(lambda: None)
    programs = {"s": Program((sys.executable, "-c", SERVER), dict(os.environ), "/", restarts=1)}
    processes = Processes(line, programs, lambda name, **fields: events.append((name, fields)))

    async def dial(name):
        raise CannotStart("there is no way")

    worker = Program((sys.executable, "-c", WORKER), dict(os.environ), "/")
    made = Gateway(setup, worker, processes, judge or UnsafeJudge(), dial, processes._event)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.run)
        yield made
        nursery.cancel_scope.cancel()
    while CLIENTS:
        CLIENTS.pop().stream.socket.close()
    os.wait()


async def test_the_worker_and_a_server_are_started_on_first_use_and_end_with_the_session():
    events = []
    async with gateway(events=events) as made:
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert events == []
        client = Client(made)
        pid = (await client.ask("initialize"))["result"]["pid"]
        assert (await client.call("x"))["result"] == {"pid": pid, "method": "tools/call"}
        pidfd = os.pidfd_open(pid)
    await trio.lowlevel.wait_readable(pidfd)
    os.close(pidfd)
    assert [name for name, _ in events][:2] == ["mcp_session", "mcp_server"]


@pytest.mark.parametrize(("name", "words"), [("large", "more than"), ("garbage", "no JSON"), ("crash", "has ended")])
async def test_a_server_that_misbehaves_harms_only_its_call(name, words):
    async with gateway() as made:
        client = Client(made)
        await client.ask("initialize")
        assert words in (await client.call(name))["error"]["message"]
        assert "result" in await client.call("x")


async def test_a_flood_is_let_through_no_faster_than_it_is_read():
    async with gateway(UnsafeJudge(notice_message=Refuse(-1, "no"))) as made:
        client = Client(made)
        await client.ask("initialize")
        assert "result" in await client.call("flood")


async def test_a_server_that_hangs_is_given_up():
    async with gateway(UnsafeJudge(), call_seconds=0.3) as made:
        made._judge.deadline = lambda server, tool: 0.3
        client = Client(made)
        await client.ask("initialize")
        hanging = await client.say("tools/call", name="hang")
        assert "result" in await client.ask("tools/list")
        assert "did not answer" in (await client.hear(hanging))["error"]["message"]


async def test_a_server_that_crashes_is_started_again_but_not_for_ever():
    events = []
    async with gateway(events=events) as made:
        client = Client(made)
        first = (await client.ask("initialize"))["result"]["pid"]
        await client.call("crash")
        assert (await client.call("x"))["result"]["pid"] != first
        await client.call("crash")
        assert "not started again" in (await client.call("x"))["error"]["message"]
    ended = [fields for name, fields in events if name == "mcp_server_ended"]
    assert [(each["status"], each["said"]) for each in ended] == [(3, "last words")] * 2


async def test_each_client_session_has_a_server_of_its_own_and_they_are_few():
    async with gateway(max_sessions=2) as made:
        clients = [Client(made), Client(made)]
        pids = {(await client.ask("initialize"))["result"]["pid"] for client in clients}
        assert len(pids) == 2
        await clients[1].say("tools/call", name="hang")
        third = Client(made)  # the idle one makes room
        assert (await third.ask("initialize"))["result"]["pid"] not in pids
        await third.say("tools/call", name="hang")
        fourth = Client(made)
        assert "too many sessions" in json.loads(await fourth.stream.receive_some(10_000))["error"]["message"]


async def test_a_server_that_the_profile_has_not_is_refused():
    async with gateway() as made:
        client = Client(made, "other")
        assert "no server" in json.loads(await client.stream.receive_some(10_000))["error"]["message"]


async def test_a_worker_that_dies_takes_its_sessions_and_the_next_client_has_a_new_one():
    events, judge = [], UnsafeJudge()
    async with gateway(judge, events) as made:
        client = Client(made)
        await client.ask("initialize")
        (worker,) = _children(b"worker import")
        os.kill(worker, 9)
        with contextlib.suppress(trio.BrokenResourceError):
            assert await client.stream.receive_some(100) == b""
        with trio.fail_after(30):
            while "mcp_worker_ended" not in [name for name, _ in events]:
                await trio.lowlevel.checkpoint()
        again = Client(made)
        assert "result" in await again.ask("initialize")
    assert "mcp_worker_ended" in [name for name, _ in events]
    assert judge.over[0].server == "s"


async def test_without_the_starter_the_session_fails():
    with pytest.raises(HostError, match="starts MCP servers"):
        try:
            async with gateway():
                os.kill(max(pid for pid in _children(b"") if _parent(pid) == os.getpid()), 9)
                await trio.sleep_forever()
        except* HostError as group:
            os.wait()
            raise group.exceptions[0] from None


def _children(marker):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if marker in line and os.getpid() in _ancestors(int(pid)):
            found.append(int(pid))
    return found


def _parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _ancestors(pid):
    found = []
    while pid > 1:
        try:
            pid = _parent(pid)
        except OSError:
            break
        found.append(pid)
    return found

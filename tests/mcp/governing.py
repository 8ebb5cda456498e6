"""A governor over a real monitor, a real pipeline and real pins, with a sink that keeps what it is given."""

from __future__ import annotations

import itertools
import json

import msgspec

from gmcp_sandbox.mcp.answers import At, Pass, Refuse, Replace
from gmcp_sandbox.mcp.governor import Governor
from gmcp_sandbox.mcp.pins import PinStore
from gmcp_sandbox.monitor.monitor import Monitor
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.policy.mcp import Mcp, McpServer
from gmcp_sandbox.policy.mcpbuild import flow_rules, server_rates
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import profile

FILES = McpServer("files", "f" * 64, command=("serve-files",), tools=("*",), resources=("file:///*",), prompts=("*",))
MAIL = McpServer("mail", "e" * 64, url="https://mcp.example.com/mcp", tools=("*",))


class Paper:
    """A sink."""

    def __init__(self):
        self.decisions = []
        self.events = []

    def append(self, decision, latency_ns):
        self.decisions.append(decision)

    def event(self, name, **fields):
        self.events.append((name, fields))


def tool(name, description="Does what it is called.", properties=None, **more):
    schema = {"type": "object", "properties": properties or {}}
    return {"name": name, "description": description, "inputSchema": schema, **more}


READ = tool("read_file", "Read a file.", {"path": {"type": "string"}}) | {}
READ["inputSchema"]["required"] = ["path"]
SEND = tool("send_mail", "Send a message.", {"to": {"type": "string"}, "body": {"type": "string"}})


class Stage:
    """One session's gateway, and one client session of each server."""

    def __init__(self, directory, *servers, rules=(), secrets=None, rates=(), **policy):
        directory.mkdir(exist_ok=True)
        self.mcp = Mcp(servers or (FILES, MAIL), **policy)
        whole = msgspec.structs.replace(
            profile(rules=(*flow_rules(self.mcp), *rules), rates=(*rates, *server_rates(self.mcp))), mcp=self.mcp
        )
        self.paper = Paper()
        clock = itertools.count(1_000_000_000, 1000)
        state = SessionState(whole.tier)
        self.monitor = Monitor(
            Pipeline(whole, None), state, self.paper, session="00000000", agent="agent", clock=lambda: next(clock)
        )
        self.pins = PinStore(directory)
        self.governor = Governor(
            self.monitor, self.mcp, self.pins, secrets=secrets or {}, clock=lambda: 7, explain=True
        )

    async def listing(self, at, *tools, cursor=None, following=None):
        """Return the tools that a client sees when its server lists these."""
        result = {"tools": list(tools)} | ({} if following is None else {"nextCursor": following})
        params = {} if cursor is None else {"cursor": cursor}
        answer = await self.governor.result(at, "tools/list", raw(params), raw(result))
        return [each["name"] for each in value(answer)["tools"]]

    async def call(self, at, name, **arguments):
        return await self.governor.request(at, "tools/call", raw({"name": name, "arguments": arguments}))

    async def answer(self, at, text, name="read_file", **more):
        """Return what a client gets when a call is answered with a text."""
        result = {"content": [{"type": "text", "text": text}], **more}
        answer = await self.governor.result(at, "tools/call", raw({"name": name}), raw(result))
        return result if isinstance(answer, Pass) else value(answer)

    @property
    def last(self):
        return self.paper.decisions[-1]

    def noted(self, name):
        return [fields for each, fields in self.paper.events if each == name]


def raw(value):
    return json.dumps(value).encode()


def value(answer):
    assert isinstance(answer, Replace), answer
    return json.loads(answer.payload)


def refused(answer):
    assert isinstance(answer, Refuse), answer
    return answer.code, answer.message


AT_FILES = At(1, "files")
AT_MAIL = At(2, "mail")

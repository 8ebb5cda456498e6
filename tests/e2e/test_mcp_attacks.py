"""What an agent, or a server of its, tries against the gateway: each for real, as root and as an ordinary user."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.gateways import UNASKED, shown, well, without_model
from tests.e2e.harness import AGENTS, SECONDS, Result, Sandbox
from tests.e2e.test_mcp import post

pytestmark = pytest.mark.needs("tun")

GRANTED = [
    "friendly",
    "echo",
    "double",
    "heard",
    "turn",
    "page",
    "hang",
    "flood",
    "huge",
    "broken",
    "crash",
    "poisoned",
    "send_mail",
]
PROFILE = """
name = "mine"
extends = "default"

[mcp]
redact = "instructions"

[mcp.servers.mail]
command = "{python}"
args = ["-I", "{agents}/mcp_hostile.py", "send_mail"]
profile = "{server}"
tools = ["send_mail"]
flows_to = ["*"]

[mcp.servers.hostile]
command = "{python}"
args = ["-I", "{agents}/mcp_hostile.py"]
profile = "{server}"
tools = {tools}
flows_to = ["*"]
call_seconds = 60
limits = [{{ tools = ["hang"], call_seconds = 1.5 }}]
"""
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
DENIED = -32001


def profile_of(sandbox: Sandbox) -> str:
    server = sandbox.profile('name = "server"\nextends = "mcp-server"\n' + UNASKED + shown(), "server.toml")
    words = {"python": sys.executable, "agents": AGENTS, "server": server, "tools": json.dumps(GRANTED)}
    return sandbox.profile(PROFILE.format(**words) + UNASKED + shown(), "agent.toml")


@pytest.fixture(scope="module")
def session(shared_sandbox: Sandbox) -> Result:
    """A session whose agent tried everything, beside a gateway of the same user's on the loopback."""
    sandbox = without_model(shared_sandbox)
    profile = profile_of(sandbox)
    # The tools of the server whose name is taken are approved before the one that takes it comes.
    first = sandbox.exec(sys.executable, "-c", FIRST, profile=profile)
    assert first.code == 0, first.err
    serve = sandbox._as_user(sandbox.gmcp("mcp", "serve", "-p", profile))
    how: dict[str, Any] = {"cwd": sandbox.workspace, "env": sandbox.environment(), "stderr": subprocess.PIPE}
    with subprocess.Popen(serve, **how, text=True) as gateway:
        try:
            last = next(line for line in gateway.stderr if "configuration for clients" in line)
            entry = json.loads(Path(last.strip().rpartition(" ")[2]).read_text())["mcpServers"]["hostile"]
            token = entry["headers"]["Authorization"]
            hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
            other = post(entry["url"], hello, authorization=token)[2]
            words = (str(urlsplit(entry["url"]).port), str(other), token)
            attacker = str(AGENTS / "mcp_attacker.py")
            result = sandbox.exec(sys.executable, attacker, *words, profile=profile, timeout=240)
        finally:
            gateway.terminate()
            gateway.stderr.read()
            gateway.wait(SECONDS)
    return well(result)


FIRST = """
import json, urllib.request
def post(message, **more):
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream", **more}
    asked = urllib.request.Request("http://mcp.gmcp.internal/mail", json.dumps(message).encode(), headers)
    with urllib.request.urlopen(asked) as answer:
        return answer.headers["mcp-session-id"], answer.read()
hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
session, _ = post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
post({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, **{"mcp-session-id": session})
"""


@pytest.fixture(scope="module")
def found(session: Result) -> Any:
    return json.loads(session.text)


def trick(name: str, stops: str) -> pytest.MarkDecorator:
    return pytest.mark.trick(name, stops=stops)


def is_denied(answer: dict[str, Any]) -> bool:
    code: int | None = answer.get("error", {}).get("code")
    return code == DENIED


@trick("skip the import of an in-process MCP guard", "the gateway is the only way to the server")
def test_skip_the_import(found):
    assert is_denied(found["skip the import"])
    assert "ungranted" not in found["listed"]


@trick("monkey-patch an in-process MCP guard", "the judge is another process")
def test_monkey_patch_the_guard(found):
    assert is_denied(found["monkey-patch the guard"])
    assert found["rewrite the shim"] != "written"


@trick("mutate the value that an MCP guard returned", "a denied call never reaches the server")
def test_mutate_the_returned_value(found):
    assert "heard" in found["mutate the returned value"]
    assert "ungranted" not in found["mutate the returned value"]


@trick("rug pull: an approved MCP tool changes its description", "definitions are pinned by digest")
def test_rug_pull(found):
    assert "result" in found["before the rug pull"]
    assert is_denied(found["rug pull"])
    assert "friendly" not in found["listed after it"] and "echo" in found["listed after it"]


@trick("tool shadowing: an MCP server takes another's tool name", "names of other servers stop a tool")
def test_tool_shadowing(found):
    assert is_denied(found["shadowed"])
    assert "send_mail" not in found["listed"]


@trick("injection in the description of an MCP tool", "inspection before the first use")
def test_injection_in_a_description(found):
    assert "poisoned" not in found["listed"]
    assert is_denied(found["poisoned"])


@trick("injection in the result of an MCP tool", "results are read; the session is tainted, the text taken out")
def test_injection_in_a_result(found, session):
    assert "Ignore all previous" not in json.dumps(found["page"])
    assert any(record.get("name") == "incoming" and record["data"]["hit"] for record in session.records)


@trick("a secret in an argument of an MCP call", "the prefilter reads arguments; records are redacted")
def test_a_secret_in_an_argument(found, session):
    assert is_denied(found["secret"])
    assert b"ghp_a1B2" not in (session.log / "audit.jsonl").read_bytes()


@trick("path traversal in an argument of an MCP call", "prefilter")
def test_path_traversal_in_an_argument(found):
    assert is_denied(found["traversal"])


@trick("argument type confusion in an MCP call", "arguments are checked against the tool's own schema")
def test_argument_type_confusion(found):
    assert [answer["error"]["code"] for answer in found["confused"]] == [-32602] * 5
    assert found["extra"]["error"]["code"] == -32602


@trick("a doubled key in an MCP call", "what is passed on is made anew from what was judged")
def test_a_doubled_key(found):
    assert is_denied(found["doubled key"])


@trick("oversized and deeply nested JSON in MCP messages", "bounds before and in the parser")
def test_oversized_and_deeply_nested_json(found):
    assert found["after oversized and nested"]["result"]["content"][0]["text"] == "42"


@trick("another MCP session's endpoint", "session ids are bound to gateway and server; a token on the loopback")
def test_another_sessions_endpoint(found):
    assert found["own session"] == 200
    assert found["session of another server"] == found["invented session"] == found["session of another gateway"] == 404
    assert all(type(each) is str for each in found["another gateway"])  # no connection at all


@trick("a replayed MCP session id", "an id is worth nothing after its session")
def test_a_replayed_session_id(found):
    assert found["deleted"] == 200
    assert found["replayed session"] == 404


@trick("words to an MCP server beside its calls", "what is not judged is made anew, without words")
def test_words_beside_calls_do_not_reach_the_server(found):
    heard = json.loads(found["heard"])["heard"]
    assert {"notifications/cancelled", "notifications/initialized", "ping"} <= {each["method"] for each in heard}
    assert "4711" not in found["heard"]
    assert "Ignore all" not in json.dumps(found["ping"])
    assert found["cursor"]["error"]["code"] == -32602


@pytest.mark.parametrize("name", ["hang", "crash", "flood", "huge", "broken"])
@trick(
    "an MCP server that hangs, crashes, floods, sends 100 MB or no JSON", "deadlines, bounds and restarts per session"
)
def test_a_server_that_misbehaves_harms_only_its_call(found, name):
    tried = found[name]
    assert tried["beside"]["result"]["content"][0]["text"] == "8"
    assert tried["after"]["result"]["content"][0]["text"] == "10"
    assert ("error" in tried["own"]) == (name != "flood")


def test_a_server_that_floods_costs_the_agent_no_trust(session):
    assert not any(record.get("name") == "demoted" for record in session.records)
    assert any("floods" in str(record.get("data")) for record in session.records if record.get("name") == "mcp_broken")


def test_the_log_is_whole_and_names_the_denied_calls(session):
    denied = {record["object"] for record in session.denials if record.get("tool") == "mcp.call"}
    assert {"hostile/ungranted", "hostile/friendly", "hostile/poisoned", "hostile/send_mail"} <= denied

"""MCP through the gateway, both ways in, with the official client and a server in a sandbox of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateways import UNASKED, shown, well, without_model
from tests.e2e.harness import AGENTS, SECONDS, Result, Sandbox

pytestmark = pytest.mark.needs("tun")

GRANTED = ["add", "ask_model", "crash", "environment", "garbage", "large", "steps", "wait", "write"]
SERVER = """
name = "server"
extends = "mcp-server"
"""
PROFILE = """
name = "mine"
extends = "default"

[probe]
required = false

[mcp.servers.all]
command = "{python}"
args = ["{server}"]
profile = "{profile}"
tools = {tools}
env = {{ SERVER_KEY = "${{credential:key}}" }}
credentials = {{ key = "env:OPERATOR_KEY" }}
call_seconds = 20
result_bytes = "1MiB"
limits = [{{ tools = ["wait"], call_seconds = 1.5 }}]
"""


def profile_of(sandbox: Sandbox) -> str:
    server = sandbox.profile(SERVER + UNASKED + shown(), "server.toml")
    text = PROFILE.format(
        python=sys.executable, server=AGENTS / "mcp_server.py", profile=server, tools=json.dumps(GRANTED)
    )
    return sandbox.profile(text + shown(), "agent.toml")


def client(sandbox: Sandbox, *words: str) -> Result:
    profile = profile_of(sandbox)
    env = {"OPERATOR_KEY": "sesame-open-4711"}
    return sandbox.exec(sys.executable, str(AGENTS / "mcp_client.py"), *words, profile=profile, env=env, timeout=120)


@pytest.fixture(scope="module")
def plain(shared_sandbox: Sandbox) -> Sandbox:
    return without_model(shared_sandbox)


@pytest.fixture(scope="module")
def session(plain: Sandbox) -> Result:
    """A session in which the agent tried everything, first over HTTP, then through the shim."""
    return well(client(plain, "http", "all", "stdio", "all"))


@pytest.fixture(scope="module", params=["http", "stdio"])
def found(request: pytest.FixtureRequest, session: Result) -> Any:
    return json.loads(session.text)[request.param]


def test_granted_tools_are_listed_and_no_others(found):
    assert found["tools"] == GRANTED


def test_a_call_reaches_the_server_and_its_result_the_agent(found):
    assert found["add"] == {"text": "5", "is_error": False}


def test_argument_type_confusion_is_refused_with_the_place(found):
    assert found["wrong type"]["error"] == -32602
    assert "a" in found["wrong type"]["message"]
    assert found["unknown argument"]["error"] == -32602


def test_a_tool_that_is_not_granted_is_refused_with_the_record(found, session):
    assert found["hidden"]["error"] == -32001
    assert session.session in found["hidden"]["message"]


def test_the_server_has_its_credential_and_the_agent_never_sees_it(found, session):
    assert "sesame-open-4711" not in str(found["secret of the server"])
    assert "sesame-open-4711" not in session.text + session.err
    assert b"sesame-open-4711" not in (session.log / "audit.jsonl").read_bytes()


def test_a_server_runs_in_a_sandbox_of_its_own(found):
    assert found["write"]["is_error"]


def test_progress_passes(found):
    assert found["steps"]["text"] == "done"
    assert found["progress"] == [1, 2, 3]


def test_invalid_json_harms_only_its_call(found):
    assert "garbage" in found["garbage"].get("text", "garbage")
    assert found["after crash"]["text"] == "9"


def test_a_result_that_is_too_large_is_refused(found):
    assert "error" in found["large"]


def test_a_server_may_not_ask_the_model_unless_that_is_granted(found):
    assert found["sampling"]["error"] == -32001


def test_a_server_that_hangs_harms_only_its_call(found):
    assert found["deadline"]["error"] == -32000
    assert found["deadline seconds"] < 15


def test_fifty_calls_at_once(found):
    assert found["parallel"] == sorted(str(number) for number in range(1, 51))


def test_a_server_that_crashes_is_started_again(found, session):
    assert found["crash"]["error"] == -32000
    assert found["after crash"] == {"text": "9", "is_error": False}
    starts = [record["data"]["start"] for record in session.records if record.get("name") == "mcp_server"]
    assert starts == [1, 2, 1, 2]


def test_calls_are_in_the_log_and_nothing_is_left_behind(session):
    calls = [record for record in session.records if record.get("tool") == "mcp.call"]
    assert {call["object"] for call in calls} >= {"all/add", "all/hidden"}
    assert os.path.isdir(session.log)


def post(address: str, message: dict, **headers: str) -> tuple[int, dict, str | None]:
    """Return status, answer and session of a POST."""
    given = {"content-type": "application/json", "accept": "application/json, text/event-stream", **headers}
    asked = urllib.request.Request(address, json.dumps(message).encode(), given)
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
            return answer.status, json.load(answer), answer.headers["mcp-session-id"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), None


def test_serve_over_http_takes_the_token_and_nobody_elses_page(plain):
    serve = plain._as_user(plain.gmcp("mcp", "serve", "-p", profile_of(plain)))
    environment = plain.environment({"OPERATOR_KEY": "sesame-open-4711"})
    with subprocess.Popen(serve, cwd=plain.workspace, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = process.stderr.readline().strip()
            place = process.stderr.readline().strip().rpartition(" ")[2]
            assert os.stat(place).st_mode & 0o777 == 0o600
            entry = json.loads(Path(place).read_text())["mcpServers"]["all"]
            assert entry["url"] == address and address.startswith("http://127.0.0.1:")
            token = entry["headers"]["Authorization"]
            hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}}
            hello["params"] |= {"capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
            assert post(address, hello)[0] == 401
            assert post(address, hello, authorization=token, origin="http://page.example")[0] == 403
            status, answer, session = post(address, hello, authorization=token)
            assert status == 200 and answer["result"]["capabilities"] == {"tools": {}} and session
        finally:
            process.terminate()
            assert process.wait(SECONDS) == 128 + 15


def test_serve_is_the_same_gateway_for_a_client_outside(plain):
    """The official client starts `mcp serve` as its server, as clients do."""
    serve = plain.gmcp("mcp", "serve", "-p", profile_of(plain), "all")
    words = [sys.executable, str(AGENTS / "mcp_client.py"), serve[0], json.dumps(serve[1:])]
    result = plain.native(*words, env={"OPERATOR_KEY": "sesame-open-4711"}, timeout=120)
    assert result.code == 0, result.err
    found = json.loads(result.text)[serve[0]]
    assert found["tools"] == GRANTED
    assert found["add"] == {"text": "5", "is_error": False}
    assert found["hidden"]["error"] == -32001
    assert found["after crash"]["text"] == "9"
    assert plain.command("audit", "verify").code == 0


def test_serve_takes_a_changed_profile_while_it_runs(plain):
    profile = profile_of(plain)
    serve = plain._as_user(plain.gmcp("mcp", "serve", "-p", profile))
    environment = plain.environment({"OPERATOR_KEY": "sesame-open-4711"})
    with subprocess.Popen(serve, cwd=plain.workspace, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            place = next(line for line in process.stderr if "configuration for clients" in line).split()[-1]
            entry = json.loads(Path(place).read_text())["mcpServers"]["all"]
            headers = {"authorization": entry["headers"]["Authorization"]}
            hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}}
            hello["params"] |= {"capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
            headers["mcp-session-id"] = str(post(entry["url"], hello, **headers)[2])
            arguments = {"name": "add", "arguments": {"a": 2, "b": 3}}
            call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": arguments}
            assert "result" in post(entry["url"], call, **headers)[1]
            rule = '[[rules]]\nid = "no-more"\ntext = "Nothing is added."\neffect = "deny"\ntools = ["mcp.call"]\n'
            with open(profile, "a") as file:
                file.write(rule)
            assert "was read again" in next(line for line in process.stderr if "gmcp-sandbox:" in line)
            assert post(entry["url"], call, **headers)[1]["error"]["code"] == -32001
        finally:
            process.terminate()
            process.stderr.read()
            process.wait(SECONDS)

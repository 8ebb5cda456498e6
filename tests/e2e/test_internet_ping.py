"""ping(8) on the tests' own internet: an echo where the profile grants it, a refusal at once where it does not."""

from __future__ import annotations

import json

import pytest

from tests.e2e.internet import WEB, calls, events
from tests.e2e.upstream import PING_RANGE

pytestmark = pytest.mark.needs("tun", "internet", "program:ping")

GRANTED = """
[[net.allow]]
hosts = ["*.example.com"]
protocols = ["icmp"]
addresses = ["203.0.113.0/24", "2001:db8::/32", "198.51.100.0/24", "192.0.2.0/24"]
"""
PING = """
import json, re, subprocess, sys, time
found = {}
for words in json.loads(sys.argv[1]):
    began = time.monotonic()
    done = subprocess.run(["ping", "-n", "-W", "30", *words.split()], capture_output=True, text=True)
    said = done.stdout + done.stderr
    received = re.search(r"(\\d+) received", said)
    found[words] = [done.returncode, int(received[1]) if received else said, time.monotonic() - began < 20]
print(json.dumps(found))
"""


def _ping(online, *commands, profile=None):
    """Return command → [status of ping(8), answers or what it said, whether it gave up soon]."""
    return online.script(PING, json.dumps(commands), profile=profile or online.profile(more=GRANTED))


def test_ping_of_a_granted_name_is_answered_by_the_host_itself(online):
    four, six = "-4 -c 3 -i 0.01 web.example.com", "-6 -c 2 -i 0.01 web.example.com"
    found, result = _ping(online, four, six)
    assert found == {four: [0, 3, True], six: [0, 2, True]}
    sent = calls(result, "net.send")
    assert {(call["outcome"], call["object"], call["args"]["protocol"]) for call in sent} == {
        ("allow", "web.example.com", "icmp")
    }
    assert len(sent) == 5  # each echo is a call


def test_ping_carries_its_bytes_there_and_back(online):
    """ping(8) compares the payload of an answer with what it sent, and says so where they differ."""
    online.sandbox.write("empty.txt", "")
    words = "ping -n -c 1 -W 30 -s 1400 -p c0ffee web.example.com"
    result = online.exec("sh", "-c", words, profile=online.profile(more=GRANTED))
    assert result.code == 0, result.err
    assert "1408 bytes from" in result.text
    assert "wrong data byte" not in result.text


def test_ping_of_what_nobody_granted_fails_at_once(online):
    """A name without the right to be pinged, an address, and one whose every address is refused."""
    literal, metadata = f"-c 1 {WEB}", "-c 1 169.254.169.254"
    without = "-c 1 web.example.com"
    found, result = _ping(online, literal, metadata, without, profile=online.profile())
    assert found == {words: [1, 0, True] for words in (literal, metadata, without)}
    assert calls(result, "net.send", "allow") == []
    denied = {call["object"] for call in calls(result, "net.send", "deny")}
    assert denied == {WEB, "169.254.169.254", "web.example.com"}


def test_ping_of_a_name_that_leads_to_metadata_or_to_the_host_is_not_sent(online):
    names = [f"-c 1 {name}.example.com" for name in ("rebinding-metadata", "rebinding-private")]
    found, result = _ping(online, *names)
    assert found == {words: [1, 0, True] for words in names}
    assert len(calls(result, "net.send", "allow")) == 2  # the name is granted, its addresses are not
    assert [failure["why"] for failure in events(result, "dial_failed")] == ["refused_address"] * 2


def test_ping_of_a_host_that_cannot_be_reached_says_so(online):
    found, _ = _ping(online, "-c 1 unreachable.example.com")
    assert found == {"-c 1 unreachable.example.com": [1, 0, True]}


def test_ping_of_a_host_that_does_not_answer_waits_as_it_does_anywhere(online):
    found, _ = _ping(online, "-W 1 -c 1 silent.example.com")
    assert found == {"-W 1 -c 1 silent.example.com": [1, 0, True]}


@pytest.mark.needs("root")  # to change that
def test_ping_on_a_host_that_lets_nobody_ping_says_that_the_network_is_unreachable(online):
    """No wider right is taken instead: not a raw socket, though the supervisor of root could open one."""
    before = online.host("cat", PING_RANGE)
    online.host("sh", "-c", f"echo 1 0 > {PING_RANGE}")
    try:
        command = ("ping", "-4", "-n", "-c", "1", "-W", "30", "web.example.com")
        result = online.exec(*command, profile=online.profile(more=GRANTED))
    finally:
        online.host("sh", "-c", f"echo {before.strip()} > {PING_RANGE}")
    assert result.code == 1
    assert "Net Unreachable" in result.text
    assert [failure["why"] for failure in events(result, "dial_failed")] == ["ping_not_permitted"]


def test_a_tunnel_of_echoes_spends_the_byte_budget(online):
    """What an echo carries is counted like any other byte that leaves."""
    profile = online.profile(more=f'bytes_up = "16 KiB"\n{GRANTED}')
    result = online.exec(
        *("ping", "-4", "-n", "-c", "40", "-i", "0.002", "-W", "5", "-s", "1400", "web.example.com"), profile=profile
    )
    outcomes = [call["outcome"] for call in calls(result, "net.send")]
    assert outcomes[:12] == ["allow"] * 12
    assert outcomes[-10:] == ["deny"] * 10

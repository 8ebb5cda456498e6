from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.audit.entries import CallEntry, EventEntry, SealEntry, SegmentEntry
from gmcp_sandbox.cli.format import clock_time, json_line, text_line
from gmcp_sandbox.cli.terminal import Painter

PLAIN = Painter(io.StringIO(), "never")
COLOUR = Painter(io.StringIO(), "always")


def call(**fields):
    values = {
        "at": 1_700_000_000_123_000_000,
        "seq": 1,
        "pid": 7,
        "tool": "fs.read",
        "object": "/ws/a",
        "args": {"op": "open"},
        "label": "workspace",
        "outcome": "allow",
        "verdicts": 5,
        "us": 4,
        "epoch": 1,
    }
    return CallEntry(**{**values, **fields})


def denied(**fields):
    verdicts = ("schema", ["trust", "deny", "trust.no_capability", "no grant"])
    return call(outcome="deny", layer="trust", reason="trust.no_capability", verdicts=verdicts, **fields)


def test_a_decision_is_one_aligned_line():
    allow, deny = text_line(call(), PLAIN), text_line(denied(us=12_345), PLAIN)
    assert allow.endswith("ALLOW  fs.read           4 µs  /ws/a (open)")
    assert deny.endswith("DENY   fs.read       12345 µs  /ws/a (open)  trust.no_capability: no grant")
    assert allow.index("/ws") == deny.index("/ws")
    assert ".123  " in allow


def test_deny_is_a_word_with_and_without_colour():
    assert "DENY" in text_line(denied(), PLAIN)
    assert "\x1b[31;1mDENY \x1b[0m" in text_line(denied(), COLOUR)
    assert "\x1b" not in text_line(denied(), PLAIN)


def test_control_characters_are_escaped():
    line = text_line(call(object="/ws/\x1b[2J\n\u202e\udce9"), PLAIN)
    assert "/ws/\\x1b[2J\\x0a\\u202e\\xe9" in line


@given(st.text(st.characters(codec=None, categories=None)), st.integers())
def test_a_line_is_printable_whatever_the_record_says(text, number):
    for entry in (
        call(object=text, tool=text, args={"argv": [text], "target": text}, at=number),
        denied(args={"target": text}),
        EventEntry(at=number, name=text, data={text: text}),
        SealEntry(at=1, records=1, allowed=number, denied=1, tools={}, outcome={text: text}),
    ):
        assert text_line(entry, PLAIN).isprintable()


def test_a_command_and_a_target_are_shown():
    assert text_line(call(tool="proc.exec", args={"argv": ["git", "status"]}), PLAIN).endswith("/ws/a  [git status]")
    assert text_line(call(tool="fs.rename", args={"target": "/ws/b"}), PLAIN).endswith("/ws/a -> /ws/b")


def test_a_call_of_the_network_shows_where_it_goes_and_what_it_asks():
    def shown(tool, **args):
        return text_line(call(tool=tool, object="api.example.com", args=args), PLAIN).partition(" µs  ")[2]

    request = {"method": "POST", "path": "/v1/x\x1b[2J", "port": 443, "headers": ["host"], "scheme": "https"}
    assert shown("http.request", **request) == "api.example.com:443  POST /v1/x\\x1b[2J"
    assert shown("net.connect", port=8443) == "api.example.com:8443"
    assert shown("tls.hello", port=443, server_name="api.example.com") == "api.example.com:443"
    assert shown("dns.resolve", qtype="AAAA") == "api.example.com (AAAA)"
    assert shown("net.send", protocol="udp", port=123) == "api.example.com:123 (udp)"
    assert shown("net.send", protocol="icmp", port=None) == "api.example.com (icmp)"


def test_the_links_between_files_are_not_shown():
    assert text_line(SegmentEntry(at=1, session="a", index=1, prev=""), PLAIN) is None
    assert text_line(EventEntry(at=1, name="rotate", data={"next": 1}), PLAIN) is None


def test_json_is_the_record():
    decoded = json.loads(json_line(denied(ref=3)))
    assert (decoded["kind"], decoded["outcome"], decoded["ref"]) == ("call", "deny", 3)


def test_a_time_that_is_none_is_a_number():
    assert clock_time(10**30) == str(10**30)

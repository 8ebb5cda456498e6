"""What is asked, and what the shell compares once more."""

import pytest

from gmcp_sandbox.calls.arguments import HttpRequest, NetConnect, TlsHello
from gmcp_sandbox.calls.labels import NETWORK
from gmcp_sandbox.net.head import parse_request
from gmcp_sandbox.net.hello import Hello
from gmcp_sandbox.net.questions import Questions
from gmcp_sandbox.net.requests import read_request
from gmcp_sandbox.net.types import Target
from tests.net.talk import TARGET, Door

LITERAL = Target("192.0.2.7", 443, "192.0.2.7", True)


def request(text="GET /a HTTP/1.1\r\nHost: example.com\r\nCookie: secret\r\n\r\n"):
    return read_request(parse_request(text.encode()), "http")


@pytest.mark.parametrize(
    ("target", "name", "allowed"),
    [
        (TARGET, "example.com", True),
        (TARGET, "other.example", False),
        (TARGET, None, False),
        (LITERAL, None, True),
        (LITERAL, "example.com", False),
    ],
)
async def test_a_hello_asks_for_the_bound_name(target, name, allowed):
    door = Door()
    assert await Questions(door, target).may_greet(Hello(name)) is allowed
    assert door.calls[0].args == TlsHello(name, target.port)
    assert (door.calls[0].object, door.calls[0].label) == (target.host, NETWORK)


async def test_a_request_names_the_bound_host():
    door = Door()
    assert await Questions(door, TARGET).may_request(request(), "http")
    assert not await Questions(door, LITERAL).may_request(request(), "http")
    assert door.calls[0].args == HttpRequest("GET", "/a", 80, ("cookie",), "http", "example.com")
    assert "secret" not in repr(door.calls)


async def test_a_denial_is_final():
    questions = Questions(Door(lambda call: True), TARGET)
    assert not await questions.may_greet(Hello("example.com"))
    assert not await questions.may_request(request(), "http")
    assert not await questions.may_be_raw("upgrade")


async def test_the_right_to_raw_bytes_is_asked_for_with_its_cause():
    door = Door(raw=True)
    assert await Questions(door, TARGET).may_be_raw("server_first")
    assert door.calls[0].args == NetConnect(80, "198.18.0.1", "server_first")


async def test_what_cannot_be_judged_is_recorded():
    door = Door()
    await Questions(door, TARGET).report_hello("truncated")
    await Questions(door, TARGET).report_request("bare_lf", "https")
    await Questions(door, TARGET).report_request("placeholder", "https", request())
    assert [args.fault for args in door.args] == ["truncated", "bare_lf", "placeholder"]
    assert door.args[2].headers == ("cookie",)

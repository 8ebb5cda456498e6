"""First bytes of a flow: what they lead to, and that nothing leaves before it is allowed."""

import pytest

from gmcp_sandbox.calls.arguments import NetConnect, TlsHello
from gmcp_sandbox.net.converse import SILENT_SECONDS, first_of
from gmcp_sandbox.net.http2 import REFUSAL
from gmcp_sandbox.net.types import Closing, HandOff, Target
from tests.net.hellos import extension, message, names, real_hello, records
from tests.net.talk import Door, pair, read_all, talk

ALERT_DENIED = b"\x15\x03\x03\x00\x02\x02\x31"


async def test_tls_with_the_bound_name_is_handed_off():
    hello = real_hello("example.com", ("h2", "http/1.1"))
    async with talk(door := Door()) as ends:
        await ends.agent.send_all(hello[:7])
        await ends.agent.send_all(hello[7:])
        assert await ends.end() == HandOff(up=hello)
    assert [call.args for call in door.calls] == [TlsHello("example.com", 80, ("h2", "http/1.1"))]


@pytest.mark.parametrize("name", ["other.example", "sub.example.com", None])
async def test_tls_with_another_name_gets_an_alert(name):
    async with talk(door := Door()) as ends:  # the door has a gap: it allows every name
        await ends.agent.send_all(real_hello(name))
        assert await ends.agent.receive_some() == ALERT_DENIED
        await ends.agent.aclose()
        assert await ends.closing() == "refused"
        assert await read_all(ends.server) == b""
    assert door.args[0].server_name == name


async def test_a_denied_hello_gets_an_alert_at_once():
    async with talk(Door(lambda call: True)) as ends:
        await ends.agent.send_all(real_hello("example.com"))
        assert await read_all(ends.agent) == ALERT_DENIED
        await ends.agent.aclose()
        assert await read_all(ends.server) == b""


async def test_a_literal_address_has_no_name():
    target = Target("192.0.2.7", 443, "192.0.2.7", True)
    async with talk(Door(), target) as ends:
        await ends.agent.send_all(real_hello(None))
        assert isinstance(await ends.end(), HandOff)


async def test_a_hello_that_cannot_be_judged_is_recorded():
    async with talk(door := Door()) as ends:
        await ends.agent.send_all(records(message(names(b"a.example", b"example.com"))))
        assert (await read_all(ends.agent))[:1] == b"\x15"
        await ends.agent.aclose()
        assert await ends.closing() == "refused"
        assert await read_all(ends.server) == b""
    assert door.asked == ["tls.hello trailing"]


async def test_an_encrypted_hello_is_stated():
    async with talk(door := Door()) as ends:
        await ends.agent.send_all(records(message(names(b"example.com"), extension(0xFE0D, b"\0"))))
        await ends.end()
    assert door.args[0].ech


@pytest.mark.parametrize("words", [b"EHLO a\r\n", b"\0\1\2\3", b"GET /\r\n"])
async def test_what_is_neither_needs_the_right_to_raw_bytes(words):
    async with talk(door := Door()) as ends:
        await ends.agent.send_all(words)
        assert await ends.closing() == "denied"
        assert await read_all(ends.server) == b""
    assert [call.args for call in door.calls] == [NetConnect(80, "198.18.0.1", "unknown")]
    async with talk(Door(raw=True)) as ends:
        await ends.agent.send_all(words)
        assert await ends.end() == HandOff(up=words)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)


async def test_http2_in_plain_text_needs_the_right_to_raw_bytes():
    async with talk(door := Door()) as ends:
        await ends.agent.send_all(PREFACE)
        assert await read_all(ends.agent) == REFUSAL
        await ends.agent.aclose()
        assert await ends.closing() == "refused"
        assert await read_all(ends.server) == b""
    assert [call.args for call in door.calls] == [NetConnect(80, "198.18.0.1", "http2")]
    async with talk(Door(raw=True)) as ends:
        await ends.agent.send_all(PREFACE)
        assert await ends.end() == HandOff(up=PREFACE)


async def test_http2_is_known_by_a_server_that_does_not_wait_for_its_client():
    settings = REFUSAL[:9]
    async with talk(door := Door()) as ends:
        await ends.server.send_all(settings)
        assert await read_all(ends.agent) == REFUSAL
        await ends.agent.send_all(PREFACE)
        await ends.agent.aclose()
        assert await ends.closing() == "refused"
        assert await read_all(ends.server) == b""
    assert [call.args for call in door.calls] == [NetConnect(80, "198.18.0.1", "http2")]
    async with talk(Door(raw=True)) as ends:
        await ends.server.send_all(settings)
        assert await ends.end() == HandOff(down=settings)


async def test_a_server_that_speaks_first_needs_the_right_to_raw_bytes():
    async with talk(door := Door()) as ends:
        await ends.server.send_all(b"SSH-2.0-x\r\n")
        assert await ends.closing() == "denied"
        assert await read_all(ends.agent) == b""
    assert door.asked == ["net.connect server_first"]
    async with talk(Door(raw=True)) as ends:
        await ends.server.send_all(b"SSH-2.0-x\r\n")
        assert await ends.end() == HandOff(down=b"SSH-2.0-x\r\n")


async def test_either_side_may_hang_up_before_a_word():
    for side in ("agent", "server"):
        async with talk(door := Door()) as ends:
            await getattr(ends, side).aclose()
            assert await ends.closing() == "closed"
        assert door.calls == []


async def test_a_beginning_that_breaks_off_is_neither():
    async with talk(door := Door()) as ends:
        await ends.agent.send_all(b"GET /")
        await ends.agent.send_eof()
        assert await ends.closing() == "denied"
    assert door.asked == ["net.connect unknown"]


async def test_a_tls_flow_that_breaks_off_is_closed():
    async with talk(Door()) as ends:
        await ends.agent.send_all(real_hello()[:50])
        await ends.agent.send_eof()
        assert await ends.closing() == "closed"


@pytest.mark.parametrize("raw", [False, True])
async def test_silence_ends(autojump_clock, raw):
    async with talk(door := Door(raw=raw), limit=1000) as ends:
        how = await ends.end()
    assert door.asked == ["net.connect silent"]
    assert how == (HandOff() if raw else Closing(0, 0, SILENT_SECONDS, "denied"))


@pytest.mark.parametrize(("words", "asked"), [(b"GET", "net.connect unknown"), (b"\x16\x03\x01", "tls.hello slow")])
async def test_a_beginning_without_end_is_decided(autojump_clock, words, asked):
    async with talk(door := Door(), limit=1000) as ends:
        await ends.agent.send_all(words)
        assert await ends.closing() in ("denied", "refused")
    assert door.asked == [asked]


async def test_a_head_without_end_is_decided(autojump_clock):
    async with talk(Door(), limit=1000) as ends:
        await ends.agent.send_all(b"GET / HTTP/1.1\r\nHost: ")
        assert await ends.closing() == "idle"


async def test_the_end_of_a_flow_tells_its_bytes():
    async with talk(Door()) as ends:
        await ends.agent.send_all(b"GET / HTTP/1.0\r\nHost: example.com\r\n\r\n")
        await ends.server.receive_some()
        await ends.server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        closing = await ends.end()
    assert (closing.how, closing.down) == ("closed", 59)
    assert closing.up > 30


async def test_first_of_tells_who_has_something_to_say():
    (here, there), (mine, yours) = pair(), pair()
    await there.send_all(b"x")
    assert await first_of(here, mine) == [here]
    await yours.aclose()
    assert mine in await first_of(here, mine)
    for stream in (here, there, mine):
        await stream.aclose()

"""The parsers of hostile bytes: each gives a value or its one documented error, and keeps its promises about values.

A target returns quietly or raises; whatever it raises is a finding. Its seeds are well-formed, for mutation to begin
from.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import NamedTuple

from dnslib import DNSRecord

from gmcp_sandbox.net import packets
from gmcp_sandbox.net.dnswire import QuestionError, read_question
from gmcp_sandbox.net.framing import BodyError, ChunkedDecoder
from gmcp_sandbox.net.head import HeadError, parse_request, parse_response, request_end, response_end
from gmcp_sandbox.net.hello import HelloError, read_hello
from gmcp_sandbox.net.requests import read_request, write_request
from gmcp_sandbox.net.responses import read_response
from gmcp_sandbox.net.sniff import sniff
from gmcp_sandbox.net.types import Endpoint


class Target(NamedTuple):
    """One parser: what feeds it, and what to begin with."""

    feed: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def _packets(data: bytes) -> None:
    try:
        packet = packets.parse(data)
    except packets.PacketError:
        return
    for answer in (packets.tcp_reset, lambda asked: packets.echo_reply(asked, data)):
        try:
            packets.parse(answer(packet))
        except packets.PacketError:
            continue


def _dns(data: bytes) -> None:
    try:
        read_question(data)
    except QuestionError:
        return


def _hello(data: bytes) -> None:
    try:
        hello = read_hello(data)
    except HelloError:
        return
    if hello is not None and hello.server_name is not None:
        assert hello.server_name == hello.server_name.lower()
        assert all(hello.server_name.split("."))


def _request(data: bytes) -> None:
    """What is written anew is read again, with the same meaning."""
    try:
        end = request_end(data)
        if end is None:
            return
        asked = read_request(parse_request(data[:end]), "http")
    except HeadError:
        return
    written = write_request(asked, b"host.example", asked.fields)
    if asked.method != "CONNECT":
        again = read_request(parse_request(written), "http")
        assert (again.target, again.fields, again.framing) == (asked.target, asked.fields, asked.framing)


def _response(data: bytes) -> None:
    try:
        end = response_end(data)
        if end is not None:
            read_response(parse_response(data[:end]), "GET")
    except HeadError:
        return


def _chunks(data: bytes) -> None:
    """Cut anywhere, a body has one payload."""
    found: list[tuple[bytes, bool] | None] = []
    for size in (len(data) or 1, 1, 3):
        decoder = ChunkedDecoder()
        try:
            payload = b"".join(decoder.feed(data[at : at + size]) for at in range(0, len(data), size))
        except BodyError:
            found.append(None)
            continue
        found.append((payload, decoder.is_done))
    assert found[1] == found[2]
    assert found[0] == found[1]


def _sniff(data: bytes) -> None:
    early = sniff(data[: len(data) // 2])
    assert early is None or sniff(data) is early


def _client_hello() -> bytes:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="example.com").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


_HELLO = _client_hello()
_GET = b"GET /a?b HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n"
_POST = (
    b"POST /p HTTP/1.1\r\nHost: [2001:db8::1]:80\r\nContent-Length: 5\r\n"
    b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
)
_UPGRADE = (
    b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n"
)
_CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
_V4 = packets.udp(Endpoint("192.0.2.1", 1024), Endpoint("192.0.2.2", 53), b"payload")
_V6 = packets.udp(Endpoint("2001:db8::1", 1024), Endpoint("2001:db8::2", 53), b"payload")
_SYN = bytes.fromhex("450000280001000040060000c0000201c6120001c0000050000000010000000050022000") + bytes(4)
_ECHO = bytes.fromhex("4500001c0001000040010000c0000201c61200010800000000010001")

TARGETS: dict[str, Target] = {
    "packets": Target(_packets, (_V4, _V6, _SYN, _ECHO)),
    "dns": Target(_dns, (DNSRecord.question("example.com").pack(), DNSRecord.question("a.example", "AAAA").pack())),
    "hello": Target(_hello, (_HELLO, _HELLO[:5] + _HELLO[5:100])),
    "request": Target(_request, (_GET, _POST, _UPGRADE, _CHUNKED)),
    "response": Target(_response, (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"HTTP/1.0 304 x\nA: b\n c\n\n")),
    "chunks": Target(_chunks, (b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n", b"a\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n")),
    "sniff": Target(_sniff, (_GET, _HELLO, b"SSH-2.0-x\r\n", b"PRI * HTTP/2.0\r\n\r\n")),
}

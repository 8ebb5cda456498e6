"""What requests mean: one thing, or nothing. Each smuggling form has its name in the refusals."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.framing import CHUNKED, NO_BODY, Framing, Mode
from gmcp_sandbox.net.head import HeadError, parse_request
from gmcp_sandbox.net.requests import (
    Authority,
    Reader,
    Writer,
    authority_bytes,
    read_authority,
    read_request,
    write_request,
)


def request(*lines, first="GET / HTTP/1.1", host="Host: example.com", scheme="http"):
    text = "\r\n".join([first, *([host] if host else []), *lines, "", ""])
    return read_request(parse_request(text.encode("latin-1")), scheme)


def written(asked, host=b"example.com"):
    return write_request(asked, host, asked.fields).decode()


def test_an_ordinary_request():
    asked = request("Accept: */*", first="POST /a?b HTTP/1.1")
    assert asked.authority == Authority("example.com", None)
    assert (asked.method, asked.target, asked.framing, asked.keeps) == ("POST", "/a?b", NO_BODY, True)
    assert asked.names == ("accept",)
    assert written(asked) == "POST /a?b HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "framing", "field"),
    [
        (("Content-Length: 5",), Framing(Mode.LENGTH, 5), "Content-Length: 5"),
        (("Content-Length: 007",), Framing(Mode.LENGTH, 7), "Content-Length: 7"),
        (("Transfer-Encoding: Chunked",), CHUNKED, "Transfer-Encoding: chunked"),
    ],
)
def test_a_body_is_framed_anew(lines, framing, field):
    asked = request(*lines, first="PUT / HTTP/1.1")
    assert asked.framing == framing
    assert written(asked).splitlines()[2:] == [field, ""]


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        (("Content-Length: 5", "Transfer-Encoding: chunked"), "length_and_encoding"),
        (("Transfer-Encoding: chunked", "Content-Length: 5"), "length_and_encoding"),
        (("Content-Length: 5", "Content-Length: 5"), "several_lengths"),
        (("Content-Length: 5", "Content-Length: 6"), "several_lengths"),
        (("Content-Length: 5, 5",), "content_length"),
        (("Content-Length: +5",), "content_length"),
        (("Content-Length: -1",), "content_length"),
        (("Content-Length: 0x5",), "content_length"),
        (("Content-Length: 5 5",), "content_length"),
        (("Content-Length:",), "content_length"),
        (("Content-Length: \xb2",), "content_length"),
        (("Content-Length: " + "9" * 19,), "content_length"),
        (("Content_Length: 5",), "field_name"),
        (("Transfer_Encoding: chunked",), "field_name"),
        (("Transfer-Encoding: identity",), "transfer_encoding"),
        (("Transfer-Encoding: gzip, chunked",), "transfer_encoding"),
        (("Transfer-Encoding: chunked, chunked",), "transfer_encoding"),
        (("Transfer-Encoding: xchunked",), "transfer_encoding"),
        (("Transfer-Encoding: \x0bchunked".replace("\x0b", "\t;"),), "transfer_encoding"),
        (("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), "transfer_encoding"),
        (("Host: example.com",), "several_hosts"),
        (("Host: other.example",), "several_hosts"),
        (("Expect: 200-maybe",), "expectation"),
        (("Upgrade: websocket", "Connection: upgrade", "Content-Length: 1"), "body_before_raw"),
    ],
)
def test_smuggling_forms_are_refused(lines, word):
    with pytest.raises(HeadError) as caught:
        request(*lines)
    assert caught.value.word == word


@pytest.mark.parametrize(
    ("first", "host", "word"),
    [
        ("GET / HTTP/1.1", "", "no_host"),
        ("GET / HTTP/1.1", "Host:", "host"),
        ("GET / HTTP/1.1", "Host: a b", "host"),
        ("GET / HTTP/1.1", "Host: user@example.com", "host"),
        ("GET / HTTP/1.1", "Host: example.com:", "host"),
        ("GET / HTTP/1.1", "Host: example.com:0", "host"),
        ("GET / HTTP/1.1", "Host: example.com:65536", "host"),
        ("GET / HTTP/1.1", "Host: example.com/x", "host"),
        ("GET / HTTP/1.1", "Host: [::g]", "host"),
        ("GET http://other.example/ HTTP/1.1", "Host: example.com", "several_hosts"),
        ("GET http://example.com:81/ HTTP/1.1", "Host: example.com", "several_hosts"),
        ("GET http://me:pw@example.com/ HTTP/1.1", "Host: example.com", "host"),
        ("GET https://example.com/ HTTP/1.1", "Host: example.com", "scheme"),
        ("GET ftp://example.com/ HTTP/1.1", "Host: example.com", "scheme"),
        ("GET example.com:80 HTTP/1.1", "Host: example.com", "target"),
        ("GET * HTTP/1.1", "Host: example.com", "target"),
        ("GET ?x HTTP/1.1", "Host: example.com", "target"),
        ("CONNECT other.example:443 HTTP/1.1", "Host: example.com", "several_hosts"),
        ("CONNECT / HTTP/1.1", "Host: example.com", "host"),
    ],
)
def test_a_request_names_one_host(first, host, word):
    with pytest.raises(HeadError) as caught:
        request(first=first, host=host)
    assert caught.value.word == word


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("Example.COM.", Authority("example.com", None)),
        ("example.com:8080", Authority("example.com", 8080)),
        ("192.0.2.1", Authority("192.0.2.1", None)),
        ("[2001:DB8:0::1]:80", Authority("2001:db8::1", 80)),
    ],
)
def test_names_are_folded_and_addresses_canonical(text, authority):
    assert read_authority(text) == authority


@pytest.mark.parametrize(
    ("target", "origin"),
    [("http://example.com/a?b", "/a?b"), ("HTTP://EXAMPLE.com", "/"), ("http://example.com?q", "/?q")],
)
def test_an_absolute_target_becomes_origin_form(target, origin):
    assert request(first=f"GET {target} HTTP/1.1").target == origin


def test_http_1_0():
    asked = request(first="GET / HTTP/1.0", host="")
    assert (asked.authority, asked.keeps, asked.minor) == (None, False, 0)
    assert "Connection: close" in written(asked)
    assert request("Connection: Keep-Alive", first="GET / HTTP/1.0").keeps
    with pytest.raises(HeadError):
        request("Transfer-Encoding: chunked", first="POST / HTTP/1.0")


def test_fields_of_the_connection_stop_here():
    asked = request(
        "Connection: X-Mine, close", "X-Mine: 1", "Keep-Alive: 5", "TE: trailers", "Proxy-Connection: x", "A: b"
    )
    assert asked.names == ("a",)
    assert not asked.keeps


def test_a_connection_field_cannot_take_what_matters_away():
    asked = request("Connection: Host, Content-Length, Authorization", "Content-Length: 3", "Authorization: x")
    assert asked.framing == Framing(Mode.LENGTH, 3)
    assert asked.names == ("authorization",)


def test_an_upgrade_is_asked_for_and_h2c_is_not():
    asked = request("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
    assert asked.upgrade == "websocket"
    assert "Connection: Upgrade\r\nUpgrade: websocket\r\n" in written(asked)
    plain = request("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA")
    assert plain.upgrade is None
    assert written(plain) == "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
    assert request("Upgrade: websocket").upgrade is None


def test_connect_keeps_its_authority():
    asked = request(first="CONNECT other.example:443 HTTP/1.1", host="Host: other.example:443")
    assert (asked.target, asked.authority) == ("other.example:443", Authority("other.example", 443))


@pytest.mark.parametrize(
    ("host", "port", "scheme", "field"),
    [
        ("example.com", 80, "http", b"example.com"),
        ("example.com", 443, "https", b"example.com"),
        ("example.com", 443, "http", b"example.com:443"),
        ("2001:db8::1", 8080, "http", b"[2001:db8::1]:8080"),
    ],
)
def test_the_host_field_is_ours(host, port, scheme, field):
    assert authority_bytes(host, port, scheme) == field


NAMES = st.sampled_from(
    [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Connection",
        "Upgrade",
        "Expect",
        "Accept",
        "Trailer",
        "content_length",
    ]
)
WORDS = st.sampled_from(
    [
        "5",
        "0",
        "5, 5",
        "chunked",
        "identity",
        "close",
        "keep-alive",
        "host",
        "upgrade",
        "h2c",
        "websocket",
        "example.com",
        "",
    ]
)


@given(
    st.sampled_from(["GET", "POST", "CONNECT", "OPTIONS"]),
    st.sampled_from(["/", "*", "http://example.com/", "example.com:80", "/a?b=//c"]),
    st.sampled_from("01"),
    st.lists(st.tuples(NAMES, WORDS), max_size=5),
)
def test_what_goes_upstream_has_one_meaning(method, target, minor, pairs):
    lines = [f"{name}: {value}" for name, value in pairs]
    try:
        asked = request(*lines, first=f"{method} {target} HTTP/1.{minor}")
    except HeadError:
        return
    head = written(asked)
    again = read_request(parse_request(head.encode()), "http") if method != "CONNECT" else None
    assert again is None or (again.framing, again.target, again.fields) == (asked.framing, asked.target, asked.fields)
    other = h11.Connection(h11.SERVER)
    other.receive_data(head.encode())
    event = other.next_event()
    assert event.method.decode() == method
    keys = [name for name, _ in event.headers]
    assert keys.count(b"host") == 1
    assert keys.count(b"content-length") + keys.count(b"transfer-encoding") == (asked.framing is not NO_BODY)


LINES = [
    b"GET /a HTTP/1.1",
    b"GET /b?c HTTP/1.1",
    b"POST /a HTTP/1.1",
    b"GET /a HTTP/1.0",
    b"GET http://example.com/ HTTP/1.1",
    b"CONNECT example.com:80 HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"GET /\xe4 HTTP/1.1",
    b"GET  /a HTTP/1.1",
    b"GET /a\nX: y HTTP/1.1",
    b"G\0T /a HTTP/1.1",
    b"GET /a HTTP/2.0",
    b"",
    b"\r",
]
BLOCKS = [
    b"Host: example.com\r\n\r\n",
    b"Host: example.com\r\nAccept: */*\r\n\r\n",
    b"Host: other.example\r\n\r\n",
    b"\r\n",
    b"Host: example.com\r\nConnection: close\r\n\r\n",
    b"Host: example.com\r\nContent-Length: 3\r\n\r\n",
    b"Host: example.com\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"Host: example.com\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"Host: example.com\nX: y\r\n\r\n",
    b"Host: example.com\r\nConnection: keep-alive\r\n\r\n",
]
HEADS = st.builds(lambda line, block: line + b"\r\n" + block, st.sampled_from(LINES), st.sampled_from(BLOCKS))


def _outcome(read, head):
    try:
        return read(head)
    except HeadError as error:
        return error.word


@given(st.lists(HEADS, max_size=12))
def test_what_was_read_before_changes_no_meaning(heads):
    """Smuggling by a remembered block: each head means what it means alone, and is written as it is written alone."""
    reader, writer = Reader("http"), Writer()
    for head in heads:
        asked = _outcome(reader.read, head)
        assert asked == _outcome(lambda alone: read_request(parse_request(alone), "http"), head)
        if not isinstance(asked, str):
            for host in (b"example.com", b"example.com:81"):
                assert writer.write(asked, host, asked.fields) == write_request(asked, host, asked.fields)

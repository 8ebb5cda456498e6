"""Heads of HTTP messages: what is accepted means to h11 what it means here; what is ambiguous is refused."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.head import (
    MAX_FIELDS,
    MAX_HEAD,
    Field,
    HeadError,
    parse_request,
    parse_response,
    parse_trailers,
    request_end,
    response_end,
    write_head,
)

TOKENS = st.text(alphabet="!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=20)
VALUES = st.text(alphabet=[chr(code) for code in (9, *range(0x20, 0x7F), *range(0x80, 0x100))], max_size=30)
TARGETS = st.text(alphabet=[chr(code) for code in range(0x21, 0x7F) if chr(code) != "#"], min_size=1, max_size=30)


def word_of(read, data):
    with pytest.raises(HeadError) as caught:
        read(data)
    return caught.value.word


def test_a_request():
    head = parse_request(b"GET /a?b HTTP/1.1\r\nHost: example.com\r\nX-Empty:\r\nX-Tab:\t a \t\r\n\r\n")
    assert head.method == "GET"
    assert head.target == "/a?b"
    assert head.minor == 1
    assert head.fields == (
        Field(b"Host", "host", b"example.com"),
        Field(b"X-Empty", "x-empty", b""),
        Field(b"X-Tab", "x-tab", b"a"),
    )


def test_a_target_becomes_ascii():
    assert parse_request("GET /ä HTTP/1.0\r\n\r\n".encode()).target == "/%C3%A4"


def test_a_head_is_complete_at_its_blank_line():
    head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for end in range(len(head)):
        assert request_end(head[:end]) is None
    assert request_end(head + b"\0\n") == len(head)


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", "bare_lf"),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", "bare_lf"),
        (b"GET / HTTP/1.1\r\nX: a\rY: b\r\n\r\n", "bare_cr"),
        (b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", "nul"),
        (b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", "obs_fold"),
        (b"GET / HTTP/1.1\r\n X: a\r\n\r\n", "obs_fold"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "space_before_colon"),
        (b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", "space_before_colon"),
        (b"GET / HTTP/1.1\r\nHost\r\n\r\n", "field_name"),
        (b"GET / HTTP/1.1\r\n: a\r\n\r\n", "field_name"),
        (b"GET / HTTP/1.1\r\nH\xc3\xa4: a\r\n\r\n", "field_name"),
        (b"GET / HTTP/1.1\r\n" + b"a" * 65 + b": a\r\n\r\n", "field_name"),
        (b"GET / HTTP/1.1\r\nX: a\x08b\r\n\r\n", "field_value"),
        (b"GET  / HTTP/1.1\r\n\r\n", "request_line"),
        (b"GET / HTTP/1.1 \r\n\r\n", "request_line"),
        (b"GET /a b HTTP/1.1\r\n\r\n", "request_line"),
        (b"GET /#a HTTP/1.1\r\n\r\n", "request_line"),
        (b"GET / HTTP/1.2\r\n\r\n", "request_line"),
        (b"GET / http/1.1\r\n\r\n", "request_line"),
        (b"GET /\r\n\r\n", "request_line"),
        (b"G\xc3\xa4T / HTTP/1.1\r\n\r\n", "request_line"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (MAX_FIELDS + 1) + b"\r\n", "too_many_fields"),
        (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n\r\n", "too_long"),
        (b"GET / HTTP/1.1\r\n", "incomplete"),
        (b"GET / HTTP/1.1\r\n\r\nx", "incomplete"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(head, word):
    assert word_of(parse_request, head) == word


def test_a_long_head_is_refused_before_it_is_complete():
    assert word_of(request_end, b"G" * (MAX_HEAD + 1)) == "too_long"
    assert word_of(response_end, b"G" * (MAX_HEAD + 1)) == "too_long"


@given(TOKENS, TARGETS, st.lists(st.tuples(TOKENS, VALUES), max_size=6))
def test_h11_reads_what_is_accepted_as_it_is_read_here(method, target, pairs):
    written = write_head(
        f"{method} {target} HTTP/1.1".encode("latin-1"),
        [(b"Host", b"a"), *((name.encode(), value.encode("latin-1")) for name, value in pairs)],
    )
    try:
        head = parse_request(written)
    except HeadError:
        assert not target.isascii() or any(ord(char) < 0x20 for _, value in pairs for char in value)
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(written)
    try:
        event = other.next_event()
    except h11.RemoteProtocolError:
        return  # what framing fields mean is refused in requests.py
    assert (event.method.decode(), event.target.decode()) == (head.method, head.target)
    assert list(event.headers) == [(field.key.encode(), field.value) for field in head.fields]


@given(st.binary(max_size=120), st.sampled_from([b"", b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n"]))
def test_any_bytes_are_a_head_or_refused(data, first):
    candidate = first + data + b"\r\n\r\n"
    for end, read in ((request_end, parse_request), (response_end, parse_response)):
        try:
            assert end(first + data) is None or end(first + data) <= len(first + data)
            head = read(candidate[: end(candidate)])
        except HeadError:
            continue
        assert not any(set(field.value) & {0, 10, 13} for field in head.fields)
        assert all(field.name.isascii() and field.name.strip() == field.name for field in head.fields)


@given(TOKENS, TARGETS, st.lists(st.tuples(TOKENS, VALUES.map(str.strip)), max_size=6))
def test_a_head_that_is_written_is_read_again(method, target, pairs):
    fields = [(name.encode(), value.encode("latin-1").strip(b" \t")) for name, value in pairs]
    head = parse_request(write_head(f"{method} {target} HTTP/1.1".encode(), fields))
    assert [(field.name, field.value) for field in head.fields] == fields


def test_a_response():
    head = parse_response(b"HTTP/1.0 404 Not Found\r\nServer: a\r\n\r\n")
    assert (head.status, head.reason, head.minor) == (404, b"Not Found", 0)
    assert parse_response(b"HTTP/1.1 200\r\n\r\n").reason == b""
    assert parse_response(b"HTTP/1.1 200 \r\n\r\n").reason == b""


def test_a_response_may_be_as_lax_as_clients_take_it():
    whole = b"HTTP/1.1 200 OK\nX: a\r\n  b\nY: c\n\nbody"
    end = response_end(whole)
    assert whole[end:] == b"body"
    assert [field.value for field in parse_response(whole[:end]).fields] == [b"a b", b"c"]


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 099 x\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
        b"\r\n",
    ],
)
def test_a_response_that_no_client_would_take_is_refused(head):
    with pytest.raises(HeadError):
        parse_response(head)


def test_trailers():
    assert parse_trailers(b"\r\n") == ()
    assert parse_trailers(b"X: a\r\n\r\n") == (Field(b"X", "x", b"a"),)
    for block in (b"X: a\n\r\n", b"X: a\r\n b\r\n\r\n", b""):
        with pytest.raises(HeadError):
            parse_trailers(block)

"""First bytes of flows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.sniff import MAX_LINE, Kind, sniff
from tests.net.hellos import real_hello


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (real_hello(), Kind.TLS),
        (b"\x16\x03", Kind.TLS),
        (b"\x16\x02", Kind.OTHER),
        (b"\x80\x2e\x01\x03\x01", Kind.OTHER),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", Kind.HTTP),
        (b"GET / HTTP/1.0\n", Kind.HTTP),
        (b"GET  / HTTP/1.1\r\n", Kind.HTTP),
        (b"M-SEARCH * HTTP/1.1\r\n", Kind.HTTP),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Kind.HTTP2),
        (b"PRI * HTTP/2.0\n\nSM\n\n", Kind.OTHER),
        (b"PRI * HTTP/1.1\r\n", Kind.HTTP),
        (b"GET /\r\n", Kind.OTHER),
        (b"\r\nGET / HTTP/1.1\r\n", Kind.OTHER),
        (b"EHLO example.com\r\n", Kind.OTHER),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Kind.OTHER),
        (b"0033git-upload-pack /a\0host=example.com\0", Kind.OTHER),
        (b"*1\r\n$4\r\nPING\r\n", Kind.OTHER),
        (b"\0\0\0\x08\x04\xd2\x16\x2f", Kind.OTHER),
        (b" GET / HTTP/1.1\r\n", Kind.OTHER),
        (b"x" * 65, Kind.OTHER),
        (b"GET /" + b"x" * MAX_LINE, Kind.HTTP),
        (b"", None),
        (b"\x16", None),
        (b"GET / HTTP/1.1\r", None),
    ],
)
def test_first_bytes(data, kind):
    assert sniff(data) is kind


@given(st.binary(max_size=100))
def test_every_byte_string_is_something(data):
    assert sniff(data) in (None, *Kind)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_an_answer_does_not_change_when_more_bytes_come(first, more):
    early = sniff(first)
    assert early is None or sniff(first + more) is early


@given(st.binary(max_size=20), st.integers(0, 255))
def test_an_answer_comes_at_last(data, byte):
    assert sniff(data + bytes((byte,)) * MAX_LINE) is not None

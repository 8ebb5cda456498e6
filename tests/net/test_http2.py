"""What a client of HTTP/2 is told, read frame by frame."""

import struct

from gmcp_sandbox.net.http2 import PREFACE_LINE, REFUSAL, is_servers_preface
from gmcp_sandbox.net.sniff import Kind, sniff


def _frames(data):
    found = []
    while data:
        length = int.from_bytes(data[:3], "big")
        found.append((data[3], data[4], int.from_bytes(data[5:9], "big"), data[9 : 9 + length]))
        data = data[9 + length :]
    return found


def test_the_refusal_is_a_servers_preface_and_a_goaway():
    settings, goaway = _frames(REFUSAL)
    assert settings == (4, 0, 0, b"")
    assert goaway[:3] == (7, 0, 0)
    last_stream, code = struct.unpack_from("!II", goaway[3])
    assert (last_stream, code) == (0, 0xD)  # HTTP_1_1_REQUIRED, and no stream was processed


def test_a_servers_preface_is_known_by_its_settings():
    assert is_servers_preface(REFUSAL)
    assert is_servers_preface(b"\0\0\x06\4\0\0\0\0\0" + bytes(6))
    for other in (
        b"",
        b"\0\0\0\4\1\0\0\0\0",
        b"\0\0\5\4\0\0\0\0\0" + bytes(5),
        b"SSH-2.0-x\r\n",
        b"\0\0\0\4\0\0\0\0\1",
    ):
        assert not is_servers_preface(other)


def test_a_preface_is_known_as_soon_as_its_first_line_is_there():
    assert sniff(PREFACE_LINE) is None
    assert sniff(PREFACE_LINE + b"\n") is Kind.HTTP2

"""Content codings: what a client would read is what is read here, in bounded pieces, wherever the bytes are cut."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net import codings
from gmcp_sandbox.net.codings import STEP, Inflated, Unreadable, codings_of, offering_readable, opener_of
from gmcp_sandbox.net.head import Field


def field(name: str, value: str) -> Field:
    return Field(name.encode(), name.lower(), value.encode())


def bare(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


CODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"x-gzip": gzip.compress,
    b"deflate": zlib.compress,
}


@given(st.sampled_from(sorted(CODERS)), st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=4))
def test_what_was_compressed_is_read(coding, text, cuts):
    data = CODERS[coding](text)
    opener, found = Inflated(coding), b""
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        found += b"".join(opener.feed(data[start:end]))
    assert found == text


@pytest.mark.parametrize("size", [1, 2, 7, 999])
def test_deflate_without_its_wrapping_is_read_as_clients_do(size):
    opener, data = Inflated(b"deflate"), bare(b"words" * 99)
    pieces = [piece for at in range(0, len(data), size) for piece in opener.feed(data[at : at + size])]
    assert b"".join(pieces) == b"words" * 99


def test_an_order_in_a_second_member_of_gzip_is_read():
    data = gzip.compress(b"harmless ") + gzip.compress(b"orders")
    assert b"".join(Inflated(b"gzip").feed(data)) == b"harmless orders"


def test_a_small_body_that_opens_to_a_very_large_one_comes_in_pieces_and_ends(monkeypatch):
    monkeypatch.setattr(codings, "LONGEST", 10 << 20)
    sizes = []
    with pytest.raises(Unreadable, match="longer than"):
        sizes.extend(len(piece) for piece in Inflated(b"gzip").feed(gzip.compress(bytes(32 << 20))))
    assert max(sizes) <= STEP
    assert sum(sizes) <= 10 << 20


@pytest.mark.parametrize("length", [STEP - 1, STEP, STEP + 1, STEP + 200, 3 * STEP + 5])
@pytest.mark.parametrize("compress", [zlib.compress, bare])
def test_the_end_of_a_body_is_not_left_inside(compress, length):
    text = (b"0123456789abcdef" * (length // 16 + 1))[:length]
    assert b"".join(Inflated(b"deflate").feed(compress(text))) == text


def test_the_end_of_a_member_without_its_trailer_is_not_left_inside():
    text = bytes(STEP + 150)
    assert b"".join(Inflated(b"gzip").feed(gzip.compress(text)[:-8])) == text


@pytest.mark.parametrize("rest", [bytes(9), b"\x1f", b"rest", gzip.compress(b"x")[:9]])
def test_what_follows_a_body_and_is_none_is_left(rest):
    assert b"".join(Inflated(b"gzip").feed(gzip.compress(b"text") + rest)) == b"text"
    assert b"".join(Inflated(b"deflate").feed(zlib.compress(b"text") + rest)) == b"text"


@pytest.mark.parametrize("coding", sorted(CODERS))
def test_a_damaged_body_is_unreadable(coding):
    data = bytearray(CODERS[coding](bytes(range(256)) * 40))
    data[20:40] = b"\xff" * 20
    with pytest.raises(Unreadable, match="damaged"):
        list(Inflated(coding).feed(bytes(data)))


@given(st.sampled_from(sorted(CODERS)), st.binary(max_size=500))
def test_whatever_bytes_come_they_open_or_are_unreadable(coding, data):
    try:
        assert all(len(piece) <= STEP for piece in Inflated(coding).feed(data))
    except Unreadable:
        pass


def test_which_coding_opens_how():
    assert opener_of([field("Content-Type", "text/html")]) is None
    for value in ("identity", "none", "utf-8", "aws-chunked", ""):
        assert opener_of([field("Content-Encoding", value)]) is None
    assert isinstance(opener_of([field("Content-Encoding", " GZip ")]), Inflated)
    for value in ("br", "zstd", "gzip, gzip", "compress", ", ".join(["br"] * 99)):
        with pytest.raises(Unreadable) as caught:
            opener_of([field("Content-Encoding", value)])
        assert len(caught.value.why) <= 40
    assert codings_of([field("Content-Encoding", "gzip, identity"), field("Content-Encoding", "br")]) == [
        b"gzip",
        b"br",
    ]


@pytest.mark.parametrize(
    ("offer", "left"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip;q=0.8"),
        ("br", "identity"),
        ("*", "identity"),
        ("", ""),
        ("identity", "identity"),
        ("GZIP", "GZIP"),
        ("gzip,deflate", "gzip,deflate"),
    ],
)
def test_a_request_offers_what_can_be_opened(offer, left):
    accept = field("Accept", "*/*")
    assert offering_readable((accept, field("Accept-Encoding", offer))) == (accept, field("Accept-Encoding", left))


def test_a_request_that_offers_nothing_stays_as_it_is():
    fields = (field("Accept", "*/*"),)
    assert offering_readable(fields) is fields

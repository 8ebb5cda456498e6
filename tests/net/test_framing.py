"""Bodies: cut at any place, they end where they end; h11 finds the same payload in what is written anew."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.framing import (
    CHUNKED,
    MAX_CHUNK_LINE,
    MAX_TRAILERS,
    UNTIL_CLOSE,
    BodyError,
    ChunkedDecoder,
    Framing,
    Mode,
    decoder_for,
    frame,
    frame_end,
)
from gmcp_sandbox.net.head import Field

CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
SIZES = st.lists(st.integers(1, 30), max_size=20)


def feed(decoder, data, sizes=()):
    found = b""
    for size in sizes:
        found += decoder.feed(data[:size])
        data = data[size:]
    return found + decoder.feed(data)


def chunked(chunks, extension=b"", end=b"0\r\n\r\n"):
    return b"".join(b"%X%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks) + end


@given(CHUNKS, SIZES)
def test_chunks_cut_at_any_place(chunks, sizes):
    decoder = ChunkedDecoder()
    assert feed(decoder, chunked(chunks, b';a="b"') + b"GET /", sizes) == b"".join(chunks)
    assert decoder.is_done
    assert decoder.rest == b"GET /"
    decoder.end()


@given(st.binary(max_size=60), st.integers(0, 60), SIZES)
def test_a_body_of_a_length(data, length, sizes):
    decoder = decoder_for(Framing(Mode.LENGTH, length))
    assert feed(decoder, data, sizes) == data[:length]
    assert decoder.is_done == (len(data) >= length)
    assert decoder.rest == data[length:]
    if not decoder.is_done:
        with pytest.raises(BodyError):
            decoder.end()


def test_a_body_that_ends_with_its_stream():
    decoder = decoder_for(UNTIL_CLOSE)
    assert feed(decoder, b"abc", [1]) == b"abc"
    assert not decoder.is_done
    decoder.end()
    assert decoder.is_done


def test_trailers_are_kept():
    decoder = ChunkedDecoder()
    assert feed(decoder, chunked([b"a"], end=b"0\r\nX-Sum: 1\r\n\r\nrest"), [3, 4, 5, 1, 1]) == b"a"
    assert decoder.trailers == (Field(b"X-Sum", "x-sum", b"1"),)
    assert decoder.rest == b"rest"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"x\r\n", "chunk_line"),
        (b"\r\n", "chunk_line"),
        (b"-1\r\n", "chunk_line"),
        (b"+1\r\n", "chunk_line"),
        (b"0x1\r\n", "chunk_line"),
        (b"1\na\r\n", "chunk_line"),
        (b" 1\r\na\r\n", "chunk_line"),
        (b"1;a\0\r\na\r\n", "chunk_line"),
        (b"f" * 16 + b"\r\n", "chunk_line"),
        (b"1" + b" " * MAX_CHUNK_LINE, "chunk_line"),
        (b"1\r\nab\r\n", "chunk_end"),
        (b"1\r\na\n", "chunk_end"),
        (b"0\r\n b\r\n\r\n", "obs_fold"),
        (b"0\r\nX : b\r\n\r\n", "space_before_colon"),
        (b"0\r\nX: b\n\r\n\r\n", "trailer"),
        (b"0\r\n" + b"a: b\r\n" * MAX_TRAILERS, "trailers_too_long"),
    ],
)
def test_malformed_chunks_are_refused(body, word):
    with pytest.raises(BodyError) as caught:
        ChunkedDecoder().feed(body)
    assert caught.value.word == word


@pytest.mark.parametrize("body", [b"", b"5\r\nabc", b"3\r\nabc\r\n", b"0\r\n", b"0\r\nX: a\r\n"])
def test_chunks_that_break_off(body):
    decoder = ChunkedDecoder()
    decoder.feed(body)
    with pytest.raises(BodyError):
        decoder.end()


@given(st.binary(max_size=80), SIZES)
def test_any_bytes_are_chunks_or_refused(data, sizes):
    decoder = ChunkedDecoder()
    try:
        payload = feed(decoder, data, sizes)
    except BodyError:
        return
    assert len(payload) <= len(data)


@given(CHUNKS)
def test_what_is_written_anew_is_read_by_h11(chunks):
    written = b"".join(frame(Mode.CHUNKED, chunk) for chunk in chunks)
    written += frame_end(Mode.CHUNKED, (Field(b"X-Sum", "x-sum", b"1"),))
    other = h11.Connection(h11.SERVER)
    other.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + written)
    payload = b""
    while not isinstance(event := other.next_event(), h11.EndOfMessage):
        payload += getattr(event, "data", b"")
    assert payload == b"".join(chunks)
    assert list(event.headers) == [(b"x-sum", b"1")]


def test_other_modes_are_written_as_they_are():
    assert frame(Mode.LENGTH, b"abc") + frame_end(Mode.LENGTH) == b"abc"
    assert frame(Mode.CHUNKED, b"") == b""
    assert decoder_for(CHUNKED).trailers == ()

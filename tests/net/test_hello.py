"""ClientHellos: real ones, ones cut at every place, hostile ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.hello import MAX_HELLO, Hello, HelloError, read_hello
from tests.net.hellos import extension, message, names, real_hello, records, vector


def word_of(data):
    with pytest.raises(HelloError) as caught:
        read_hello(data)
    return caught.value.word


def test_a_real_hello():
    assert read_hello(real_hello("example.com", ("h2", "http/1.1"))) == Hello("example.com", ("h2", "http/1.1"))


def test_a_hello_without_a_name():
    assert read_hello(real_hello(None)) == Hello(None)
    assert read_hello(records(message())) == Hello(None)


def test_a_name_is_folded_as_dns_folds_it():
    assert read_hello(records(message(names(b"EXAMPLE.com.")))) == Hello("example.com")


def test_grease_is_skipped_or_shown_as_it_is():
    grease = extension(0x0A0A, b""), extension(0x1A1A, b"\0")
    offered = extension(16, vector(2, vector(1, b"\x2a\x2a") + vector(1, b"h2")))
    hello = read_hello(records(message(grease[0], names(b"a.example"), offered, grease[1])))
    assert hello == Hello("a.example", ("**", "h2"))


def test_protocols_are_printable():
    offered = extension(16, vector(2, vector(1, b"\xff\n%")))
    assert read_hello(records(message(offered))).alpn == ("%ff%0a%",)


def test_encrypted_hello_is_stated():
    assert read_hello(records(message(names(b"public.example"), extension(0xFE0D, b"\0")))).ech


@pytest.mark.parametrize("size", [5, 100, 1 << 14])
def test_every_beginning_asks_for_more(size):
    whole = records(message(names(b"example.com"), extension(21, bytes(200))), size)
    for end in range(len(whole)):
        assert read_hello(whole[:end]) is None
    assert read_hello(whole) == Hello("example.com")


def test_what_follows_in_records_of_its_own_is_left_alone():
    assert read_hello(real_hello() + b"\x14\x03\x03\x00\x01\x01") == Hello("example.com")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"GET / HTTP/1.1\r\n", "record"),
        (b"\x80\x2e\x01\x03\x01", "record"),
        (b"\x16\x02\x00", "record"),
        (b"\x16\x03\x09", "record"),
        (b"\x16\x03\x01\x00\x00", "record_length"),
        (b"\x16\x03\x01\x40\x01", "record_length"),
        (records(b"\x02\0\0\0"), "message"),
        (records(b"\x01\xff\xff\xff"), "message_length"),
        (records(message() + b"\0"), "trailing"),
        (records(message(extension(21, bytes(64))), 1), "records"),
        (records(message(version=b"\x02\x00")), "version"),
        (records(message(suites=b"")), "cipher_suites"),
        (records(message(suites=b"\x13")), "cipher_suites"),
        (records(message(names(b"a"), names(b"b"))), "doubled_extension"),
        (records(message(names(b"a.example", b"b.example"))), "trailing"),
        (records(message(names(b"a.example", kind=b"\x01"))), "server_name_type"),
        (records(message(names(b""))), "server_name"),
        (records(message(names(b"a.example\0.b.example"))), "server_name"),
        (records(message(names(b"a..example"))), "server_name"),
        (records(message(names(b"\xc3\xa4.example"))), "server_name"),
        (records(message(names(b"a." * 127 + b"aa"))), "server_name"),
        (records(message(extension(0, b""))), "truncated"),
        (records(message(extension(16, vector(2, b"\0")))), "alpn"),
    ],
)
def test_what_cannot_be_judged_is_refused(data, word):
    assert word_of(data) == word


@given(st.binary(max_size=400))
def test_any_bytes_are_a_hello_a_beginning_or_refused(data):
    for candidate in (data, records(b"\x01" + vector(3, data)), b"\x16\x03\x01" + data):
        try:
            found = read_hello(candidate)
        except HelloError:
            continue
        assert found is None or isinstance(found, Hello)


REAL = real_hello("example.com", ("h2",))


@given(st.integers(0, len(REAL) - 1), st.integers(0, 255))
def test_a_real_hello_with_one_byte_changed(at, byte):
    changed = REAL[:at] + bytes((byte,)) + REAL[at + 1 :]
    try:
        found = read_hello(changed)
    except HelloError:
        return
    assert found is None or isinstance(found, Hello)


def test_a_size_without_end_is_refused_before_it_is_collected():
    assert word_of(b"\x16\x03\x01\x00\x04\x01" + (MAX_HELLO).to_bytes(3, "big")) == "message_length"

"""DNS messages, held against a library's reading of them."""

from __future__ import annotations

import ipaddress
import struct

import dnslib
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gmcp_sandbox.net import dnswire
from gmcp_sandbox.net.dnswire import QuestionError, asked_address, read_question


def query(name="example.com", qtype="A", *, edns=False):
    record = dnslib.DNSRecord.question(name, qtype)
    if edns:
        record.add_ar(dnslib.EDNS0(udp_len=1232))
    return bytes(record.pack())


def header(flags=0x0100, qd=1, an=0, ns=0, ar=0):
    return struct.pack("!HHHHHH", 1, flags, qd, an, ns, ar)


NAME = b"\x07example\x03com\0"
IN_A = b"\0\x01\0\x01"


def test_a_question_is_read():
    found = read_question(query("WWW.Example.COM", "AAAA"))
    assert (found.name, found.qtype, found.type_name) == ("www.example.com", 28, "AAAA")
    assert found.recursion and not found.edns
    assert read_question(query(edns=True)).edns


@pytest.mark.parametrize("qtype", ["A", "AAAA", "PTR", "TXT", "MX", "SRV", "HTTPS", "NS", "SOA", "CNAME", "ANY", "CAA"])
def test_types_have_the_usual_names(qtype):
    assert read_question(query(qtype=qtype)).type_name == qtype


def test_a_type_that_nobody_knows_has_its_number():
    assert read_question(header() + NAME + b"\xff\xaa\0\x01").type_name == "TYPE65450"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", None),
        (b"\0" * 11, None),
        (header(0x8100) + NAME + IN_A, None),
        (header(0x2800) + NAME + IN_A, dnswire.NOT_IMPLEMENTED),
        (header(qd=0), dnswire.FORMAT_ERROR),
        (header(qd=2) + (NAME + IN_A) * 2, dnswire.FORMAT_ERROR),
        (header(an=1) + NAME + IN_A, dnswire.FORMAT_ERROR),
        (header() + NAME, dnswire.FORMAT_ERROR),
        (header() + NAME[:-1], dnswire.FORMAT_ERROR),
        (header() + b"\xc0\x0c" + IN_A, dnswire.FORMAT_ERROR),
        (header() + b"\x03www\xc0\x0c" + IN_A, dnswire.FORMAT_ERROR),
        (header() + b"\x40" + b"a" * 64 + b"\0" + IN_A, dnswire.FORMAT_ERROR),
        (header() + (b"\x3f" + b"a" * 63) * 4 + b"\0" + IN_A, dnswire.FORMAT_ERROR),
        (header() + NAME + b"\0\x01\0\x03", dnswire.REFUSED),
    ],
)
def test_what_is_no_question_is_refused(message, code):
    with pytest.raises(QuestionError) as caught:
        read_question(message)
    assert caught.value.code == code


def test_a_dot_inside_of_a_label_is_no_dot():
    assert read_question(header() + b"\x0bexample.com\0" + IN_A).name == "example\\046com"
    assert read_question(header() + b"\x02a\0\0" + IN_A).name == "a\\000"


@pytest.mark.parametrize(("qtype", "data"), [("A", "198.18.0.7"), ("AAAA", "fd67:6d63:7001::7")])
def test_an_answer_reads_back(qtype, data):
    question = read_question(query("Example.com", qtype, edns=True))
    answer = dnslib.DNSRecord.parse(b"\0\x07" + dnswire.write_answer(question, ipaddress.ip_address(data).packed))
    assert answer.header.id == 7 and answer.header.rcode == 0 and answer.header.ra and answer.header.rd
    assert str(answer.q.qname) == "Example.com." and str(answer.rr[0].rdata) == data and answer.rr[0].ttl == 1
    assert [record.rtype for record in answer.ar] == [dnslib.QTYPE.OPT]


def test_an_empty_answer_and_a_refusal_read_back():
    question = read_question(query("example.com", "HTTPS"))
    empty = dnslib.DNSRecord.parse(b"\0\1" + dnswire.write_answer(question, None))
    assert (empty.header.rcode, empty.rr, empty.ar) == (0, [], [])
    refused = dnslib.DNSRecord.parse(b"\0\1" + dnswire.write_refusal(question, dnswire.NO_SUCH_NAME))
    assert refused.header.rcode == 3 and str(refused.q.qname) == "example.com."


def test_a_failure_repeats_the_identifier():
    message = query()
    failure = dnslib.DNSRecord.parse(dnswire.write_failure(message, dnswire.FORMAT_ERROR))
    assert failure.header.id == int.from_bytes(message[:2], "big") and failure.header.rcode == 1


def test_a_name_reads_back():
    question = read_question(query("7.0.18.198.in-addr.arpa", "PTR"))
    answer = dnslib.DNSRecord.parse(b"\0\1" + dnswire.write_answer(question, dnswire.write_name("www.example.com")))
    assert str(answer.rr[0].rdata) == "www.example.com."


@given(st.ip_addresses())
def test_reverse_names_lead_back(address):
    assert asked_address(address.reverse_pointer) == address


@given(st.text(max_size=80))
@example("300.0.0.1.in-addr.arpa")
@example("01.0.0.1.in-addr.arpa")
def test_any_name_is_a_reverse_name_or_none(name):
    found = asked_address(name)
    assert found is None or found.reverse_pointer == name


LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=5)


@given(LABELS, st.integers(0, 65535))
def test_every_label_comes_out_printable(labels, qtype):
    body = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    try:
        found = read_question(header() + body + struct.pack("!HH", qtype, 1))
    except QuestionError:
        assert len(body) > 255
        return
    assert found.name.isascii() and (found.name.isprintable() or not found.name)
    assert found.name.count(".") == max(len(labels) - 1, 0)
    assert found.raw == body + struct.pack("!HH", qtype, 1)


@given(st.one_of(st.binary(max_size=300), st.builds(lambda tail: header() + tail, st.binary(max_size=300))))
def test_hostile_bytes_give_a_question_or_the_error(message):
    try:
        found = read_question(message)
    except QuestionError as error:
        if error.code is not None:
            dnslib.DNSRecord.parse(dnswire.write_failure(message, error.code))
        return
    for answer in (dnswire.write_answer(found, None), dnswire.write_refusal(found, 3)):
        assert dnslib.DNSRecord.parse(message[:2] + answer).header.id == int.from_bytes(message[:2], "big")

"""DNS messages: questions are read, and the few kinds of answers that we give are written (RFC 1035).

Written here and not taken from a DNS library: a question is one name, an answer is one of five forms, and reading
nothing else leaves a hostile message nothing to say. A library takes 20 ms to import and 43 µs a question (measured);
this takes 5. The tests read what is written back through one.

Guarantees:
- `read_question` returns a value or raises `QuestionError`, whatever the bytes are.
- What lies behind the question is not looked at, but for whether it begins with an OPT record (EDNS, RFC 6891).
"""

from __future__ import annotations

import re
import struct
from typing import Final

import msgspec

from gmcp_sandbox.policy.addresses import Address, parse_address

FORMAT_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = 1, 2, 3, 4, 5
TTL_SECONDS: Final = 1

A, PTR, AAAA = 1, 12, 28
_TYPES: Final = {
    A: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    PTR: "PTR",
    13: "HINFO",
    15: "MX",
    16: "TXT",
    AAAA: "AAAA",
    33: "SRV",
    35: "NAPTR",
    43: "DS",
    48: "DNSKEY",
    52: "TLSA",
    64: "SVCB",
    65: "HTTPS",
    252: "AXFR",
    255: "ANY",
    257: "CAA",
}
_HEADER = struct.Struct("!HHHHHH")
_TAIL = struct.Struct("!HH")
_ANSWER = struct.Struct("!HHHIH")
_TO_QUESTION: Final = 0xC00C
"""A pointer to the name of the question, which stands right behind the header."""
_IS_ANSWER, _OPCODE, _WANTS_RECURSION, _GIVES_RECURSION = 0x8000, 0x7800, 0x0100, 0x0080
_INTERNET: Final = 1
_OPT = b"\0\0\x29"
_OUR_OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"  # root, OPT, 1232 bytes, version 0, no options
_LONGEST_NAME: Final = 255
_ODD: Final = re.compile(rb"[^A-Za-z0-9_-]")
_ARPA4: Final = re.compile(r"((?:[0-9]{1,3}\.){4})in-addr\.arpa", re.ASCII)
_ARPA6: Final = re.compile(r"((?:[0-9a-f]\.){32})ip6\.arpa", re.ASCII)


class QuestionError(ValueError):
    """The message is no question that can be answered.

    Attributes:
        code: What to answer; None: nothing, because it is no question at all.
    """

    def __init__(self, what: str, code: int | None) -> None:
        super().__init__(what)
        self.code = code


class Question(msgspec.Struct, frozen=True, gc=False):
    """What is asked.

    Attributes:
        name: In lower case, without the last dot; bytes that no host name has stand as `\\ddd`.
        qtype: The number of the type.
        raw: The question as it stands in the message, to be repeated as it is (some check upper and lower case).
        recursion: Whether recursion is wished for, to be repeated.
        edns: Whether the asker knows EDNS.
    """

    name: str
    qtype: int
    raw: bytes
    recursion: bool
    edns: bool

    @property
    def type_name(self) -> str:
        """The type as records spell it."""
        return _TYPES.get(self.qtype) or f"TYPE{self.qtype}"


def read_question(message: bytes) -> Question:
    """Return the one question of a message.

    Raises:
        QuestionError: It is cut short, is no standard query, or asks something else than one question.
    """
    if len(message) < _HEADER.size:
        raise QuestionError("short header", None)
    _ident, flags, questions, answers, authorities, additional = _HEADER.unpack_from(message)
    if flags & _IS_ANSWER:
        raise QuestionError("an answer", None)
    if flags & _OPCODE:
        raise QuestionError("not a standard query", NOT_IMPLEMENTED)
    if questions != 1 or answers or authorities:
        raise QuestionError("not one question", FORMAT_ERROR)
    name, end = _read_name(message, _HEADER.size)
    if end + _TAIL.size > len(message):
        raise QuestionError("short question", FORMAT_ERROR)
    qtype, qclass = _TAIL.unpack_from(message, end)
    if qclass != _INTERNET:
        raise QuestionError("another class than the Internet's", REFUSED)
    end += _TAIL.size
    has_edns = additional > 0 and message[end : end + 3] == _OPT
    return Question(name, qtype, message[_HEADER.size : end], bool(flags & _WANTS_RECURSION), has_edns)


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    labels: list[str] = []
    start = at
    while True:
        if at >= len(message):
            raise QuestionError("short name", FORMAT_ERROR)
        length = message[at]
        at += 1
        if length == 0:
            return ".".join(labels), at
        if length > 63:  # a pointer, which a first name has nothing to point to, or a form that nobody uses
            raise QuestionError("compressed name", FORMAT_ERROR)
        if at + length - start >= _LONGEST_NAME or at + length > len(message):
            raise QuestionError("name too long", FORMAT_ERROR)
        labels.append(_text(message[at : at + length]))
        at += length


def _text(label: bytes) -> str:
    return _ODD.sub(lambda odd: b"\\%03d" % odd[0][0], label).decode("ascii").lower()


def asked_address(name: str) -> Address | None:
    """Return the address that a reverse name stands for, or None."""
    found = _ARPA4.fullmatch(name)
    if found is not None:
        return parse_address(".".join(reversed(found[1].rstrip(".").split("."))))
    found = _ARPA6.fullmatch(name)
    if found is None:
        return None
    digits = found[1].replace(".", "")[::-1]
    return parse_address(":".join(digits[at : at + 4] for at in range(0, 32, 4)))


def write_answer(question: Question, data: bytes | None) -> bytes:
    """Return an answer without its identifier: one record of the asked type, or none of it."""
    record = (
        b"" if data is None else _ANSWER.pack(_TO_QUESTION, question.qtype, _INTERNET, TTL_SECONDS, len(data)) + data
    )
    return _written(question, 0, data is not None, record)


def write_refusal(question: Question, code: int) -> bytes:
    """Return an answer without its identifier that says no."""
    return _written(question, code, False, b"")


def write_name(name: str) -> bytes:
    """Return a host name as the data of a PTR record."""
    labels = [label.encode("ascii") for label in name.split(".")]
    return b"".join(len(label).to_bytes(1, "big") + label for label in labels) + b"\0"


def _written(question: Question, code: int, has_record: bool, record: bytes) -> bytes:
    flags = _IS_ANSWER | _GIVES_RECURSION | (_WANTS_RECURSION if question.recursion else 0) | code
    header = _HEADER.pack(0, flags, 1, has_record, 0, question.edns)
    return header[2:] + question.raw + record + (_OUR_OPT if question.edns else b"")


def write_failure(message: bytes, code: int) -> bytes:
    """Return the whole answer to a message that is no question: its identifier and a code."""
    return message[:2] + struct.pack("!HHHHH", _IS_ANSWER | (message[2] & 0x79) << 8 | code, 0, 0, 0, 0)

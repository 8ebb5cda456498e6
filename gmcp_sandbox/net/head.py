"""The heads of HTTP/1 messages out of hostile bytes: lines and fields, not yet what they mean.

Requests come from the agent and are read strictly: what RFC 9112 lets a reader tolerate is what two readers tolerate
differently (smuggling), so it is refused. Responses come from servers of all kinds and are read as clients read them:
a lone LF ends a line, a folded line is unfolded, as RFC 9112 (2.2, 5.2) tells an intermediary. Either way nothing of
the bytes that were read is ever passed on: heads are written anew from the values here.

Guarantees:
- Each reader returns a value or raises `HeadError`; never anything else.
- Names are tokens, of at most 64 letters in a request; no value holds a control character but a tab.
- A head has at most `MAX_HEAD` bytes and `MAX_FIELDS` fields.

h11 reads one request and its response in 150 µs and accepts several of the forms that are refused here, so that a
second reading beside it would be needed all the same; the tests hold that h11 reads what is accepted here as it is
read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MAX_HEAD = 64 << 10
MAX_FIELDS = 128

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}"
_REQUEST_LINE = re.compile(rb"(%b) ([\x21\x22\x24-\x7e\x80-\xff]+) HTTP/1\.([01])" % _TOKEN)
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_NAME = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}"
_FIELD = re.compile(rb"(%b):[ \t]*([\t\x20-\x7e\x80-\xff]*)" % _NAME)
_SPACED = re.compile(rb"%b[ \t]+:.*" % _NAME, re.DOTALL)
_LONGEST_NAME = 64
_STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\0")
_STRAY_WORDS = {b"\n": "bare_lf", b"\r": "bare_cr", b"\0": "nul"}
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")


class HeadError(Exception):
    """The bytes are no head that can be passed on; `word` says why, for the record."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Field(NamedTuple):
    """One header or trailer field: its name as it was written, in lower case, and its value without outer blanks."""

    name: bytes
    key: str
    value: bytes


class RequestHead(NamedTuple):
    """A request line and its fields. Bytes of the target that are not ASCII are percent-encoded."""

    method: str
    target: str
    minor: int
    fields: tuple[Field, ...]


class ResponseHead(NamedTuple):
    """A status line and its fields."""

    status: int
    reason: bytes
    minor: int
    fields: tuple[Field, ...]


def request_end(data: bytes) -> int | None:
    """Return where the request head ends that the data begin with; None when it is not complete.

    Raises:
        HeadError: It can be none, or is too long.
    """
    end = data.find(b"\r\n\r\n")
    size = len(data) if end < 0 else end + 4
    if size > MAX_HEAD:
        raise HeadError("too_long")
    stray = _STRAY.search(data, 0, size)
    if stray is not None:
        raise HeadError(_STRAY_WORDS[stray[0]])
    return None if end < 0 else size


def parse_request(head: bytes) -> RequestHead:
    """Parse a complete request head, its blank line included.

    Raises:
        HeadError: It is not well-formed, to the letter.
    """
    if request_end(head) != len(head):
        raise HeadError("incomplete")
    first, *lines = head[:-4].split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise HeadError("request_line")
    fields = _fields(lines)
    if any(len(field.key) > _LONGEST_NAME for field in fields):
        raise HeadError("field_name")
    return RequestHead(line[1].decode("ascii"), _ascii(line[2]), int(line[3]), fields)


def origin_line(line: bytes) -> tuple[str, str, int] | None:
    """Return method, target and minor version of a request line whose target is a path in ASCII; None of another."""
    parts = _REQUEST_LINE.fullmatch(line)
    if parts is None or not line.isascii() or parts[2][:1] != b"/" or parts[1] == b"CONNECT":
        return None
    return parts[1].decode("ascii"), parts[2].decode("ascii"), int(parts[3])


def _ascii(target: bytes) -> str:
    if target.isascii():
        return target.decode("ascii")
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in target)


def _fields(lines: Sequence[bytes]) -> tuple[Field, ...]:
    if len(lines) > MAX_FIELDS:
        raise HeadError("too_many_fields")
    return tuple(map(_field, lines))


def _field(line: bytes) -> Field:
    parts = _FIELD.fullmatch(line)
    if parts is None:
        raise HeadError(_field_fault(line))
    name, value = parts.groups()
    return Field(name, name.decode("ascii").lower(), value.rstrip(b" \t"))


def _field_fault(line: bytes) -> str:
    if line[:1] in (b" ", b"\t"):
        return "obs_fold"
    if _SPACED.fullmatch(line) is not None:
        return "space_before_colon"
    name, colon, _ = line.partition(b":")
    return "field_value" if colon and re.fullmatch(_NAME, name) else "field_name"


def parse_trailers(block: bytes) -> tuple[Field, ...]:
    """Parse the trailer fields of a chunked body, the blank line behind them included.

    Raises:
        HeadError: They are not well-formed, to the letter.
    """
    if not block.endswith(b"\r\n") or _STRAY.search(block) is not None:
        raise HeadError("trailer")
    return _fields(block[:-2].split(b"\r\n")[:-1])


def response_end(data: bytes) -> int | None:
    """Return where the response head ends that the data begin with; None when it is not complete.

    Raises:
        HeadError: It is too long.
    """
    blank = _BLANK_LINE.search(data)
    size = len(data) if blank is None else blank.end()
    if size > MAX_HEAD:
        raise HeadError("too_long")
    return None if blank is None else size


def parse_response(head: bytes) -> ResponseHead:
    """Parse a complete response head, its blank line included.

    Raises:
        HeadError: It is not what a client would accept.
    """
    first, *lines = _LINE_END.split(_FOLD.sub(b" ", head.rstrip(b"\r\n")))
    line = _STATUS_LINE.fullmatch(first)
    if line is None:
        raise HeadError("status_line")
    return ResponseHead(int(line[2]), line[3] or b"", int(line[1]), _fields(lines))


def write_head(first: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a head from its first line and its fields."""
    parts = [first]
    parts += [b"%b: %b" % pair for pair in fields]
    parts.append(b"\r\n")
    return b"\r\n".join(parts)

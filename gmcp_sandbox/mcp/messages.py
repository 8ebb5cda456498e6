"""JSON-RPC 2.0 messages (https://www.jsonrpc.org/specification) as values, read from hostile bytes.

Guarantees:
- What comes out was decoded as a whole and encoded again: whoever reads it next, in whatever language, reads what
  was judged. Doubled keys, bytes that are no UTF-8 and numbers that JSON does not know are gone or refused.
- `read_message` returns a value or raises MessageError, for any bytes, and takes a few times their length at most.

Batches, which the protocol gave up again, are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

EMPTY: Final = b"{}"
LONGEST_METHOD: Final = 128
LONGEST_ID: Final = 256
DEEPEST: Final = 64
"""Levels of lists and objects in one message."""
_INT53: Final = 1 << 53
_ID = re.compile(rb'"id"\s*:\s*(\d{1,15})\s*[,}]')
_SNIFFED: Final = 512
_NESTING = (dict, list)

Id = int | str


class MessageError(ValueError):
    """Bytes that are no message of ours."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """Wants an answer. `params` is JSON text, an object."""

    id: Id
    method: str
    params: bytes = EMPTY


class Notification(msgspec.Struct, frozen=True, gc=False):
    """Wants none."""

    method: str
    params: bytes = EMPTY


class Result(msgspec.Struct, frozen=True, gc=False):
    """The answer. `result` is JSON text, an object."""

    id: Id
    result: bytes


class Failure(msgspec.Struct, frozen=True, gc=False):
    """The other answer. `error` is JSON text: an object with code and message."""

    id: Id | None
    error: bytes


Message = Request | Notification | Result | Failure

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_STRANGE = "no JSON-RPC message"


def read_message(data: bytes | bytearray | memoryview) -> Message:
    """Return the message that the bytes spell.

    Raises:
        MessageError: They spell none.
    """
    return message_of(read_json(data))


def read_json(data: bytes | bytearray | memoryview) -> Any:
    """Return what a JSON text says. Raises MessageError."""
    try:
        said = _decode(data)
    except RecursionError:
        raise MessageError("nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise MessageError(f"no JSON: {error}") from None
    if _may_be_deep(data) and _is_deep(said, DEEPEST):
        raise MessageError("nested too deeply")
    return said


def message_of(said: Any) -> Message:
    """Return the message that a decoded JSON text stands for. Raises MessageError."""
    if type(said) is not dict or said.get("jsonrpc") != "2.0":
        raise MessageError("a batch" if type(said) is list else _STRANGE)
    method = said.get("method")
    if method is not None:
        return _asking(said, method)
    identity = said.get("id")
    if "result" in said and "error" not in said and type(said["result"]) is dict:
        return Result(_checked(identity), _encode(said["result"]))
    error = said.get("error")
    if "result" not in said and type(error) is dict:
        return Failure(None if identity is None else _checked(identity), _encode(_error(error)))
    raise MessageError(_STRANGE)


def _asking(said: dict[str, Any], method: Any) -> Message:
    if type(method) is not str or not 0 < len(method) <= LONGEST_METHOD or "result" in said or "error" in said:
        raise MessageError(_STRANGE)
    params = said.get("params")
    if params is None:
        text = EMPTY
    elif type(params) is dict:
        text = _encode(params)
    else:
        raise MessageError("params are no object")
    return Request(_checked(said["id"]), method, text) if "id" in said else Notification(method, text)


def _checked(identity: Any) -> Id:
    if type(identity) is int and -_INT53 <= identity <= _INT53:
        return identity
    if type(identity) is str and len(identity) <= LONGEST_ID:
        return identity
    raise MessageError("an id that is none")


def _error(error: dict[str, Any]) -> dict[str, Any]:
    code, text = error.get("code"), error.get("message")
    if type(code) is not int or type(text) is not str:
        raise MessageError("an error without code and message")
    kept: dict[str, Any] = {"code": code, "message": text}
    if "data" in error:
        kept["data"] = error["data"]
    return kept


def _may_be_deep(data: bytes | bytearray | memoryview) -> bool:
    text = bytes(data)
    return text.count(b"{") + text.count(b"[") > DEEPEST


def _is_deep(value: Any, levels: int) -> bool:
    """True when lists and objects are nested in more levels than these."""
    layer = [value] if type(value) in _NESTING else []
    for _ in range(levels):
        if not layer:
            return False
        layer = [inner for outer in layer for inner in _inside(outer) if type(inner) in _NESTING]
    return bool(layer)


def _inside(outer: Any) -> Iterable[Any]:
    return outer.values() if type(outer) is dict else outer


def write_message(message: Message) -> bytes:
    """Return the bytes of a message, on one line."""
    if isinstance(message, Request):
        head = b'{"jsonrpc":"2.0","id":' + _encode(message.id) + b',"method":' + _encode(message.method)
        return head + b',"params":' + message.params + b"}" if message.params != EMPTY else head + b"}"
    if isinstance(message, Notification):
        head = b'{"jsonrpc":"2.0","method":' + _encode(message.method)
        return head + b',"params":' + message.params + b"}" if message.params != EMPTY else head + b"}"
    if isinstance(message, Result):
        return b'{"jsonrpc":"2.0","id":' + _encode(message.id) + b',"result":' + message.result + b"}"
    return b'{"jsonrpc":"2.0","id":' + _encode(message.id) + b',"error":' + message.error + b"}"


def failure(identity: Id | None, code: int, text: str, data: Any = None) -> Failure:
    """Return an error as an answer."""
    error: dict[str, Any] = {"code": code, "message": text}
    if data is not None:
        error["data"] = data
    return Failure(identity, _encode(error))


def sniff_id(*parts: bytes) -> int | None:
    """Guess the number that an answer, too long or too broken to be read, is for; its head and its end tell it most.

    A wrong guess ends another call of the same server, whose answer this is.
    """
    for part in parts:
        found = _ID.search(part[:_SNIFFED]) or _ID.search(part[-_SNIFFED:])
        if found is not None:
            return int(found[1])
    return None

"""Canonical JSON: one text for one value, whatever text it came in.

Keys are sorted, nothing is between the tokens, characters stand for themselves. What is judged is made from this text,
what is passed on is this text, and digests are of it: nobody reads a second key of the same name, another order, or
another spelling of a number.

Invariants: any text gives a value or a `CanonicalError`; time is linear in the text; a value has at most `DEEPEST`
levels and `MOST` nodes, so that whoever walks it needs no bound of its own.
"""

from __future__ import annotations

import functools
import json
from typing import Any, NoReturn

from blake3 import blake3

DEEPEST = 64
MOST = 200_000


class CanonicalError(ValueError):
    """A text is no JSON that can be judged; the message says why and quotes nothing of it."""


def parse(text: bytes | str) -> Any:
    """Return what a JSON text says.

    Raises:
        CanonicalError: It is no JSON in UTF-8, says a key twice, or is too deep or too large.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = _decode(text)
    except CanonicalError:
        raise
    except UnicodeDecodeError:
        raise CanonicalError("not UTF-8") from None
    except RecursionError:
        raise CanonicalError(f"nested deeper than {DEEPEST} levels") from None
    except ValueError as error:  # JSONDecodeError, or a number with too many digits
        place = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise CanonicalError(f"not valid JSON{place}") from None
    check_size(value)
    return value


def parse_object(text: bytes | str) -> dict[str, Any]:
    """Return what a JSON object says.

    Raises:
        CanonicalError: As `parse`, or it is another value.
    """
    value = parse(text)
    if not isinstance(value, dict):
        raise CanonicalError("not a JSON object")
    return value


@functools.lru_cache(maxsize=2)
def arguments_of(text: str) -> dict[str, Any]:
    """Return what the arguments of a call say, whose layers ask for them one after the other; not to be changed.

    Raises:
        CanonicalError: As `parse_object`.
    """
    return parse_object(text)


def canonical(value: Any) -> str:
    """Return the canonical text of a value.

    Raises:
        CanonicalError: It is none of JSON, holds half a surrogate pair, or is too deep or too large.
    """
    check_size(value)
    try:
        text = _encode(value)
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise CanonicalError("half of a surrogate pair") from None
    except (ValueError, TypeError, RecursionError):
        raise CanonicalError("not a value of JSON") from None
    return text


def digest_of(value: Any) -> str:
    """Return the Blake3 of a value's canonical text, as hex.

    Raises:
        CanonicalError: As `canonical`.
    """
    return blake3(canonical(value).encode("utf-8")).hexdigest()


def check_size(value: Any) -> None:
    """Refuse a value that is too deep or has too many nodes.

    Raises:
        CanonicalError: It is.
    """
    waiting, count = [(value, 1)], 0
    while waiting:
        item, depth = waiting.pop()
        if not isinstance(item, dict | list | tuple):
            continue
        count += len(item)
        if depth > DEEPEST:
            raise CanonicalError(f"nested deeper than {DEEPEST} levels")
        if count > MOST:
            raise CanonicalError(f"more than {MOST} values")
        below = item.values() if isinstance(item, dict) else item
        waiting.extend((each, depth + 1) for each in below if isinstance(each, dict | list | tuple))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise CanonicalError("a key stands twice in an object")
    return found


def _refuse_constant(_word: str) -> NoReturn:
    raise CanonicalError("NaN and Infinity are no JSON")


# Made once: json.loads and json.dumps make one each time that they are told how.
_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant).decode
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode

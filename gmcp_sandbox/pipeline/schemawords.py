"""Keywords of JSON Schema in our own words: bounded in time, and silent about the values that they look at.

Each factory returns a function as `jsonschema` wants it: (validator, value of the keyword, instance, schema) → errors.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any

from gmcp_sandbox.calls.canonical import canonical

Patterns = dict[str, Any]
"""Patterns compiled by RE2, by their text; None: to be left out."""
Function = Callable[[Any, Any, Any, Any], Iterator[Any]]
_NAMED = 8
_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "text",
}


class SpentError(Exception):
    """The budget of steps is spent."""


class Meter:
    """A budget of steps."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, steps: int) -> None:
        """Take steps.

        Raises:
            SpentError: There are no more.
        """
        self.left -= steps
        if self.left < 0:
            raise SpentError


def _error(message: str) -> Any:
    from jsonschema.exceptions import ValidationError

    return ValidationError(message)


def _listed(words: list[str]) -> str:
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _kind(instance: Any) -> str:
    for kinds, name in (
        ((bool,), "boolean"),
        ((str,), "string"),
        ((dict,), "object"),
        ((list,), "array"),
        ((int, float), "number"),
    ):
        if isinstance(instance, kinds):
            return _NAMES[name]
    return "null"


def _leaf(judge: Callable[[Any, Any, Any], str | None], kinds: type | tuple[type, ...] | None) -> Any:
    """Return the factory of a keyword that looks at one value of some kinds, without parts of the schema."""

    def make(_patterns: Patterns, meter: Meter) -> Function:
        def check(validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[Any]:
            meter.spend(1 + (len(value) if isinstance(value, list) else 0))
            if kinds is not None and (not isinstance(instance, kinds) or isinstance(instance, bool)):
                return
            message = judge(validator, value, instance)
            if message is not None:
                yield _error(message)

        return check

    return make


def _type(validator: Any, wanted: Any, instance: Any) -> str | None:
    kinds = [wanted] if isinstance(wanted, str) else wanted
    if any(validator.is_type(instance, kind) for kind in kinds):
        return None
    return f"must be {' or '.join(_NAMES.get(kind, 'of a known type') for kind in kinds)}, is {_kind(instance)}"


def _enum(_validator: Any, allowed: list[Any], instance: Any) -> str | None:
    own = _plain(instance)
    if any(_plain(each) == own for each in allowed):
        return None
    return f"must be one of {_listed([canonical(each)[:64] for each in allowed])}"


def _const(_validator: Any, wanted: Any, instance: Any) -> str | None:
    return None if _plain(wanted) == _plain(instance) else f"must be {canonical(wanted)[:64]}"


def _plain(value: Any) -> str:
    """Return a text that equal values share: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return "[" + ",".join(map(_plain, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(key)}:{_plain(each)}" for key, each in sorted(value.items())) + "}"
    return canonical(value)


def _required(_validator: Any, names: list[str], instance: dict[str, Any]) -> str | None:
    missing = [repr(name)[:64] for name in names if name not in instance]
    return None if not missing else f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} missing"


def _unique(_validator: Any, wanted: bool, items: list[Any]) -> str | None:
    if not wanted or len({_plain(each) for each in items}) == len(items):
        return None
    return "must not hold the same value twice"


def _multiple(_validator: Any, divisor: float, number: float) -> str | None:
    try:
        is_multiple = number % divisor == 0 or abs(number / divisor - round(number / divisor)) < 1e-9
    except (ArithmeticError, ValueError):
        is_multiple = False
    return None if is_multiple else f"must be a multiple of {divisor}"


def _pattern(patterns: Patterns, meter: Meter) -> Function:
    def check(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
        meter.spend(1)
        compiled = patterns.get(pattern)
        if isinstance(instance, str) and compiled is not None and compiled.search(instance) is None:
            yield _error(f"must match the pattern {pattern[:120]}")

    return check


def _pattern_properties(patterns: Patterns, meter: Meter) -> Function:
    def check(validator: Any, parts: dict[str, Any], instance: Any, _schema: Any) -> Iterator[Any]:
        for pattern, part in parts.items() if isinstance(instance, dict) else ():
            compiled = patterns.get(pattern)
            for name, value in instance.items():
                meter.spend(1)
                if compiled is not None and compiled.search(name) is not None:
                    yield from validator.descend(value, part, path=name, schema_path=pattern)

    return check


def _additional(patterns: Patterns, meter: Meter) -> Function:
    def check(validator: Any, part: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(instance, dict):
            return
        known = schema.get("properties", {})
        compiled = [patterns.get(pattern) for pattern in schema.get("patternProperties", {})]
        meter.spend(1 + len(instance) * (1 + len(compiled)))
        # A pattern that was left out may be about any name.
        more = [
            name for name in instance if name not in known and not any(p is None or p.search(name) for p in compiled)
        ]
        if part is False and more:
            near = difflib.get_close_matches(more[0][:64], [*known][:64], n=1)
            yield _error(f"unknown {_listed([repr(name)[:64] for name in more])}" + (f"; {near[0]!r}?" if near else ""))
        elif isinstance(part, dict):
            for name in more:
                yield from validator.descend(instance[name], part, path=name)

    return check


def _any_of(patterns: Patterns, meter: Meter) -> Function:
    def check(validator: Any, parts: list[Any], instance: Any, _schema: Any) -> Iterator[Any]:
        first = None
        for at, part in enumerate(parts):
            meter.spend(1)
            error = next(validator.descend(instance, part, schema_path=at), None)
            if error is None:
                return
            first = first or error
        yield _error("fits none of the forms that the tool takes here")

    return check


def _one_of(patterns: Patterns, meter: Meter) -> Function:
    def check(validator: Any, parts: list[Any], instance: Any, _schema: Any) -> Iterator[Any]:
        fitting = 0
        for at, part in enumerate(parts):
            meter.spend(1)
            fitting += next(validator.descend(instance, part, schema_path=at), None) is None
        if fitting != 1:
            number = "none" if fitting == 0 else "more than one"
            yield _error(f"fits {number} of the forms that the tool takes here")

    return check


def _not(patterns: Patterns, meter: Meter) -> Function:
    def check(validator: Any, part: Any, instance: Any, _schema: Any) -> Iterator[Any]:
        meter.spend(1)
        if next(validator.descend(instance, part), None) is None:
            yield _error("has a form that the tool does not take here")

    return check


def _bound(fits: Callable[[Any, Any], bool], words: str, kinds: type | tuple[type, ...], size: bool = False) -> Any:
    def judge(_validator: Any, bound: Any, instance: Any) -> str | None:
        return None if fits(len(instance) if size else instance, bound) else f"{words} {bound}"

    return _leaf(judge, kinds)


_NUMBERS = (int, float)

WORDS: dict[str, Callable[[Patterns, Meter], Function]] = {
    "type": _leaf(_type, None),
    "enum": _leaf(_enum, None),
    "const": _leaf(_const, None),
    "required": _leaf(_required, dict),
    "uniqueItems": _leaf(_unique, list),
    "multipleOf": _leaf(_multiple, _NUMBERS),
    "exclusiveMinimum": _bound(lambda n, bound: n > bound, "must be more than", _NUMBERS),
    "exclusiveMaximum": _bound(lambda n, bound: n < bound, "must be less than", _NUMBERS),
    "minLength": _bound(lambda n, bound: n >= bound, "its characters must be at least", str, size=True),
    "maxLength": _bound(lambda n, bound: n <= bound, "its characters must be at most", str, size=True),
    "minItems": _bound(lambda n, bound: n >= bound, "its items must be at least", list, size=True),
    "maxItems": _bound(lambda n, bound: n <= bound, "its items must be at most", list, size=True),
    "minProperties": _bound(lambda n, bound: n >= bound, "its members must be at least", dict, size=True),
    "maxProperties": _bound(lambda n, bound: n <= bound, "its members must be at most", dict, size=True),
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
}
"""`minimum` and `maximum` are left as they are: draft 4 reads them together with their neighbours."""

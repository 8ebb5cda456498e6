"""A tool's own `inputSchema`, compiled once, as a check of arguments.

The schema comes from a server, the arguments from an agent; neither is trusted.

Guarantees:
- Nothing is fetched: a reference leads into the schema itself, or the schema is refused.
- Time is bounded: patterns are RE2, comparisons are by digest, and each check has a budget of steps (a few lines of
  nested `allOf` would otherwise ask for 2^30). What runs out of it is refused.
- What is wrong is said by place and rule, without the value: for whoever made the arguments, and for the record.

A pattern that RE2 does not know (look-ahead, back reference) makes the schema unusable, unless the caller, who has
asked a person, leaves such patterns out; `unchecked` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import re2

from gmcp_sandbox.calls.canonical import CanonicalError, canonical
from gmcp_sandbox.pipeline.schemawords import WORDS, Meter, Patterns, SpentError

LONGEST = 128 << 10
"""Characters of a schema's canonical text."""
STEPS = 50_000
_FAULT_CHARS = 400
_PATH_CHARS = 160
_DRAFTS = {
    "https://json-schema.org/draft/2020-12/schema": "Draft202012Validator",
    "https://json-schema.org/draft/2019-09/schema": "Draft201909Validator",
    "http://json-schema.org/draft-07/schema": "Draft7Validator",
    "http://json-schema.org/draft-06/schema": "Draft6Validator",
    "http://json-schema.org/draft-04/schema": "Draft4Validator",
}
_USUAL = "https://json-schema.org/draft/2020-12/schema"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class SchemaFault(ValueError):
    """The schema cannot be used; the message says why and quotes nothing of it but words that it names."""


class Check:
    """One compiled schema."""

    def __init__(self, validator: Any, meter: Meter, unchecked: tuple[str, ...]) -> None:
        """Use `compile_schema`."""
        self._validator = validator
        self._meter = meter
        self.unchecked = unchecked
        """Patterns that are left out."""

    def fault(self, arguments: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the arguments: `$.path[0]: must be text, is a number`; None when nothing is."""
        self._meter.left = STEPS
        try:
            error = next(self._validator.iter_errors(dict(arguments)), None)
        except SpentError:
            return "$: takes too long to check against the tool's schema"
        except Exception as fault:  # noqa: BLE001 - the documented boundary: what cannot be checked is refused
            return f"$: the tool's schema cannot be applied ({type(fault).__name__})"
        if error is None:
            return None
        return f"{_shown(error.json_path, _PATH_CHARS)}: {_shown(error.message, _FAULT_CHARS)}"


def compile_schema(schema: object, *, leave_out_patterns: bool = False) -> Check:
    """Return the check that a schema describes.

    Raises:
        SchemaFault: It is no schema of an object, refers to somewhere else, is too large, or has a pattern that cannot
            be used.
    """
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise SchemaFault("not the schema of an object")
    try:
        if len(canonical(schema)) > LONGEST:
            raise SchemaFault(f"longer than {LONGEST} characters")
    except CanonicalError as error:
        raise SchemaFault(str(error)) from None
    _refuse_elsewhere(schema)
    patterns, unchecked = _patterns(schema)
    if unchecked and not leave_out_patterns:
        raise SchemaFault(f"a pattern that cannot be checked in linear time: {_shown(unchecked[0], _PATH_CHARS)}")
    meter = Meter(STEPS)
    return Check(_validator(schema, patterns, meter), meter, unchecked)


def _validator(schema: Mapping[str, Any], patterns: Patterns, meter: Meter) -> Any:
    import jsonschema  # some 100 ms, for sessions with MCP servers
    import referencing
    from jsonschema import validators

    draft = str(schema.get("$schema", _USUAL)).removesuffix("#")
    if draft not in _DRAFTS:
        raise SchemaFault("a dialect that is not known")
    base = getattr(jsonschema, _DRAFTS[draft])
    try:
        base.check_schema(schema)
    except Exception as fault:  # noqa: BLE001 - the documented boundary: any complaint about a hostile schema refuses it
        message = getattr(fault, "message", type(fault).__name__)
        raise SchemaFault(f"not a valid schema: {_shown(str(message), _PATH_CHARS)}") from None
    own = {word: make(patterns, meter) for word, make in WORDS.items() if word in base.VALIDATORS}
    rest = {word: _counted(function, meter) for word, function in base.VALIDATORS.items() if word not in own}
    extend: Callable[..., Any] = validators.extend
    return extend(base, {**rest, **own})(schema, registry=referencing.Registry())


def _counted(function: Callable[..., Any], meter: Meter) -> Callable[..., Iterator[Any]]:
    """Return a keyword's function that takes its steps from the budget first."""

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        meter.spend(1 + (len(value) if isinstance(value, list | dict) else 0))
        yield from function(validator, value, instance, schema) or ()

    return check


def _refuse_elsewhere(schema: Mapping[str, Any]) -> None:
    for part in _objects(schema):
        for word in _REFERENCES:
            target = part.get(word)
            if isinstance(target, str) and not target.startswith("#"):
                raise SchemaFault("a reference to another document")
        if isinstance(part.get("$id"), str) and part is not schema:
            raise SchemaFault("a part with an address of its own")


def _patterns(schema: Mapping[str, Any]) -> tuple[Patterns, tuple[str, ...]]:
    """Return all patterns compiled, None for those that RE2 does not know, and the texts of those."""
    found: Patterns = {}
    for part in _objects(schema):
        texts = [part["pattern"]] if isinstance(part.get("pattern"), str) else []
        if isinstance(part.get("patternProperties"), Mapping):
            texts += part["patternProperties"]
        for text in texts:
            if text not in found:
                found[text] = _compiled(text)
    return found, tuple(text for text, compiled in found.items() if compiled is None)


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options=options)
    except re2.error:
        return None


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield every object in a value, itself first, without recursion; data in `default` and the like is among them."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, Sequence) and not isinstance(item, str):
            waiting.extend(item)


def _shown(text: str, limit: int) -> str:
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:limit])
    return text[:limit]

"""Turn one TOML text into a `Document`, or say where it is wrong.

Guarantees: a `ProfileError` names file, key and, where it can be found, the line; a misspelt key comes with the one
that was probably meant. Nothing is ignored and nothing is made up.
"""

from __future__ import annotations

import enum
import functools
import inspect
import re
import tomllib
import typing

import msgspec

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.document import Document
from gmcp_sandbox.policy.tables import Table

Key = tuple[str | int, ...]
"""Where a value stands: names of tables and numbers in lists."""


class Source(msgspec.Struct, frozen=True):
    """One file: its name for messages, and its text."""

    name: str
    text: str

    def fault(self, what: str, key: Key = (), *, hint: str = "") -> ProfileError:
        """Return the error that names this file, the key and its line."""
        line = _line_of(self.text, key)
        place = self.name if line is None else f"{self.name}:{line}"
        subject = f"{spell(key)}: " if key else ""
        return ProfileError(f"{place}: {subject}{what}", hint=hint)


def spell(key: Key) -> str:
    """Return a key as messages write it: `mounts[2].mode`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@functools.lru_cache(maxsize=16)
def read_document(source: Source) -> Document:
    """Return what a file says; a chain is read once for its files and once for its meaning, and parsed once.

    Raises:
        ProfileError: The text is no TOML, has an unknown key, or a value of the wrong kind.
    """
    return read_table(source, Document)


_Kind = typing.TypeVar("_Kind", bound=Table)


def read_table(source: Source, kind: type[_Kind]) -> _Kind:
    """Return what a file says whose top table is of this kind.

    Raises:
        ProfileError: As `read_document`.
    """
    try:
        data = tomllib.loads(source.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _unparsed(source, error) from None
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        _refuse_unknown_keys(source, data, kind, ())  # tables refuse them, too, and say less
        what, key = _placed(str(error), data, kind)
        raise source.fault(_plain(what), key, hint=_choices(what, key, kind)) from None


def _unparsed(source: Source, error: Exception) -> ProfileError:
    """Return the error for a text that is no TOML, its line in front as in all others."""
    found = re.fullmatch(r"(.*) \(at line (\d+), (column \d+)\)", str(error), re.DOTALL)
    if found is None:
        return ProfileError(f"{source.name}: not valid TOML: {error}")
    return ProfileError(f"{source.name}:{found[2]}: not valid TOML: {found[1]} ({found[3]})")


def suggest(word: str, known: typing.Iterable[str]) -> str:
    """Return a hint that names the known word that is most alike, or all of them."""
    import difflib  # a mistake may take its time, a start may not

    choices = sorted(known)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(choices)}"


def _refuse_unknown_keys(source: Source, data: object, kind: object, key: Key) -> None:
    table = _table_in(kind)
    if table is None:
        return
    if isinstance(data, list) or (isinstance(data, dict) and _dictionary_in(kind) is not None):
        for part, item in data.items() if isinstance(data, dict) else enumerate(data):
            _refuse_unknown_keys(source, item, table, (*key, part))
    elif isinstance(data, dict):
        fields = _fields_of(table)
        for name, value in data.items():
            if name not in fields:
                raise source.fault("unknown key", (*key, name), hint=suggest(name, fields))
            _refuse_unknown_keys(source, value, fields[name], (*key, name))


@functools.cache
def _fields_of(table: type[Table]) -> dict[str, object]:
    """Return the fields of a table with their types; working them out costs more than reading a profile."""
    return typing.get_type_hints(table, include_extras=True)


def _table_in(kind: object) -> type[Table] | None:
    """Return the table that a type is, or is a list or an option of."""
    if inspect.isclass(kind) and typing.get_origin(kind) is None:
        return kind if issubclass(kind, Table) else None
    for inner in typing.get_args(kind):
        found = _table_in(inner)
        if found is not None:
            return found
    return None


def _dictionary_in(kind: object) -> typing.Any:
    """Return the `dict[…]` that a type is, or is an option of: tables or values under names of the author's choice."""
    if typing.get_origin(kind) is dict:
        return kind
    return next((found for inner in typing.get_args(kind) if (found := _dictionary_in(inner)) is not None), None)


def _placed(message: str, data: object, kind: object) -> tuple[str, Key]:
    """Split msgspec's `… - at `$.mounts[0].mode`` into what and where; a name that it leaves out is looked for."""
    what, _, place = message.partition(" - at `")
    parts: list[str | int] = []
    is_name_wrong = place.startswith("key` in ")
    for name, number, _any in re.findall(r"\.([A-Za-z_]+)|\[(\d+)\]|(\[\.\.\.\])", place + "[...]" * is_name_wrong):
        part = name or (int(number) if number else _failing(data, kind))
        if isinstance(data, dict | list) and part != "":
            data = typing.cast("dict[str | int, object]", data)[part]  # a list has numbers, where msgspec has been
        kind = _step(kind, part)
        parts.append(part)
    return what, tuple(part for part in parts if part != "")


def _step(kind: object, part: str | int) -> object:
    """Return the type of what stands under a key or a number in a value of a type."""
    if isinstance(part, int):
        return kind
    named = _dictionary_in(kind)
    if named is not None:
        return typing.get_args(named)[1]
    table = _table_in(kind)
    return None if table is None else _fields_of(table).get(part)


def _failing(data: object, kind: object) -> str:
    """Return the first name in a dictionary that is wrong, or whose value is; empty when it cannot be told."""
    for name, value in data.items() if isinstance(data, dict) else ():
        try:
            msgspec.convert({name: value}, _dictionary_in(kind))
        except msgspec.ValidationError:
            return str(name)
    return ""


def _choices(what: str, key: Key, kind: object) -> str:
    """Return a hint for a word that is none of an enumeration's."""
    found = re.fullmatch(r"Invalid enum value '(.*)'", what, re.DOTALL)
    for part in key:
        kind = _step(kind, part)
    words = _words(kind)
    return suggest(found[1], words) if found and words else ""


def _words(kind: object) -> list[str]:
    """Return the words of the enumeration that a type is or holds."""
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return [str(member.value) for member in kind]
    inner = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return [str(word) for word in inner]
    return [word for one in inner for word in _words(one)]


def _plain(what: str) -> str:
    words = {
        "`array`": "a list",
        "`object`": "a table",
        "`str`": "text",
        "`int`": "a whole number",
        "`bool`": "true or false",
    }
    for word, plain in words.items():
        what = what.replace(word, plain)
    if "of length >= 1" in what:
        return "must not be empty (an empty list would grant nothing; leave the key out instead)"
    return what[:1].lower() + what[1:]


def _line_of(text: str, key: Key) -> int | None:
    """Return the line of a key, as far as lines of headers and keys tell it; None when they do not."""
    if not key:
        return None
    scope, lines = _scope(text.splitlines(), key)
    name = next((part for part in reversed(key) if isinstance(part, str)), "")
    pattern = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*(=|\.)|\s*\[+[^]]*\b{re.escape(name)}[\"']?\s*\]")
    for number, line in lines:
        if pattern.match(line):
            return number
    opened = _headers([line for _number, line in lines], [name])  # a table that is opened by those below it alone
    return lines[opened[0]][0] if scope is None and opened else scope


def _scope(lines: list[str], key: Key) -> tuple[int | None, list[tuple[int, str]]]:
    """Return the number of the header line of the table that holds a key, and the numbered lines of that table."""
    numbered = list(enumerate(lines, 1))
    at = next((index for index, part in enumerate(key) if isinstance(part, int)), None)
    names = [str(part) for part in (key[:-1] if at is None else key[:at])]
    wanted = 0 if at is None else int(key[at])
    while names:
        starts = _headers(lines, names)
        if wanted < len(starts):
            start = starts[wanted]
            ends = (index for index in range(start + 1, len(lines)) if lines[index].lstrip().startswith("["))
            return start + 1, numbered[start : next(ends, len(lines))]
        names.pop()
        wanted = 0
    return None, numbered


def _headers(lines: list[str], names: list[str]) -> list[int]:
    """Return the indices of the lines that open the table of this name, or one below it."""
    dotted = r"\s*\.\s*".join(rf"[\"']?{re.escape(name)}[\"']?" for name in names)
    header = re.compile(rf"\s*\[+\s*{dotted}\s*[\].]")
    return [index for index, line in enumerate(lines) if header.match(line)]

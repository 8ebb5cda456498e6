"""Globs over sandbox paths and patterns over host names, compiled to predicates.

A path glob is like a line of `.gitignore`: `*` and `?` stop at a slash, `[...]` is a class, `**` as a whole component
is any number of directories, a backslash takes the next character as it is. With a leading slash the glob starts at the
root; without one it starts at any depth. It matches an object, not what lies below it: `x/**` is everything below `x`.

Invariants:
- Matching is linear in the path times the length of the glob. Paths are walked component by component through a set of
  positions, and a component is matched without backtracking into an earlier `*`.
- Names are `str` with surrogate escapes and may hold any character but a slash and NUL, newlines included.
- Paths are absolute and normal (no `.`, `..`, empty component); who calls sees to it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from functools import cache

_MANY = "**"
_REMEMBERED = 8192


class GlobError(ValueError):
    """The pattern has no meaning; the message says why."""


class Glob:
    """One compiled path glob.

    A set of positions in the glob is an `int` with one bit for each; position `len(parts)` accepts. `restart` are the
    positions that every walk has at any depth.
    """

    __slots__ = ("_accept", "_match", "_parts", "name_part", "pattern", "restart", "start")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        anchored, self._parts = _split(pattern)
        self._match = tuple(_component(part) for part in self._parts)
        self._accept = 1 << len(self._parts)
        self.start = self._close(1)
        self.restart = 0 if anchored else self.start
        self.name_part = self._parts[0] if len(self._parts) == 1 and not anchored else None

    def _close(self, positions: int) -> int:
        for index, part in enumerate(self._parts):
            if part == _MANY and positions >> index & 1:
                positions |= 1 << (index + 1)
        return positions

    def step(self, positions: int, name: str) -> int:
        """Return where a walk stands that stood at `positions` and descends into `name`."""
        after = 0
        for index, part in enumerate(self._parts):
            if positions >> index & 1:
                if part == _MANY:
                    after |= 1 << index
                elif self._match[index](name):
                    after |= 1 << (index + 1)
        return self._close(after) | self.restart

    def walk(self, path: str) -> int:
        """Return the positions after all components of a path."""
        positions = self.start
        for name in components(path):
            positions = self.step(positions, name)
        return positions

    def matches(self, path: str) -> bool:
        """True when the glob matches this very path."""
        return bool(self.walk(path) & self._accept)

    def unfinished(self, positions: int) -> int:
        """Return the positions but for the accepting one: what decides about all that lies below."""
        return positions & ~self._accept

    def awaits(self, positions: int) -> tuple[str, ...]:
        """Return the component globs of which one must match the next name for the whole glob to match."""
        last = len(self._parts) - 1
        waiting = []
        for index, part in enumerate(self._parts):
            if positions >> index & 1:
                if part == _MANY and index == last:
                    waiting.append("*")
                elif all(rest == _MANY for rest in self._parts[index + 1 :]) and part != _MANY:
                    waiting.append(part)
        return tuple(waiting)


class GlobSet:
    """Several globs as one predicate, with a bounded memory of directories."""

    def __init__(self, patterns: Iterable[str]) -> None:
        globs = [Glob(pattern) for pattern in dict.fromkeys(patterns)]
        self._globs = tuple(glob for glob in globs if glob.name_part is None)
        self._anywhere = tuple(glob.name_part for glob in globs if glob.name_part is not None)
        self._matchers: dict[frozenset[str], Callable[[str], bool]] = {}
        self._directories: dict[str, Callable[[str], bool]] = {}

    def below(self, directory: str) -> Callable[[str], bool]:
        """Return the predicate over names in a directory (without its last slash)."""
        found = self._directories.get(directory)
        if found is None:
            found = self._look_below(directory)
            if len(self._directories) >= _REMEMBERED:
                self._directories.clear()
            self._directories[directory] = found
        return found

    def _look_below(self, directory: str) -> Callable[[str], bool]:
        waiting = set(self._anywhere)
        for glob in self._globs:
            waiting.update(glob.awaits(glob.walk(directory)))
        key = frozenset(waiting)
        matcher = self._matchers.get(key)
        if matcher is None:
            matcher = self._matchers[key] = compile_names(key)
        return matcher

    def __call__(self, path: str) -> bool:
        directory, _, name = path.rpartition("/")
        return bool(name) and self.below(directory)(name)


def compile_globs(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return one predicate over absolute paths that is true when any of the globs matches.

    Raises:
        GlobError: A pattern has no meaning.
    """
    return GlobSet(patterns)


def components(path: str) -> list[str]:
    """Return the names that an absolute normal path goes through; none for the root."""
    return path[1:].split("/") if len(path) > 1 else []


def compile_names(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return one predicate over single names (no slash): file names, environment variables, tool names.

    Raises:
        GlobError: A pattern has no meaning.
    """
    literals: set[str] = set()
    suffixes: list[str] = []
    prefixes: list[str] = []
    others: list[str] = []
    for pattern in patterns:
        if pattern in ("*", _MANY):
            return _anything
        if _is_literal(pattern):
            literals.add(pattern)
        elif pattern[0] == "*" and _is_literal(pattern[1:]):
            suffixes.append(pattern[1:])
        elif pattern[-1] == "*" and _is_literal(pattern[:-1]):
            prefixes.append(pattern[:-1])
        else:
            others.append(translate(pattern))
    return _any_of(frozenset(literals), tuple(suffixes), tuple(prefixes), others)


def _any_of(
    literals: frozenset[str], suffixes: tuple[str, ...], prefixes: tuple[str, ...], others: list[str]
) -> Callable[[str], bool]:
    if not others:

        def is_simple_match(name: str) -> bool:
            return name in literals or name.endswith(suffixes) or name.startswith(prefixes)

        return is_simple_match
    expression = re.compile("|".join(f"(?:{other})" for other in others), re.DOTALL).fullmatch

    def is_match(name: str) -> bool:
        return name in literals or name.endswith(suffixes) or name.startswith(prefixes) or expression(name) is not None

    return is_match


def _anything(_name: str) -> bool:
    return True


def _is_literal(text: str) -> bool:
    return not any(char in text for char in "*?[\\")


@cache
def _component(part: str) -> Callable[[str], bool]:
    return compile_names((part,))


def _split(pattern: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether the glob starts at the root, and its components; a last `**` needs one name at least."""
    if not pattern or "\0" in pattern:
        raise GlobError("a glob cannot be empty or hold NUL")
    if pattern.startswith("!"):
        raise GlobError(f"{pattern!r}: a glob cannot be negated; use `unless`, or `\\!` for the character")
    anchored = pattern.startswith("/")
    parts = pattern.removeprefix("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise GlobError(f"{pattern!r}: empty, `.` or `..` components never match")
    for part in parts:
        translate(part)
    while len(parts) > 1 and parts[0] == _MANY:
        anchored, parts = False, parts[1:]
    if parts[-1] == _MANY:
        parts = [*parts[:-1], "*", _MANY]
    return anchored, tuple(parts)


def translate(part: str) -> str:
    """Return the regular expression for one component, for use with `fullmatch` and DOTALL.

    Every stretch between two stars has a fixed length, so its first place is as good as any later one: the groups are
    atomic, and only the last star ever moves.

    Raises:
        GlobError: A class is not closed, or nothing follows a backslash.
    """
    stretches = [""]
    index = 0
    while index < len(part):
        char = part[index]
        index += 1
        if char == "*":
            stretches.append("")
        elif char == "?":
            stretches[-1] += "."
        elif char == "[":
            text, index = _class(part, index)
            stretches[-1] += text
        elif char == "\\":
            if index == len(part):
                raise GlobError(f"{part!r}: nothing follows the backslash")
            stretches[-1] += re.escape(part[index])
            index += 1
        else:
            stretches[-1] += re.escape(char)
    first, *rest = stretches
    if not rest:
        return first
    inner = "".join(f"(?>.*?{stretch})" for stretch in rest[:-1] if stretch)
    return f"{first}{inner}.*{rest[-1]}"


def _class(part: str, index: int) -> tuple[str, int]:
    """Translate the class whose `[` stands before `index`; return it and the index behind it."""
    negated = part[index : index + 1] in ("!", "^") and part[index : index + 1] != ""
    index += negated
    end = part.find("]", index + 1)
    if end < 0:
        raise GlobError(f"{part!r}: `[` is not closed")
    items = []
    while index < end:
        low = part[index]
        if index + 2 < end and part[index + 1] == "-":
            high = part[index + 2]
            if high < low:
                raise GlobError(f"{part!r}: the range {low}-{high} is empty")
            items.append(f"{re.escape(low)}-{re.escape(high)}")
            index += 3
        else:
            items.append(re.escape(low))
            index += 1
    return f"[{'^' if negated else ''}{''.join(items)}]", end + 1


def compile_hosts(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return one predicate over host names and literal addresses.

    `example.com` is that name, `*.example.com` every name below it, `*` every name (but no literal address),
    `192.0.2.7` an address and `192.0.2.0/24` a network. Names compare without case and without a last dot.

    Raises:
        GlobError: A pattern is none of these.
    """
    names: set[str] = set()
    suffixes: list[str] = []
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for pattern in patterns:
        text = _folded(pattern)
        network = _network(text)
        if network is not None:
            networks.append(network)
        elif text == "*" or text.startswith("*."):
            suffixes.append(text[1:])
        elif re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", text):
            names.add(text)
        else:
            raise GlobError(f"{pattern!r} is no host name, `*.name`, address or network")
    return _host_predicate(frozenset(names), tuple(suffixes), networks)


def _host_predicate(
    names: frozenset[str], suffixes: tuple[str, ...], networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> Callable[[str], bool]:
    def is_match(host: str) -> bool:
        text = _folded(host)
        literal = _network(text)
        if literal is None:
            return text in names or (bool(text) and text.endswith(suffixes))
        return any(known.version == literal.version and literal[0] in known for known in networks)

    return is_match


def _folded(host: str) -> str:
    return host.strip("[]").removesuffix(".").lower()


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None

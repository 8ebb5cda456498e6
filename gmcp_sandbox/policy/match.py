"""Globs over sandbox paths, compiled to predicates.

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

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

import msgspec

from gmcp_sandbox.policy.hosts import GlobError, compile_hosts

_MANY = "**"
_SPECIAL = frozenset("*?[\\")
__all__ = [
    "LONGEST_REMEMBERED",
    "MOST_REMEMBERED",
    "Glob",
    "GlobError",
    "GlobSet",
    "check_globs",
    "compile_globs",
    "compile_hosts",
    "compile_names",
]

MOST_REMEMBERED = 4096
LONGEST_REMEMBERED = 512
"""Bounds of memories that are filled by names of the agent's making."""


class Glob:
    """One compiled path glob.

    A set of positions in the glob is an `int` with one bit for each; position `len(parts)` accepts. `restart` are the
    positions that every walk has at any depth.
    """

    __slots__ = ("_accept", "_match", "_parts", "first_literal", "name_part", "pattern", "restart", "start")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        anchored, self._parts = _split(pattern)
        self._match = tuple(_component(part) for part in self._parts)
        self._accept = 1 << len(self._parts)
        self.start = self._close(1)
        self.restart = 0 if anchored else self.start
        self.first_literal = self._parts[0] if _is_literal(self._parts[0]) else None
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

    def accepts(self, positions: int, name: str) -> bool:
        """True when the whole glob matches once a walk at these positions takes this name."""
        return bool(self.step(positions, name) & self._accept)

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


class Standing(msgspec.Struct, frozen=True):
    """Where a walk through several globs stands in a directory; with equal `active`, all below is matched alike.

    Attributes:
        active: (number of the glob, positions) of globs begun above; those that may begin anywhere are left out.
        is_match: Whether any glob matches a name right below.
    """

    active: frozenset[tuple[int, int]]
    is_match: Callable[[str], bool]


class GlobSet:
    """Several globs as one predicate, with a bounded memory of directories.

    Going down by one name costs as much as there are globs begun, not as there are globs.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        globs = [_glob(pattern) for pattern in dict.fromkeys(patterns)]
        self._named = tuple(glob for glob in globs if glob.name_part is not None)
        self._globs = tuple(glob for glob in globs if glob.name_part is None)
        self._anywhere = {glob.name_part for glob in self._named if glob.name_part is not None}
        self._by_first: dict[str, list[int]] = {}
        self._by_any_first: list[int] = []
        for number, glob in enumerate(self._globs):
            if glob.restart:
                self._anywhere.update(glob.awaits(glob.restart))
                first = glob.first_literal
                (self._by_any_first if first is None else self._by_first.setdefault(first, [])).append(number)
        self._standings: dict[frozenset[tuple[int, int]], Standing] = {}
        anchored = ((number, glob.start) for number, glob in enumerate(self._globs) if not glob.restart)
        self._root = self._standing(frozenset(anchored))
        self._directories: dict[str, Standing] = {}

    def standing(self, directory: str) -> Standing:
        """Return where the walk stands in a directory (absolute; the root is empty or `/`)."""
        names: list[str] = []
        at = directory.rstrip("/")
        while at and at not in self._directories:
            at, _, name = at.rpartition("/")
            names.append(name)
        standing = self._directories[at] if at else self._root
        for name in reversed(names):
            standing = self._step(standing, name)
            at = f"{at}/{name}"
            self._remember(at, standing)
        return standing

    def _remember(self, directory: str, standing: Standing) -> None:
        if len(directory) <= LONGEST_REMEMBERED:
            if len(self._directories) >= MOST_REMEMBERED:
                self._directories.clear()
            self._directories[directory] = standing

    def _step(self, standing: Standing, name: str) -> Standing:
        after: dict[int, int] = {}
        for number, positions in standing.active:
            glob = self._globs[number]
            going = glob.unfinished(glob.step(positions, name)) & ~glob.restart
            if going:
                after[number] = going
        for number in (*self._by_first.get(name, ()), *self._by_any_first):
            glob = self._globs[number]
            going = glob.unfinished(glob.step(glob.restart, name)) & ~glob.restart
            if going:
                after[number] = after.get(number, 0) | going
        return self._standing(frozenset(after.items()))

    def _standing(self, active: frozenset[tuple[int, int]]) -> Standing:
        found = self._standings.get(active)
        if found is None:
            waiting = set(self._anywhere)
            for number, positions in active:
                waiting.update(self._globs[number].awaits(positions))
            if len(self._standings) >= MOST_REMEMBERED:
                self._standings.clear()
            found = self._standings[active] = Standing(active, compile_names(waiting))
        return found

    def below(self, directory: str) -> Callable[[str], bool]:
        """Return the predicate over names in a directory."""
        return self.standing(directory).is_match

    def matching(self, path: str) -> list[str]:
        """Return the patterns that match a path."""
        directory, _, name = path.rpartition("/")
        standing = self.standing(directory)
        if not name or not standing.is_match(name):
            return []
        found = [glob.pattern for glob in self._named if glob.accepts(glob.start, name)]
        begun = dict(standing.active)
        for number, glob in enumerate(self._globs):
            positions = begun.get(number, 0) | glob.restart
            if positions and glob.accepts(positions, name):
                found.append(glob.pattern)
        return found

    def begun_by(self, path: str) -> list[str]:
        """Return the patterns that the last name of a path begins or brings on: more of them may match below it."""
        above = dict(self.standing(path.rpartition("/")[0]).active)
        here = self.standing(path).active
        return [self._globs[number].pattern for number, positions in here if positions & ~above.get(number, 0)]

    def __call__(self, path: str) -> bool:
        directory, _, name = path.rpartition("/")
        return bool(name) and self.standing(directory).is_match(name)


def compile_globs(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return one predicate over absolute paths that is true when any of the globs matches.

    Raises:
        GlobError: A pattern has no meaning.
    """
    return GlobSet(patterns)


def check_globs(patterns: Iterable[str]) -> None:
    """Make sure that globs have a meaning, for a tenth of what it costs to compile them to one predicate.

    Raises:
        GlobError: A pattern has none.
    """
    for pattern in patterns:
        _glob(pattern)


@lru_cache(maxsize=MOST_REMEMBERED)
def _glob(pattern: str) -> Glob:
    """Return a glob, which never changes: a profile is checked, labelled by and judged by the same ones."""
    return Glob(pattern)


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
    return _SPECIAL.isdisjoint(text)


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


@lru_cache(maxsize=MOST_REMEMBERED)
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

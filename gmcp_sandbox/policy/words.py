"""Patterns over the words of a command line.

A pattern is a command line with globs in it: `git push --force*` matches when the program's name matches the first word
and each further word of the pattern matches some later word of the command line, in their order. Other words may stand
between: `git -C x push origin --force`. The program's name is the last component of the file that is run, or of the
name that it is run under: neither hides the other. A first word with a slash is a glob for the whole path of the file.
What a wrapper (`env`, `timeout`) or a shell's text runs counts as well (`commands.py`), and where that cannot be read,
a pattern matches when its words stand there in their order.

Time is linear in the command line times the number of patterns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from gmcp_sandbox.policy.commands import commands_in
from gmcp_sandbox.policy.hosts import GlobError
from gmcp_sandbox.policy.match import compile_globs, compile_names

Matches = Callable[[str, Sequence[str] | None], bool]
"""Whether a program (its path) with a command line (None: not known) matches."""


def compile_argv(patterns: Iterable[str]) -> Matches:
    """Return one predicate that is true when any pattern matches.

    A command line that is not known matches patterns of one word alone, by the path of the program.

    Raises:
        GlobError: A pattern is empty or holds a glob without a meaning.
    """
    lines = [_compile(pattern) for pattern in patterns]

    def matches(path: str, argv: Sequence[str] | None) -> bool:
        if any(line.matches(path, argv) for line in lines):
            return True
        found = commands_in(path, argv or ())
        return any(line.matches(words[0], words) for words in found.lines for line in lines) or any(
            line.stands_in(words) for words in found.loose for line in lines
        )

    return matches


class _Line(NamedTuple):
    """One pattern: the program's word, and the others."""

    runs: Matches
    others: tuple[Callable[[str], bool], ...]

    def matches(self, path: str, argv: Sequence[str] | None) -> bool:
        """Return whether a command line matches."""
        return self.runs(path, argv) and self._follow(iter(argv[1:] if argv else ()))

    def stands_in(self, words: Sequence[str]) -> bool:
        """Return whether the words stand there in their order, wherever a command may begin."""
        rest = iter(words)
        return any(self.runs(word, (word,)) for word in rest) and self._follow(rest)

    def _follow(self, rest: Iterator[str]) -> bool:
        return all(any(other(word) for word in rest) for other in self.others)


def _compile(pattern: str) -> _Line:
    words = pattern.split()
    if not words or "\0" in pattern:
        raise GlobError(f"{pattern!r} is no command line")
    runs = _by_path(words[0]) if "/" in words[0] else _by_name(words[0])
    return _Line(runs, tuple(compile_names((word,)) for word in words[1:]))


def _by_path(word: str) -> Matches:
    fits = compile_globs((word,))
    return lambda path, _argv: path.startswith("/") and fits(path)


def _by_name(word: str) -> Matches:
    fits = compile_names((word,))
    return lambda path, argv: fits(_name(path)) or bool(argv and fits(_name(argv[0])))


def _name(path: str) -> str:
    return path.rpartition("/")[2]

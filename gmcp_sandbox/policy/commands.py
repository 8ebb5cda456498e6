"""What a command line runs beside its own program: the commands of a shell's text, and what wrappers start.

For the rules on command lines: whether `git push --force` is typed, stands in `sh -c "…"`, in `env A=1 git …` or behind
`xargs`, the rule holds. It is an early word: each program is asked for again, by itself, when it really starts.

Guarantees:
- Pure, and bounded for any text: so many characters, commands, texts within texts, whatever stands in them.
- What cannot be read is not passed over: a text that is too long or no proper shell is `loose`, and a rule then holds
  when its words stand in it in their order.

The reader is tree-sitter's grammar of bash: kept by its project, linear in time, and it goes on after an error. It is
imported when the first text comes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gmcp_sandbox.policy.wrappers import inner, may_wrap, name_of

if TYPE_CHECKING:
    from tree_sitter import Node

LONGEST = 16384
"""Characters of one text that are read as shell."""
_MOST_COMMANDS = 256
_MOST_TEXTS = 16
_DEPTH = 6
_REMEMBERED_CHARS = 4096
_WORD = re.compile(r"""[^\s;|&<>()`"'\\$]+""")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED_IN_QUOTES = re.compile(r'\\(["\\$`\n])')
_ANSI = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|([0-7]{1,3})|(.))", re.DOTALL)
_IFS = re.compile(r"\$(?:\{IFS\}|IFS(?!\w))")
_NO_WORDS = frozenset({"variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect", "comment"})


class Commands(NamedTuple):
    """What a command line runs beside its own program.

    Attributes:
        lines: Command lines that were read.
        loose: Words, in order, of what could not be read.
    """

    lines: tuple[tuple[str, ...], ...] = ()
    loose: tuple[tuple[str, ...], ...] = ()


_NONE = Commands()


def commands_in(path: str, argv: Sequence[str]) -> Commands:
    """Return what a program with these words runs, as far as the words say it.

    Args:
        path: Of the program; the words are read as those of the name that the file has, and of the one it runs under.
    """
    if not argv:
        return _NONE
    names = dict.fromkeys((name_of(path), name_of(argv[0]).lstrip("-")))
    readings = [(name, *argv[1:]) for name in names if may_wrap(name)]
    if not readings:
        return _NONE
    is_short = sum(map(len, argv)) <= _REMEMBERED_CHARS
    found = [_remembered(words) if is_short else _read(words) for words in readings]
    return Commands(sum((each.lines for each in found), ()), sum((each.loose for each in found), ()))


def _read(argv: tuple[str, ...]) -> Commands:
    reading = _Reading()
    reading.take(argv, 0)
    return Commands(tuple(dict.fromkeys(reading.lines)), tuple(reading.loose))


_remembered = functools.lru_cache(maxsize=512)(_read)


class _Reading:
    """Collects what is run, from the outside to the inside."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, ...]] = []
        self.loose: list[tuple[str, ...]] = []
        self._texts = 0

    def take(self, argv: tuple[str, ...], depth: int) -> None:
        """Take a command line apart; it is itself no finding."""
        found = inner(argv)
        for command in found.commands:
            self._add(command, depth + 1)
        for script in found.scripts:
            self._take_text(script, depth + 1)

    def _add(self, command: tuple[str, ...], depth: int) -> None:
        if depth > _DEPTH or len(self.lines) >= _MOST_COMMANDS:
            self.loose.append(command)
            return
        self.lines.append(command)
        self.take(command, depth)

    def _take_text(self, text: str, depth: int) -> None:
        self._texts += 1
        if len(text) > LONGEST or depth > _DEPTH or self._texts > _MOST_TEXTS:
            self.loose.append(_loose(text))
            return
        commands, is_whole = parse(text)
        if not is_whole or len(commands) > _MOST_COMMANDS:
            self.loose.append(_loose(text))
        for command in commands[:_MOST_COMMANDS]:
            self._add(command, depth)


def _loose(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.replace("\\\n", "").replace("\\", "").replace("'", "").replace('"', "")))


def parse(text: str) -> tuple[list[tuple[str, ...]], bool]:
    """Return the command lines of a shell text, and whether all of it was proper shell."""
    data = _IFS.sub(" ", text).encode("utf-8", "surrogatepass")  # it splits words, as a blank does
    root = _parser().parse(data).root_node
    commands = [words for node in _nodes(root) if node.type == "command" and (words := _words(node, data))]
    return commands, not root.has_error


@functools.cache
def _parser() -> Any:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def _nodes(root: Node) -> Iterator[Node]:
    """Yield all nodes in their order, without recursion."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _words(command: Node, data: bytes) -> tuple[str, ...]:
    return tuple(_text(child, data) for child in command.named_children if child.type not in _NO_WORDS)


def _text(node: Node, data: bytes) -> str:
    """Return what a word says: without quotes, its expansions as they stand."""
    if node.type in ("command_name", "concatenation"):
        return "".join(_piece(child, data) for child in node.children) if node.children else _raw(node, data)
    return _piece(node, data)


def _piece(node: Node, data: bytes) -> str:
    kind, raw = node.type, _raw(node, data)
    if kind == "word":
        return _ESCAPED.sub(r"\1", raw.replace("\\\n", ""))
    if kind == "raw_string":
        return raw[1:-1]
    if kind in ("string", "translated_string"):
        return _ESCAPED_IN_QUOTES.sub(r"\1", raw[raw.index('"') + 1 : -1])
    if kind == "ansi_c_string":
        return _ANSI.sub(_ansi, raw[2:-1])
    if kind == "concatenation":
        return _text(node, data)
    return raw


def _ansi(escape: re.Match[str]) -> str:
    if escape[1] or escape[2]:
        return chr(int(escape[1] or escape[2], 16))
    return chr(int(escape[3], 8) & 0xFF) if escape[3] else escape[4]


def _raw(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "surrogatepass")

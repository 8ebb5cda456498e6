"""Read git-config syntax as git itself does (git-config(1), "Syntax").

Guarantees: any bytes give a `GitConfig`, never an exception. Its entries are those that git would have handed out
before the first error, keys in git's canonical spelling (section and variable in lower case, a quoted subsection as it
is). A value that the end of the file cuts off inside quotes is given too, with the error.

Text is Latin-1 here: one character a byte, so that no encoding can hide anything.
"""

from __future__ import annotations

import re

import msgspec

_BLANK = re.compile(r"[ \t\r\n]*")
_COMMENT = re.compile(r"[^\n]*")
_SECTION = re.compile(r"\[([A-Za-z0-9.-]+)\]")
_SUBSECTION = re.compile(r'\[([A-Za-z0-9.-]*)[ \t\r]+"((?:[^"\\\n]|\\[^\n])*+)"\]', re.DOTALL)
_VARIABLE = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*")
_PLAIN = re.compile(r'[^ \t\r\n"\\#;]+')
_QUOTED = re.compile(r'[^\n"\\]+')
_SPACE = re.compile(r"[ \t\r]+")
_ESCAPES = {"t": "\t", "b": "\b", "n": "\n", "\\": "\\", '"': '"'}


class Entry(msgspec.Struct, frozen=True):
    """One variable.

    Attributes:
        section: Lower case; an old-style `[section.sub]` is taken apart.
        subsection: As written, or None.
        variable: Lower case.
        value: None for a variable without `=` (a boolean that is true).
    """

    section: str
    subsection: str | None
    variable: str
    value: str | None

    @property
    def key(self) -> str:
        """The name as `git config --list` prints it."""
        middle = "" if self.subsection is None else f".{self.subsection}"
        return f"{self.section}{middle}.{self.variable}"


class GitConfig(msgspec.Struct, frozen=True):
    """What a file says, up to its first error; `error` is None when there is none."""

    entries: tuple[Entry, ...]
    error: str | None = None


class _SyntaxError(Exception):
    pass


def parse_git_config(content: bytes) -> GitConfig:
    """Return the entries of a git configuration file."""
    reader = _Reader(content.decode("latin-1"))
    try:
        reader.read()
    except _SyntaxError as error:
        return GitConfig(tuple(reader.entries), str(error))
    return GitConfig(tuple(reader.entries))


class _Reader:
    """A position in the text; every method consumes what it names."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n").removeprefix("\xef\xbb\xbf")
        self._at = 0
        self._is_cut = False
        self.entries: list[Entry] = []

    def _fail(self, what: str) -> _SyntaxError:
        line = self._text.count("\n", 0, self._at) + 1
        return _SyntaxError(f"{what} in line {line}")

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def read(self) -> None:
        """Read to the end; raise at the first error, with the entries before it kept."""
        section: tuple[str, str | None] = ("", None)
        while True:
            self._take(_BLANK)
            if self._at >= len(self._text):
                return
            char = self._text[self._at]
            if char in "#;":
                self._take(_COMMENT)
            elif char == "[":
                section = self._section()
            else:
                self.entries.append(self._entry(section))
                if self._is_cut:
                    raise self._fail("quotes are not closed")

    def _section(self) -> tuple[str, str | None]:
        found = self._take(_SECTION)
        if found:
            name, dot, rest = found[1].lower().partition(".")
            return name, rest if dot else None
        found = self._take(_SUBSECTION)
        if not found:
            raise self._fail("a malformed section")
        quoted = re.sub(r"\\(.)", r"\1", found[2], flags=re.DOTALL)
        name, dot, rest = found[1].lower().partition(".")
        return name, f"{rest}.{quoted}" if dot else quoted

    def _entry(self, section: tuple[str, str | None]) -> Entry:
        found = self._take(_VARIABLE)
        if not found:
            raise self._fail("a malformed variable")
        value = None
        rest = self._text[self._at : self._at + 1]
        if rest == "=":
            self._at += 1
            value = self._value()
        elif rest not in ("\n", ""):
            raise self._fail("a malformed variable")
        return Entry(section[0], section[1], found[1].lower(), value)

    def _value(self) -> str:
        pieces: list[str] = []  # none is empty
        kept = 0  # what follows pieces[:kept] is blank, or a comment
        is_quoted = False
        while (char := self._text[self._at : self._at + 1]) not in ("\n", ""):
            if char == '"':
                is_quoted = not is_quoted
                self._at += 1
                kept = len(pieces)
                continue
            text, is_kept = self._piece(char, is_quoted)
            if text and (is_kept or pieces):
                pieces.append(text)
            if is_kept:
                kept = len(pieces)
        if is_quoted and char:
            raise self._fail("a line break inside quotes")
        self._is_cut = is_quoted
        return "".join(pieces[:kept])

    def _piece(self, char: str, is_quoted: bool) -> tuple[str, bool]:
        """Return the next piece of a value, and whether it counts when nothing but blanks follows."""
        if char == "\\":
            return self._escape(), True
        if is_quoted:
            return self._span(_QUOTED), True
        if char in "#;":
            self._span(_COMMENT)
            return "", False
        if char in " \t\r":
            return self._span(_SPACE), False
        return self._span(_PLAIN), True

    def _span(self, pattern: re.Pattern[str]) -> str:
        found = self._take(pattern)
        return found[0] if found else ""

    def _escape(self) -> str:
        char = self._text[self._at + 1 : self._at + 2]
        if char == "\n" or not char:
            self._at += 1 + len(char)
            return ""
        if char not in _ESCAPES:
            raise self._fail("an unknown escape")
        self._at += 2
        return _ESCAPES[char]

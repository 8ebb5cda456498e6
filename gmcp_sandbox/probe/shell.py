"""One spelling for what a shell would run: quoting folded, words as the program gets them.

`r""m -r\\f '/tmp/x'`, `rm${IFS}-rf /tmp/x` and the argument vector `["rm", "-rf", "/tmp/x"]` become `rm -rf /tmp/x`. A
word keeps its quotes only where they matter, when a blank or a shell character is in it: `echo "rm -rf /"` and
`echo; rm -rf /` are not the same. Scripts inside of scripts (`sh -c`, `eval`) are folded, too.

Guarantees: pure, linear but for the fixed depth of scripts within scripts, never raises, whatever the text.
This is no parser: where a text is no proper shell, it comes out readable and nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_DEPTH = 3
_HERE = 8
"""Here documents of one line."""
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"})
_PIECE = re.compile(
    r"""
    (?P<joined>\\\n)
  | (?P<escaped>\\.)
  | (?P<single>'[^']*(?:'|\Z))
  | (?P<ansi>\$'(?:[^'\\]|\\.)*(?:'|\Z))
  | (?P<double>\$?"(?:[^"\\]|\\.)*(?:"|\Z))
  | (?P<ifs>\$\{?IFS(?:[^}\s]{0,16}\})?|\$IFS)
  | (?P<nothing>\$[@*]|\$\{[@*]\})
  | (?P<here><<-?[ \t]*(?P<mark>(?:'[^'\n]{0,64}'|"[^"\n]{0,64}"|\\[^\n]|[^\s;|&<>()`'"\\]){1,64}))
  | (?P<line>[\r\n]+)
  | (?P<blank>[ \t\f\v]+)
  | (?P<operator>\|&|\|\||&&|;;|>>|<<<|[;|&<>()`])
  | (?P<plain>[^\s'"\\$;|&<>()`]+|\$)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTES = re.compile(r"['\"]|\\(?=.)")
_INSIDE = re.compile(r'\\(["\\$`\n])')
_ANSI = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|([0-7]{1,3})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}
_NEEDS_QUOTES = re.compile(r"[\s;|&<>()`]")
_NOISE = re.compile(r" ?\b2 (?:> & 1|> /dev/null)(?= |\Z)")
_CAPITALS = re.compile(r"(?<!\S)-([A-Za-z]{1,5})(?!\S)")
_GLUED_CAPITAL = re.compile(r"(?<!\S)-([A-Z])([A-Z]{3,}|[A-Za-z0-9/~.]{6,})(?!\S)")


def fold_command(text: str, depth: int = _DEPTH) -> str:
    """Return a shell text in one spelling."""
    return _NOISE.sub("", _joined(_words(text), depth))


def fold_argv(argv: Iterable[str], depth: int = _DEPTH) -> str:
    """Return an argument vector in the spelling of the same command."""
    return _joined(((word, True) for word in argv), depth)


def mark_capitals(text: str) -> str:
    """Show the case of short options, which an encoder without case would not see: `-D` becomes `-^D`."""
    if "-" not in text:
        return text
    return _CAPITALS.sub(_with_marks, _GLUED_CAPITAL.sub(r"-^\1 \2", text))


def _with_marks(option: re.Match[str]) -> str:
    letters = option[1]
    if letters.islower():
        return option[0]
    return "-" + "".join(f"^{letter}" if letter.isupper() else letter for letter in letters)


class _Reader:
    """Takes pieces in, gives words and operators out."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bool]] = []
        """(text, is a word) in order; what is no word is an operator."""
        self.marks: list[str] = []
        """Of the here documents that begin on the next line."""
        self._word: list[str] | None = None

    def grow(self, part: str) -> None:
        if self._word is None:
            self._word = []
        self._word.append(part)

    def end_word(self) -> None:
        if self._word is not None:
            self.found.append(("".join(self._word), True))
            self._word = None

    def add_operator(self, kind: str, piece: re.Match[str]) -> None:
        if piece["mark"]:
            self.found.append(("<<", False))
            self.marks.append(_QUOTES.sub("", piece["mark"]))
        elif kind == "line" and self.found[-1:] != [(";", False)]:
            self.found.append((";", False))
        elif kind == "operator":
            self.found.append((piece[0], False))


def _words(text: str) -> list[tuple[str, bool]]:
    reader = _Reader()
    place = 0
    while (piece := _PIECE.match(text, place)) is not None:
        place = piece.end()
        kind = piece.lastgroup or ""
        if kind in ("joined", "nothing"):
            continue
        part = _part(kind, piece[0])
        if part is not None:
            reader.grow(part)
            continue
        reader.end_word()
        if kind == "line" and reader.marks:
            bodies, place = _here_bodies(text, place, reader.marks[:_HERE])
            reader.found.extend((body, True) for body in bodies)
            reader.marks.clear()
        reader.add_operator(kind, piece)
    reader.end_word()
    while reader.found and reader.found[-1] == (";", False):
        reader.found.pop()
    return reader.found


def _part(kind: str, text: str) -> str | None:
    """Return what a piece adds to a word, or None when it ends the word."""
    if kind in ("plain", "other"):
        return text
    if kind == "escaped":
        return text[1]
    if kind == "single":
        return text[1:-1] if len(text) > 1 and text[-1] == "'" else text[1:]
    if kind == "double":
        inner = text[text.index('"') + 1 :]
        return _INSIDE.sub(r"\1", inner.removesuffix('"'))
    if kind == "ansi":
        return _ANSI.sub(_ansi, text[2:].removesuffix("'"))
    return None


def _ansi(escape: re.Match[str]) -> str:
    if escape[1] or escape[2]:
        return chr(int(escape[1] or escape[2], 16))
    if escape[3]:
        return chr(int(escape[3], 8) & 0xFF)
    return _LETTERS.get(escape[4], escape[4])


def _here_bodies(text: str, place: int, marks: list[str]) -> tuple[list[str], int]:
    """Return the here documents that begin at `place`, and where they end."""
    bodies: list[str] = []
    for mark in marks:
        end = re.compile(rf"^[ \t]*{re.escape(mark)}[ \t]*$", re.MULTILINE).search(text, place)
        bodies.append(text[place : end.start() if end else len(text)].strip())
        place = end.end() if end else len(text)
    return bodies, place


def _joined(words: Iterable[tuple[str, bool]], depth: int) -> str:
    said: list[str] = []
    runs_script = False
    program = ""
    for text, is_word in words:
        if not is_word:
            said.append(text)
            program, runs_script = "", False
        elif runs_script and depth > 0:
            said.append(f"( {fold_command(text, depth - 1)} )")
            runs_script = False
        else:
            name = text.rpartition("/")[2]
            program = name if name in _SHELLS or (name == "eval" and not program) else program
            runs_script = program == "eval" or (program != "" and _is_script_option(text))
            said.append(_quoted(text))
    return " ".join(said)


def _is_script_option(word: str) -> bool:
    return 2 <= len(word) <= 6 and word[0] == "-" and word[-1] == "c" and word[1] != "-"


def _quoted(word: str) -> str:
    if not word:
        return '""'
    if (len(word) > 1 or word.isspace()) and _NEEDS_QUOTES.search(word):
        return '"' + word.replace("\n", " ; ").replace("\r", " ") + '"'
    return word

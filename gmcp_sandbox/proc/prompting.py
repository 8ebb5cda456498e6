"""A question on the user's own terminal, asked by the front while the agent's keys and output are held back.

Invariants:
- Yes needs a word of one letter alone on a line: keys that were typed for the agent, or a line that says anything else,
  answer nothing. Ctrl-C and Ctrl-D say no.
- The text shows names escaped, and every pattern that an answer can cover in full, before it can be given.
- Whatever the agent did to the terminal before (half an escape sequence, hidden or invisible text, margins), `PLAIN`
  makes what is printed next readable.
- Nothing that is typed in the first `PAUSE` counts: it was meant for what stood there before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gmcp_sandbox.proc.escapes import escaped

PAUSE = 0.5
"""Seconds between a question and the line that takes its answer."""
PLAIN = (
    "\x18\x1b\\"  # ends what an unfinished sequence or string would swallow
    "\x1b[!p\x1b[0m\x1b(B\x0f\x1b[?7h\x1b[?25h\x1b[?2026l"  # attributes, margins, character set, held-back output
    "\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\"  # colours: text like its background is invisible
    "\x1b[999;1H"  # the last line: what follows scrolls in on empty ones
)
"""Brings a terminal into a known state (ECMA-48, DECSTR, xterm's control sequences)."""
_NO = (b"\x03", b"\x04")
_LONGEST = 64
_WIDTH = 2000


class Reply(NamedTuple):
    """What the user said."""

    allow: bool
    pattern: str | None = None


class Prompt:
    """One question; feed it what the user types."""

    def __init__(self, question: Mapping[str, Any]) -> None:
        """`question` is a `Question` of the monitor, as a message carries it."""
        self.id = int(question["id"])
        self._question = question
        self._patterns = [word for word in map(str, question["patterns"]) if len(escaped(word)) <= _WIDTH][:2]
        self._typed = b""

    def text(self) -> str:
        """Return the question, in lines that end in CR LF: the terminal is raw."""
        question = self._question
        lines = [
            "",
            f"gmcp-sandbox: may {_shown(question['agent'])} do this?  (question {self.id})",
            f"  {_shown(question['tool'])}  {_shown(question['object'])}{_shown(_arguments(question['arguments']))}",
            *(f"  {_shown(reason)}: {_shown(detail)}" for _, reason, detail in question["reasons"]),
        ]
        if question.get("content_bytes") is not None:
            show = f"gmcp-sandbox approve {_shown(question['session'])} {self.id} --show"
            lines.append(f"  {question['content_bytes']} bytes: {show} prints them")
        lines.append("  a  allow once          d  deny")
        for letter, pattern in zip("sw", self._patterns, strict=False):
            lines.append(f"  {letter}  allow for this session: {_shown(pattern)}")
        return "\r\n".join([*lines, ""])

    def invitation(self) -> str:
        """Return the line on which the answer is typed."""
        letters = "".join("ad" + "sw"[: len(self._patterns)])
        return f"  [{'/'.join(letters)}, then Enter] "

    def feed(self, data: bytes) -> tuple[Reply | None, str]:
        """Take typed bytes; return the answer, if there is one now, and what to print."""
        shown = ""
        for index in range(len(data)):
            byte = data[index : index + 1]
            if byte in _NO:
                return Reply(allow=False), "\r\n  denied\r\n"
            if byte in b"\r\n":
                reply = self._reply(self._typed)
                self._typed = b""
                if reply is not None:
                    return reply, shown + ("\r\n  allowed\r\n" if reply.allow else "\r\n  denied\r\n")
                shown += "\r\n" + self.invitation()
            elif byte in b"\x7f\x08":
                self._typed = self._typed[:-1]
                shown += "\b \b"
            elif byte.isalnum() and len(self._typed) < _LONGEST:
                self._typed += byte
                shown += byte.decode("ascii")
            else:
                self._typed = (self._typed + b"?")[:_LONGEST]  # a key that moves the cursor ends in a letter
        return None, shown

    def _reply(self, word: bytes) -> Reply | None:
        choices = {b"a": Reply(allow=True), b"d": Reply(allow=False)}
        for letter, pattern in zip((b"s", b"w"), self._patterns, strict=False):
            choices[letter] = Reply(allow=True, pattern=pattern)
        return choices.get(word.lower())


def _arguments(arguments: Mapping[str, Any]) -> str:
    argv = arguments.get("argv")
    if isinstance(argv, list):
        return "  [" + " ".join(str(word) for word in argv) + "]"
    return "".join(f"  {key}={value}" for key, value in arguments.items() if value not in (None, "", [], False))


def _shown(text: object) -> str:
    shown = escaped(str(text))
    return shown if len(shown) <= _WIDTH else f"{shown[: _WIDTH // 2]}…{shown[-_WIDTH // 2 :]}"

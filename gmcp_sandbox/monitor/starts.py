"""Program starts under way: what was announced, and what becomes of it while the kernel opens one file after another.

A start is announced with its words before the kernel looks at any file. Then the kernel opens the program, and, where
that is a script, its interpreter, and so on, and for an ELF program its loader. Each open is asked for with the words
that this very file will get: the announced ones, or what the kernel makes of them for an interpreter.

Invariants:
- An open that no announcement covers is a start with a fault, which is never granted.
- An announcement covers one program, one interpreter for each script, and one loader. A later one of the same thread
  takes its place.
- What is kept is bounded in number and bytes; the oldest goes first, and its open is one without an announcement.

Source of the rewriting: load_script and begin_new_exec, Linux fs/binfmt_script.c, fs/exec.c; execve(2), "Interpreter
scripts".
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from sys import getsizeof

from gmcp_sandbox.calls.arguments import ProcExec
from gmcp_sandbox.calls.footprint import ENTRY

HEAD_BYTES = 256
"""Of a file, which decide how it is started (BINPRM_BUF_SIZE)."""
UNANNOUNCED = "unannounced"
_MOST = 8192
_MOST_BYTES = 32 << 20
_BLANKS = b" \t"
_HANDLER_WORDS = 3
"""The handler's name, the file's, and the file's first word where the handler wants to have it."""


class _Next(enum.Enum):
    PROGRAM = enum.auto()
    INTERPRETER = enum.auto()
    LOADER = enum.auto()
    HANDLER = enum.auto()
    NOTHING = enum.auto()


class Start:
    """One exec of one thread.

    Attributes:
        name: The file's name as the kernel tells it to an interpreter.
        argv: What the program that comes next is started with; in the end, what it was started with.
        cwd: Working directory; None when it is not known.
        program: Path of what was announced, once it was opened.
    """

    __slots__ = ("_is_handled", "_next", "_script", "argv", "cwd", "name", "program", "size")

    def __init__(self, name: str, cwd: str | None, argv: tuple[str, ...]) -> None:
        self.name = name
        self.argv = argv
        self.cwd = cwd
        self.program = ""
        self.size = ENTRY + getsizeof(name) + sum(map(getsizeof, argv))
        self._next = _Next.PROGRAM
        self._is_handled = False
        self._script: str | None = None

    def arguments(self, digest: str | None) -> ProcExec:
        """Return what the open that comes now is asked for with."""
        if self._next is _Next.NOTHING:
            return ProcExec(fault=UNANNOUNCED)
        if self._next in (_Next.LOADER, _Next.HANDLER):
            return ProcExec()
        return ProcExec(self.argv, self.cwd, digest, self._script)

    @property
    def is_loader_next(self) -> bool:
        """True when what comes now is no program of its own but what loads the one before."""
        return self._next is _Next.LOADER

    def opened(self, path: str, head: bytes) -> None:
        """Take note that the open was allowed, and of what the file begins with."""
        if not self.program:
            self.program = path
        if self._next in (_Next.LOADER, _Next.HANDLER):
            self._next = _Next.NOTHING
        elif head.startswith(b"#!"):
            self._rewrite(head)
        elif head.startswith(b"\x7fELF"):
            self._next = _Next.LOADER
        else:
            self._next, self._is_handled = _Next.HANDLER, True

    def _rewrite(self, head: bytes) -> None:
        found = interpreter_of(head)
        if found is None:
            self._next = _Next.NOTHING  # the kernel refuses it (ENOEXEC)
            return
        interpreter, argument = found
        extra = () if argument is None else (argument,)
        self.argv = (interpreter, *extra, self.name, *self.argv[1:])
        self._script, self.name = self.name, interpreter
        self._next = _Next.INTERPRETER

    def is_what_ran(self, words: tuple[str, ...]) -> bool:
        """True when a program with these words is what was judged.

        A handler that the host registered for a kind of file (binfmt_misc) puts its own words before.
        """
        if words == self.argv or not self._is_handled:
            return words == self.argv
        rest = self.argv[1:]
        before = len(words) - len(rest)
        return 0 < before <= _HANDLER_WORDS and words[before:] == rest


def interpreter_of(head: bytes) -> tuple[str, str | None] | None:
    """Return interpreter and argument of a script from its first 256 bytes; None when the kernel would not run it.

    Byte for byte what load_script does, odd cases included: a NUL hides the end of the line behind it, and a blank at
    the end of a file without a last newline is followed by an empty argument.
    """
    text = head[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0")
    last = HEAD_BYTES - 1
    end = text.partition(b"\0")[0].find(b"\n")
    if end < 0:
        first = _first(text, 2, last, lambda byte: byte not in _BLANKS)
        if first is None or _first(text, first, last, _ends_word) is None:
            return None  # nothing but blanks, or a name that may be cut off
        end = last
    while text[end - 1] in _BLANKS:
        end -= 1
    name_at = _first(text, 2, end, lambda byte: byte not in _BLANKS)
    if name_at is None or name_at == end or text[name_at] == 0:
        return None
    name_end = _first(text, name_at, end, _ends_word)
    if name_end is None or text[name_end] == 0 or name_end == end:
        return _spelled(text[name_at:end].partition(b"\0")[0]), None
    argument_at = _first(text, name_end, end, lambda byte: byte not in _BLANKS)
    argument = None if argument_at is None else _spelled(text[argument_at:end].partition(b"\0")[0])
    return _spelled(text[name_at:name_end]), argument


def _first(text: bytes, start: int, last: int, holds: Callable[[int], bool]) -> int | None:
    """Return where the first byte stands for which this holds, up to and including `last`."""
    return next((at for at in range(start, last + 1) if holds(text[at])), None)


def _ends_word(byte: int) -> bool:
    return byte in b" \t\0"


def _spelled(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


class Starts:
    """All starts of a session that are under way, by thread."""

    def __init__(self) -> None:
        self._starts: dict[int, Start] = {}
        self._size = 0
        self.refresh: Callable[[], None] = lambda: None
        """Takes in what was announced and not read yet."""

    def __len__(self) -> int:
        return len(self._starts)

    def announce(self, tid: int, start: Start) -> None:
        """Take in an announcement."""
        self.forget(tid)
        self._starts[tid] = start
        self._size += start.size
        while len(self._starts) > _MOST or (self._size > _MOST_BYTES and len(self._starts) > 1):
            self.forget(next(iter(self._starts)))

    def of(self, tid: int) -> Start | None:
        """Return the start of a thread as of now."""
        self.refresh()
        return self._starts.get(tid)

    def forget(self, tid: int) -> Start | None:
        """Return the start of a thread, and know of none from now on."""
        start = self._starts.pop(tid, None)
        if start is not None:
            self._size -= start.size
        return start

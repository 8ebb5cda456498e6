"""The words of the command line: mistakes are told with what was probably meant.

Guarantees: a usage error ends with status 2, names the mistake in one line, and offers the nearest word or the place
where to read on. No option is guessed from its beginning.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from gmcp_sandbox.errors import UsageError

_ELSEWHERE = {
    "run": "exec",
    "start": "exec",
    "shell": "exec",
    "kill": "stop",
    "list": "ps",
    "ls": "ps",
    "log": "audit",
    "logs": "audit",
    "watch": "tail",
    "check": "doctor",
    "version": "--version",
}
"""What other programs call it."""


class Parser(argparse.ArgumentParser):
    """The parser of the program and of each of its commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**(settings | {"allow_abbrev": False}))

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse; what is left over is refused by the command that it was said to."""
        words = list(sys.argv[1:] if args is None else args)
        found, extra = self.parse_known_args(words, namespace)
        if extra:
            self._command_of(words)._refuse_word(extra[0])
        return found

    def check_options(self, words: Sequence[str]) -> None:
        """Refuse the first option among these words that is none."""
        for word in words:
            if word.startswith("-") and word.split("=")[0] not in self.options():
                self._refuse_word(word)

    def _refuse_word(self, word: str) -> NoReturn:
        self.refuse(f"{word!r} is not known here", near(word.split("=")[0], self.options()))

    def error(self, message: str) -> NoReturn:
        """Refuse, for argparse's own findings."""
        self.refuse(message)

    def refuse(self, what: str, meant: str | None = None) -> NoReturn:
        """Print usage and mistake, and end."""
        self.print_usage(sys.stderr)
        hint = f"did you mean {meant!r}?" if meant else f"{self.prog} --help"
        print(UsageError(what, hint=hint).render(), file=sys.stderr)
        self.exit(UsageError.exit_code)

    def options(self) -> list[str]:
        """Return every spelling of every option."""
        return [spelling for action in self._actions for spelling in action.option_strings]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a word that is none of the choices, with the nearest of them."""
        if action.choices is None or value in action.choices:
            return
        choices = [str(each) for each in action.choices]
        name = action.option_strings[0] if action.option_strings else str(action.metavar or action.dest).lower()
        self.refuse(f"there is no {name} {value!r}: one of {', '.join(choices)}", near(str(value), choices))

    def _command_of(self, words: Sequence[str]) -> Parser:
        """Return the parser of the innermost command that the words name."""
        parser = self
        for word in words:
            for action in parser._actions:
                if isinstance(action, argparse._SubParsersAction) and word in action.choices:
                    parser = action.choices[word]
        return parser


def near(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most alike, if one is."""
    import difflib  # a mistake may take its time, a start may not

    found = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return found[0] if found else None


def unknown_command(words: Sequence[str], commands: Iterable[str]) -> UsageError:
    """Return the error for words that begin with no command: most often one of another program, or the agent itself."""
    import shlex
    import shutil

    word, *rest = words
    meant = _ELSEWHERE.get(word) or near(word, commands)
    if os.path.isfile(word) or (meant is None and shutil.which(word)):
        hint = f"gmcp-sandbox exec {shlex.join(words)}"
    elif meant:
        hint = f"gmcp-sandbox {shlex.join([meant, *rest])}"
    else:
        hint = "gmcp-sandbox --help lists the commands"
    return UsageError(f"there is no command {word!r}", hint=hint)

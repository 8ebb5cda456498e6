"""The command line: one word chooses a command, and only that command's module is imported.

Guarantees:
- An operator's mistake or a fault of the host ends with its message on stderr and its documented status, never with a
  traceback. A traceback is a bug of ours.
- Ctrl-C ends with 130; a reader that goes away (`| head`) ends quietly with 141.

A command module has `register(subparsers)`, which adds a parser and sets its default `run`, a function from the parsed
arguments to the exit status.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from gmcp_sandbox import __version__
from gmcp_sandbox.cli.parsing import Parser, unknown_command
from gmcp_sandbox.errors import SandboxError, shortage

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

USAGE = 2
EXEC_FAILED = 125
INTERRUPTED = 130
PIPE_CLOSED = 141
_OPTIONS_WITH_VALUE = frozenset({"--color"})
_WHAT = "Run an AI agent where every system call that matters is a judged, recorded tool call."
_START = f"""\
{_WHAT}

usage: gmcp-sandbox COMMAND …

  gmcp-sandbox doctor           can this machine do it?
  gmcp-sandbox exec agent.py    run an agent in this directory
  gmcp-sandbox tail             watch what it does, from another terminal
  gmcp-sandbox why              why was that denied?
  gmcp-sandbox help start       the first five minutes

gmcp-sandbox --help lists all commands."""


class Command(NamedTuple):
    """One word of the command line: the module that serves it and a line for `--help`."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "exec": Command("gmcp_sandbox.cli.exec", "run an agent under governance"),
    "ps": Command("gmcp_sandbox.cli.ps", "list sessions"),
    "stop": Command("gmcp_sandbox.cli.stop", "end a running session"),
    "approve": Command("gmcp_sandbox.cli.approve", "answer what running sessions ask"),
    "tail": Command("gmcp_sandbox.cli.tail", "follow the decisions of a session"),
    "audit": Command("gmcp_sandbox.cli.audit", "verify and show the record of a session"),
    "profile": Command("gmcp_sandbox.cli.profile", "make, show, check, compare and approve profiles"),
    "decide": Command("gmcp_sandbox.cli.decide", "judge one tool call without running anything"),
    "why": Command("gmcp_sandbox.cli.why", "explain a decision"),
    "mcp": Command("gmcp_sandbox.cli.mcp", "import MCP servers, show and approve their tools"),
    "probe": Command("gmcp_sandbox.cli.probe", "show, ask and measure the semantic gate's model"),
    "tools": Command("gmcp_sandbox.cli.tools", "show which kernel request becomes which tool call"),
    "doctor": Command("gmcp_sandbox.cli.doctor", "check what this host can enforce"),
    "help": Command("gmcp_sandbox.cli.help", "explain a topic, for example `help start`"),
    "completion": Command("gmcp_sandbox.cli.completion", "print a completion script for a shell"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (default: the process's arguments) names and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    _open_missing_streams()
    try:
        status = _run(words)
        sys.stdout.flush()
    except SandboxError as error:
        print(error.render(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return PIPE_CLOSED
    except OSError as error:
        known = shortage(error)
        if known is None:
            raise
        print(known.render(), file=sys.stderr)
        return known.exit_code
    return status


def _run(words: list[str]) -> int:
    word = command_word(words)
    parser = build_parser(word)
    try:
        if word is not None and word not in COMMANDS:
            place = words.index(word)
            parser.check_options(words[:place])
            raise unknown_command(words[place:], COMMANDS)
        args = parser.parse_args(words)
    except SystemExit as end:  # argparse has printed help, the version or a usage error
        status = end.code if isinstance(end.code, int) else USAGE
        return EXEC_FAILED if word == "exec" and status == USAGE else status  # USAGE may be the agent's own
    if word is None:
        print(_START, file=sys.stderr)
        return USAGE
    ended: int = args.run(args)
    return ended


def command_word(words: Sequence[str]) -> str | None:
    """Return the first word that is neither a global option nor its value."""
    is_value = False
    for word in words:
        if is_value:
            is_value = False
        elif word in _OPTIONS_WITH_VALUE:
            is_value = True
        elif not word.startswith("-"):
            return word
    return None


def build_parser(chosen: str | None) -> Parser:
    """Return the whole parser; only the chosen command knows its own arguments."""
    parser = Parser(
        prog="gmcp-sandbox",
        description=_WHAT,
        epilog="Example: gmcp-sandbox exec agent.py   (then: gmcp-sandbox tail, in another terminal; "
        "`gmcp-sandbox help` lists topics)",
    )
    parser.add_argument("--version", action="version", version=f"gmcp-sandbox {__version__}")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="when to use colour")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for word, command in COMMANDS.items():
        if word == chosen:
            importlib.import_module(command.module).register(subparsers)
        else:
            subparsers.add_parser(word, help=command.help, add_help=False)
    return parser


def _open_missing_streams() -> None:
    """Open /dev/null where the caller closed 0, 1 or 2: the next descriptor of ours would take the number, and be used
    as standard input or output."""
    while (fd := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= 2:
        pass
    os.close(fd)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the rest of the process


def _silence_stdout() -> None:
    """Let the interpreter flush what is left into nothing, so that it does not complain at exit."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)

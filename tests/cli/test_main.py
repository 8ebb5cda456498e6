from __future__ import annotations

import argparse
import importlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmcp_sandbox import __version__
from gmcp_sandbox.cli.main import COMMANDS, INTERRUPTED, PIPE_CLOSED, Command, build_parser, command_word, main
from gmcp_sandbox.errors import SandboxError

COMMAND_MODULE = """
import argparse
from gmcp_sandbox.errors import HostError

def register(subparsers):
    parser = subparsers.add_parser("{word}", help="a command of this test")
    parser.add_argument("--number", type=int, default=0)
    parser.set_defaults(run=run)

def run(args):
    {body}
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that adds a command of which the body is given, and returns its word."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def add(word: str, body: str) -> str:
        name = f"command_{word}"
        (tmp_path / f"{name}.py").write_text(COMMAND_MODULE.format(word=word, body=body))
        monkeypatch.setitem(COMMANDS, word, Command(name, "a command of this test"))
        return word

    return add


def gmcp(*words: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "gmcp_sandbox", *words], capture_output=True, text=True, **options)


def test_the_status_is_the_commands_own(command) -> None:
    assert main([command("number", "return args.number"), "--number", "7"]) == 7


def test_a_fault_is_told_without_a_traceback(command, capsys: pytest.CaptureFixture[str]) -> None:
    word = command("fault", "raise HostError('no /dev/fuse', cause='not loaded', hint='modprobe fuse')")
    assert main([word]) == SandboxError.exit_code == 125
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: no /dev/fuse\n  cause: not loaded\n  try:   modprobe fuse\n"


def test_our_own_bug_keeps_its_traceback(command) -> None:
    with pytest.raises(ZeroDivisionError):
        main([command("bug", "return 1 // 0")])


def test_an_interrupt_has_the_shells_status(command) -> None:
    assert main([command("interrupt", "raise KeyboardInterrupt")]) == INTERRUPTED == 130


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gmcp_sandbox", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() in (0, PIPE_CLOSED)
    assert errors == b""


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for word, command in COMMANDS.items():
        assert word in out
        assert command.help in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gmcp-sandbox {__version__}\n"


def test_no_command_is_met_with_where_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--color", "never"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "gmcp-sandbox exec agent.py" in err and "help start" in err


@pytest.mark.parametrize("words", [[], ["--colour", "never", "doctor"], ["--color", "blue", "doctor"]])
def test_a_wrong_command_line_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "usage: gmcp-sandbox" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ([], None),
        (["--help"], None),
        (["doctor", "--json"], "doctor"),
        (["--color", "never", "ps"], "ps"),
        (["--color=never", "ps"], "ps"),
        (["exec", "ps"], "exec"),
    ],
)
def test_the_command_is_the_first_word_that_is_no_option(words: list[str], word: str | None) -> None:
    assert command_word(words) == word


@pytest.mark.parametrize("word", COMMANDS)
def test_every_command_has_its_module_and_help(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(importlib.import_module(COMMANDS[word].module).register)
    assert main([word, "--help"]) == 0
    assert f"usage: gmcp-sandbox {word}" in capsys.readouterr().out


def parsers() -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield every command and subcommand: the words that lead to it, and its parser; the program itself first."""

    def walk(
        path: tuple[str, ...], parser: argparse.ArgumentParser
    ) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
        yield path, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, child in action.choices.items():
                    yield from walk((*path, name), child)

    yield (), build_parser(None)
    for word in COMMANDS:
        yield from (found for found in walk((), build_parser(word)) if found[0][:1] == (word,))


@pytest.mark.parametrize(("path", "parser"), [pytest.param(*each, id=" ".join(each[0]) or "-") for each in parsers()])
def test_every_help_has_an_example_that_is_a_command(
    path: tuple[str, ...], parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    example = next((line for line in (parser.epilog or "").splitlines() if line.startswith("Example: ")), None)
    assert example is not None, f"{' '.join(path)} --help has no example"
    program, *words = shlex.split(example.removeprefix("Example: ").partition("   (")[0].partition(" > ")[0])
    assert program == "gmcp-sandbox"
    assert tuple(words[: len(path)]) == path
    build_parser(command_word(words)).parse_args(words)
    assert main([*path, "--help"]) == 0
    assert "Example: gmcp-sandbox" in capsys.readouterr().out


def test_only_the_chosen_command_is_imported() -> None:
    program = (
        "import sys; from gmcp_sandbox.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {"trio", "pyfuse3", "msgspec", "jsonschema", *(each.module for each in COMMANDS.values())}
    assert not loaded & {"dataclasses", "inspect", "difflib", "shlex"}


def test_the_package_runs_as_a_module() -> None:
    done = gmcp("--version")
    assert (done.returncode, done.stdout) == (0, f"gmcp-sandbox {__version__}\n")

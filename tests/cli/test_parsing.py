"""What a new user types, and what is said to it."""

from __future__ import annotations

import pytest

from gmcp_sandbox.cli.main import COMMANDS, main
from gmcp_sandbox.cli.parsing import near, unknown_command


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["exc", "agent.py"], "gmcp-sandbox exec agent.py"),
        (["run", "my agent.py", "-v"], "gmcp-sandbox exec 'my agent.py' -v"),
        (["logs"], "gmcp-sandbox audit"),
        (["version"], "gmcp-sandbox --version"),
        (["sh", "-c", "ls"], "gmcp-sandbox exec sh -c ls"),
        (["no-such-thing-at-all"], "gmcp-sandbox --help lists the commands"),
    ],
)
def test_a_word_that_is_no_command_is_met_with_the_one_that_was_meant(words: list[str], hint: str) -> None:
    error = unknown_command(words, COMMANDS)
    assert (error.hint, error.exit_code) == (hint, 2)
    assert repr(words[0]) in str(error)


def test_an_agent_without_exec(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").touch()  # a file goes before what other programs call a command
    assert unknown_command(["list"], COMMANDS).hint == "gmcp-sandbox exec list"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["exec", "--profil", "strict", "true"], ["'--profil' is not known", "did you mean '--profile'?"]),
        (["audit", "verfy"], ["there is no action 'verfy'", "did you mean 'verify'?"]),
        (
            ["profile", "show", "--jsn"],
            ["'--jsn' is not known", "did you mean '--json'?", "usage: gmcp-sandbox profile show"],
        ),
        (["tail", "a", "b"], ["'b' is not known here", "try:   gmcp-sandbox tail --help"]),
        (["--color", "blue", "ps"], ["there is no --color 'blue': one of auto, always, never"]),
        (["completion", "bsh"], ["did you mean 'bash'?"]),
        (["decide"], ["required: TOOL", "try:   gmcp-sandbox decide --help"]),
    ],
)
def test_a_mistake_names_itself_and_the_remedy(words, said, capsys) -> None:
    assert main(words) == (125 if words[0] == "exec" else 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert [text for text in said if text not in err] == []


def test_an_option_is_never_guessed_from_its_beginning(capsys) -> None:
    assert main(["audit", "show", "--den"]) == 2
    assert "'--den' is not known" in capsys.readouterr().err


def test_what_the_terminal_would_obey_is_escaped(capsys) -> None:
    assert main(["\x1b[2Jexec"]) == 2
    assert main(["exec", "--\x1b[2J"]) == 125
    assert "\x1b" not in capsys.readouterr().err


def test_nothing_alike_is_nothing_meant() -> None:
    assert near("zebra", ["exec", "ps"]) is None

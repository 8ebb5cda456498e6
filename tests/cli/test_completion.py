from __future__ import annotations

import subprocess

import pytest

from gmcp_sandbox.cli.completion import bash_script, fish_script, places, zsh_script
from gmcp_sandbox.cli.main import COMMANDS, main


def test_every_command_and_option_is_known():
    found = {place.path: place for place in places()}
    assert {name for name, _ in found[()].commands} == set(COMMANDS)
    assert {name for name, _ in found[("audit",)].commands} >= {"verify", "show", "query", "export"}
    assert "--denied" in {name for name, _ in found[("tail",)].options}
    assert "--since" in {name for name, _ in found[("audit", "query")].options}


@pytest.mark.parametrize("place", places(), ids=lambda place: " ".join(place.path) or "-")
def test_each_shell_is_told_of_every_command_and_option(place):
    """What the parsers know is what a shell offers, at every place, in all three scripts."""
    words = [name for name, _ in (*place.commands, *place.options)]
    bash, zsh, fish = (make(places()) for make in (bash_script, zsh_script, fish_script))
    path = " ".join(place.path)
    if words:
        assert f"        '{path}') words='{' '.join(words)}' ;;" in bash.splitlines()
        (line,) = [line for line in zsh.splitlines() if line.startswith(f"        ('{path}') candidates=(")]
        assert all(f"'{word}:" in line for word in words)
    condition = "".join(f"__fish_seen_subcommand_from {word}; and " for word in place.path).removesuffix("; and ")
    here = [line for line in fish.splitlines() if f"-n '{condition or '__fish_use_subcommand'}" in line]
    for name, _ in place.commands:
        assert any(f" -a {name} " in line for line in here)
    for option, _ in place.options:
        assert any(f" -l {option[2:]} " in line for line in here)


def complete_in_bash(script, line):
    """Return what bash would offer at the end of a command line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    asked = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _gmcp_sandbox"
    program = f"{script}\n{asked}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    result = subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.needs("program:fish")
def test_fish_completes(tmp_path):
    (tmp_path / "script.fish").write_text(fish_script(places()))

    def offered(line):
        asked = f"source {tmp_path}/script.fish; complete -C '{line}'"
        run = subprocess.run(
            ["fish", "--no-config", "-c", asked], capture_output=True, text=True, timeout=60, check=True
        )
        return {each.split("\t")[0] for each in run.stdout.splitlines()}

    assert set(COMMANDS) <= offered("gmcp-sandbox ")
    assert "query" in offered("gmcp-sandbox audit ")
    assert "--since" in offered("gmcp-sandbox audit query --sin")
    assert "--since" not in offered("gmcp-sandbox tail --sin")


@pytest.mark.needs("program:zsh")
def test_zsh_completes(tmp_path):
    (tmp_path / "_gmcp-sandbox").write_text(zsh_script(places()))
    # Without its line editor zsh cannot be asked for completions: give the function a line, and see what it describes.
    probe = f"""
        compdef() {{ :; }}
        _describe() {{ print -rl -- "${{(@)${{(P)2}}%%:*}}"; }}
        source {tmp_path}/_gmcp-sandbox
        words=(gmcp-sandbox audit query ''); CURRENT=4; _gmcp-sandbox
    """
    run = subprocess.run(["zsh", "-f", "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    assert run.stderr == ""
    assert "--since" in run.stdout.split() and "exec" not in run.stdout.split()


def test_bash_completes():
    script = bash_script(places())
    assert set(COMMANDS) <= set(complete_in_bash(script, "gmcp-sandbox "))
    assert complete_in_bash(script, "gmcp-sandbox au") == ["audit"]
    assert "query" in complete_in_bash(script, "gmcp-sandbox audit ")
    assert complete_in_bash(script, "gmcp-sandbox audit query --sin") == ["--since"]
    assert complete_in_bash(script, "gmcp-sandbox tail --den") == ["--denied"]
    assert complete_in_bash(script, "gmcp-sandbox --color always ps --al") == ["--all"]


@pytest.mark.parametrize(
    ("shell", "make"),
    [
        pytest.param("bash", bash_script, marks=pytest.mark.needs("program:bash")),
        pytest.param("zsh", zsh_script, marks=pytest.mark.needs("program:zsh")),
        pytest.param("fish", fish_script, marks=pytest.mark.needs("program:fish")),
    ],
)
def test_the_script_is_one_that_the_shell_reads(shell, make, tmp_path):
    (tmp_path / "script").write_text(make(places()))
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, timeout=30)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_prints_it(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "gmcp-sandbox" in capsys.readouterr().out


def test_topics_of_help_and_shells_of_completion_are_completed():
    found = {place.path: dict(place.commands) for place in places()}
    assert found["help",].keys() >= {"start", "servers", "rules"}
    assert found["completion",].keys() == {"bash", "zsh", "fish"}

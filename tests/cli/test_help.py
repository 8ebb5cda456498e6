"""The topics are true: their commands parse, their profiles are profiles, their numbers are those of the code."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest

from gmcp_sandbox.audit.verify import State
from gmcp_sandbox.audit.writer import CHECKPOINT_EVERY
from gmcp_sandbox.calls.labels import BUILTIN
from gmcp_sandbox.cli.help import _SAME, TOPICS, contents, render, text_of
from gmcp_sandbox.cli.main import COMMANDS, build_parser, main
from gmcp_sandbox.cli.reloading import LOOK_SECONDS
from gmcp_sandbox.cli.terminal import Painter
from gmcp_sandbox.monitor.ceiling import CEILING
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.monitor.session import SIGN_SECONDS
from gmcp_sandbox.monitor.shipped import shipped_names
from gmcp_sandbox.policy.approving import ApprovalPolicy
from gmcp_sandbox.policy.auditing import AuditPolicy
from gmcp_sandbox.policy.document import ConfigDocument
from gmcp_sandbox.policy.fields import Source, read_table
from gmcp_sandbox.policy.profile import Limits

PLAIN = Painter(io.StringIO(), "never")
COMMAND = re.compile(r"^  gmcp-sandbox (\S.*)$|`gmcp-sandbox ([^`]+)`|  gmcp-sandbox (exec -p [^(]+)\(", re.MULTILINE)


def commands_in(topic: str) -> list[str]:
    found = [next(filter(None, match.groups())) for match in COMMAND.finditer(text_of(topic))]
    return [re.split(r" {2,}| {1,}\d?>", line.replace("\n", " "))[0].strip() for line in found]


@pytest.mark.parametrize("topic", TOPICS)
def test_every_command_of_a_topic_parses(topic: str) -> None:
    for line in commands_in(topic):
        words = shlex.split(line.replace("--json-status 3", "--json-status 2"))
        if words[1:] != ["may"] and not words[0].startswith("--"):  # a question as it is asked on a terminal
            build_parser(words[0]).parse_args(words)


def test_the_commands_are_found() -> None:
    assert commands_in("start")[:2] == ["doctor", "exec agent.py"]
    assert "exec -p strict agent.py" in commands_in("profiles")
    assert sum(len(commands_in(topic)) for topic in TOPICS) > 50


def blocks_of_toml() -> list[str]:
    """Return the indented blocks that begin like TOML, tables that an empty line parts taken together."""
    found = []
    for topic in TOPICS:
        for block in re.findall(r"(?:^(?:  .*)?\n)+", text_of(topic), re.MULTILINE):
            if re.match(r"\n*  (\[|name = )", block):
                found.append("\n".join(line[2:] for line in block.splitlines()))
    return found


@pytest.mark.parametrize("text", blocks_of_toml())
def test_every_profile_of_a_topic_is_one(text: str, tmp_path: Path) -> None:
    if "[agents]" in text:
        read_table(Source("config.toml", text), ConfigDocument)
        return
    text = text.partition("\n\n  ")[0]
    head = "" if "name =" in text.split("[")[0] else 'name = "n"\nextends = "default"\n'
    if "api.example.net" in text and "[[net.allow]]" not in text:
        head += '[[net.allow]]\nhosts = ["api.example.net"]\nports = [443]\nintercept = true\n'
    table = re.split(r"\n\n(?=[a-z])", text)[0]  # a legend below it is none of the profile
    file = tmp_path / "p.toml"
    file.write_text(head + table)
    load_profile(str(file), workspace=tmp_path / "work", home=tmp_path)


def test_there_are_profiles_to_try() -> None:
    assert len(blocks_of_toml()) > 10


def test_numbers_are_those_of_the_code() -> None:
    record, questions, profiles, limits = map(text_of, ("record", "questions", "profiles", "limits"))
    assert f"{CHECKPOINT_EVERY:,} records or {SIGN_SECONDS:.0f} seconds" in record
    assert AuditPolicy().keep_bytes == 4 << 30 and "keep 4 GiB" in record
    assert f"after {ApprovalPolicy().deadline_seconds:.0f} seconds" in questions
    assert LOOK_SECONDS == 0.5 and "within half a second" in profiles
    assert CEILING in profiles
    usual = Limits()
    assert f"{usual.processes:,} processes, {usual.open_files:,} open files, {usual.scratch_bytes >> 30} GiB" in limits
    assert f"{usual.shm_bytes >> 20} MiB of shared memory, {usual.log_bytes >> 20} MiB of log" in limits.replace(
        "\n", " "
    )


def test_names_are_those_of_the_code() -> None:
    labels = re.findall(r"^  (\w+)  .*", text_of("labels").partition("\nAsk")[0], re.MULTILINE)
    assert set(labels) == set(BUILTIN)
    assert [BUILTIN[name].rank for name in labels] == sorted(label.rank for label in BUILTIN.values())
    assert set(
        re.findall(r"^  ([\w-]+) +\w", text_of("profiles").partition("# Shipped")[2].partition("\n# ")[0], re.M)
    ) == set(shipped_names())
    for state in State:
        assert state.value.upper() in text_of("record")
    settings = re.findall(r"^  (\w+) =", text_of("limits").partition("\n\nThe default")[0], re.MULTILINE)
    assert set(settings) == set(Limits.__struct_fields__) - {"core_bytes"}


def test_each_file_is_a_topic() -> None:
    folder = Path(__file__).resolve().parents[2] / "gmcp_sandbox/topics"
    assert {path.stem for path in folder.iterdir()} == set(TOPICS)
    assert set(_SAME.values()) <= set(TOPICS)
    assert not set(_SAME) & set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_topics_lead_to_topics(topic: str) -> None:
    text = text_of(topic).replace("\n", " ")
    assert set(re.findall(r"gmcp-sandbox help (\S+?)[`\s]", text)) <= set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("width", [40, 80])
def test_paragraphs_are_wrapped_and_what_is_indented_is_not(topic: str, width: int) -> None:
    headings = {line.removeprefix("# ") for line in text_of(topic).splitlines() if line.startswith("# ")}
    for line in render(text_of(topic), PLAIN, width)[1:]:
        assert len(line) <= width or line.startswith("  ") or line in headings
        assert "\x1b" not in line and not line.startswith("#")
    assert all(len(line) <= 120 for line in text_of(topic).splitlines())


def test_headings_are_coloured_on_terminals_alone() -> None:
    bold = Painter(io.StringIO(), "always")
    assert render("T\n\n# One\n\na\nb\n", bold, 80) == [
        bold.paint("T", "bold"),
        "",
        bold.paint("One", "bold"),
        "",
        "a b",
    ]


def test_the_list_names_every_topic(capsys) -> None:
    assert main(["help"]) == 0
    assert capsys.readouterr().out.splitlines() == contents(PLAIN)
    assert {line.split()[0] for line in contents(PLAIN)[2:]} == set(TOPICS)


@pytest.mark.parametrize(
    ("word", "first"), [("audit", "The record"), ("NET", "Network"), ("tail", "usage: gmcp-sandbox tail")]
)
def test_other_words_lead_there_and_commands_to_their_help(word: str, first: str, capsys) -> None:
    assert main(["help", word]) == 0
    assert capsys.readouterr().out.startswith(first)


@pytest.mark.parametrize(("word", "hint"), [("profils", "did you mean 'profiles'?"), ("zebra", "topics are start,")])
def test_an_unknown_topic_is_met_with_the_nearest(word: str, hint: str, capsys) -> None:
    assert main(["help", word]) == 2
    out, err = capsys.readouterr()
    assert out == "" and f"there is no topic '{word}'" in err and hint in err


def test_commands_of_the_program_are_not_hidden_by_topics() -> None:
    assert not set(TOPICS) & set(COMMANDS)

"""Variations of calls of MCP servers: the shape changes, what is said stays."""

import json
import random

import pytest

from scripts.probe.augment import chained_deep, chained_safe
from scripts.probe.augment_calls import carried, reshaped, short_commands, spoken
from scripts.probe.rows import DANGEROUS, SAFE, command, row_of

CALL = {"server": "mail", "tool": "sendMessage", "arguments": {"to": "a@example.com", "bodyText": "See you", "copy": 2}}


def a_call(label=SAFE, **more):
    return row_of({"tool": "mcp.call", "args": CALL, "label": label, **more}, "test")


def a_command(text, label=DANGEROUS):
    return row_of(command(text, label, category="destruction" if label else None), "test")


@pytest.mark.parametrize("label", [SAFE, DANGEROUS])
def test_another_shape_keeps_label_and_values(label):
    row, chance = a_call(label), random.Random(3)
    for _ in range(200):
        other = reshaped(row, chance)
        assert other.label == label and other.family == row.family
        said = json.dumps(other.call["args"])
        assert all(value in said for value in ("a@example.com", "See you", "2"))


def test_names_come_in_many_styles():
    chance = random.Random(5)
    names = {reshaped(a_call(), chance).call["args"]["tool"] for _ in range(400)}
    assert {"sendMessage", "send_message", "send-message", "send.message", "SendMessage"} <= names


def test_the_row_itself_is_not_changed():
    before, row = json.dumps(CALL), a_call()
    for seed in range(50):
        reshaped(row, random.Random(seed))
    assert json.dumps(CALL) == before and row.call["args"] is CALL


def test_what_is_no_call_of_a_server_stays_as_it_is():
    row = a_command("rm -rf /srv")
    assert reshaped(row, random.Random(1)) is row


def test_a_command_keeps_its_label_in_a_tool_that_runs_it():
    for seed in range(30):
        row = carried(a_command("rm -rf ~"), random.Random(seed))
        assert row.tool == "mcp.call" and row.label == DANGEROUS and row.call["category"] == "destruction"
        assert "rm" in row.text and "~" in row.text


def test_a_text_that_speaks_of_a_command_is_safe():
    row = spoken(a_command("rm -rf ~"), random.Random(2))
    assert row.label == SAFE and row.call["category"] is None and "rm -rf ~" in row.text


def test_only_commands_that_fit_are_carried():
    rows = [a_command("ls"), a_command(" "), a_command("x" * 400), a_call()]
    assert [row.text for row in short_commands(rows)] == ["run: ls"]


def test_a_script_of_harmless_commands_is_harmless_and_one_dangerous_step_makes_it_dangerous():
    steps = [a_command(text, SAFE) for text in ("make", "ls -la", "git status")]
    for seed in range(20):
        safe = chained_safe(steps, random.Random(seed))
        bad = chained_deep(a_command("rm -rf ~"), steps, random.Random(seed))
        assert (safe.label, bad.label) == (SAFE, DANGEROUS)
        assert all(step in safe.text and step in bad.text for step in ("make", "ls -la", "git status"))
        assert "rm -rf ~" in bad.text


def test_steps_that_are_scripts_themselves_take_no_part():
    steps = [a_command("cat <<EOF\nx\nEOF", SAFE), a_command("x" * 200, SAFE)]
    assert chained_safe(steps, random.Random(1)) is steps[0]
    assert chained_deep(a_command("rm -rf ~"), steps, random.Random(1)).text.endswith("rm -rf ~")

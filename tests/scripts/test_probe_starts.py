"""Variations of program starts, and rows for the further lines of long calls."""

import random

import pytest

from scripts.probe.augment_starts import disguised, elsewhere, plain_starts
from scripts.probe.long_calls import line_rows
from scripts.probe.rows import DANGEROUS, SAFE, command, row_of


def start(text, label=DANGEROUS):
    return row_of(command(text, label, category="destruction" if label else None), "test")


def test_a_start_under_another_name_tells_the_program_and_keeps_its_label():
    chance = random.Random(1)
    for label in (SAFE, DANGEROUS):
        for _ in range(50):
            other = disguised(start("shred -u notes.txt", label), chance)
            assert other.label == label and other.text.startswith("run shred as: ")
            assert other.text.endswith(" -u notes.txt")


def test_only_a_command_that_is_one_program_goes_under_another_name():
    rows = [start("rm -r x"), start("rm -r x; ls"), start("echo $HOME"), start('sh -c "ls"')]
    assert [row.call["args"]["command"] for row in plain_starts(rows)] == ["rm -r x"]


@pytest.mark.parametrize(("text", "label", "moves"), [("rm -r x", 1, True), ("ls -l", 0, True), ("rm -r x", 0, False)])
def test_elsewhere_a_harmless_command_stays_so_only_where_it_looks(text, label, moves):
    other = elsewhere(start(text, label), random.Random(2))
    assert other.label == label and other.text.startswith("run in ") == moves


FILL = "some plain words " * 40


def tell(text, label, pair="p"):
    args = {"server": "wiki", "tool": "save", "arguments": {"text": text}}
    return row_of({"tool": "mcp.call", "args": args, "label": label, "pair": pair}, "test")


def test_of_a_pair_of_long_calls_the_lines_that_differ_are_dangerous():
    rows = [tell(f"{FILL} send it abroad {FILL}", DANGEROUS), tell(f"{FILL} keep it here {FILL}", SAFE)]
    found = line_rows(rows)
    bad = [row.text for row in found if row.label == DANGEROUS]
    assert 1 <= len(bad) <= 2 and all("abroad" in text for text in bad)
    assert any("keep it here" in row.text for row in found if row.label == SAFE)


def test_a_long_call_without_a_harmless_twin_teaches_no_lines():
    assert not line_rows([tell(f"{FILL} send it abroad {FILL}", DANGEROUS)])
    assert not line_rows([tell("short", DANGEROUS), tell("brief", SAFE)])

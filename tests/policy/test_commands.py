"""What a shell's text runs: quoting, nesting, and texts that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.commands import LONGEST, commands_in, parse
from gmcp_sandbox.policy.words import compile_argv

FORCED = compile_argv(["git push --force*"])


def forced(text):
    return FORCED("/bin/sh", ["sh", "-c", text])


@pytest.mark.parametrize(
    "text",
    [
        "git push --force",
        "cd x && git push --force-with-lease",
        "(git push --force)",
        "x=$(git push --force)",
        "echo `git push --force`",
        'echo "a $(git push --force) b"',
        "for i in 1 2; do git push --force; done",
        "f() { git push --force; }; f",
        "g'i't \"push\" \\--force",
        "$'g\\x69t' push --force",
        "git${IFS}push$IFS--force",
        "A=1 git -C x push origin --force",
        "cat x | xargs -n1 git push --force",
        "sh -c 'sh -c \"git push --force\"'",
        "eval git push --force",
        "! git push --force &",
        "if git push --force",
        "git push --force; (((",
        "'unclosed git push --force",
    ],
)
def test_a_command_is_found(text):
    assert forced(text)


@pytest.mark.parametrize(
    "text",
    [
        "echo 'git push --force'",
        "git commit -m 'then git push --force'",
        "git push; rm --force x",
        "# git push --force",
        "git --force push",
        "cat <<E\ngit push --force\nE",
    ],
)
def test_words_that_are_no_command(text):
    assert not forced(text)


def test_what_is_too_long_to_be_read_is_looked_through_word_by_word():
    assert forced("true " * LONGEST + "; git push --force")
    assert not forced("true " * LONGEST + "; git pull --force")


def test_depth_does_not_hide():
    text = "git push --force"
    for _ in range(12):
        text = "sh -c " + "'" + text.replace("'", "'\\''") + "'"
    assert forced(text)


def test_a_program_that_is_no_wrapper_costs_nothing():
    assert commands_in("/usr/bin/cc", ("cc", "-c", "git push --force")) == commands_in("/x", ())


def test_the_file_counts_as_well_as_the_name_that_it_runs_under():
    assert FORCED("/bin/sh", ["harmless", "-c", "git push --force"])
    assert FORCED("/x/busybox", ["sh", "-c", "git push --force"])


@given(st.text(alphabet="ab $(){}'\"`\\|&;<>\n\t#=*![]-", max_size=80))
def test_any_text_has_an_answer(text):
    commands, _ = parse(text)
    assert all(commands)
    commands_in("/bin/sh", ("sh", "-c", text))


@given(st.text(max_size=60))
def test_any_characters_have_an_answer(text):
    commands_in("/bin/sh", ("sh", "-c", text))

"""Patterns over command lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.hosts import GlobError
from gmcp_sandbox.policy.words import compile_argv


def matches(pattern, line, path="/usr/bin/x"):
    return compile_argv([pattern])(path, None if line is None else tuple(line.split()))


@pytest.mark.parametrize(
    "line", ["git push --force", "git -C sub push origin --force-with-lease", "/usr/bin/git push x --force y"]
)
def test_words_in_their_order_with_others_between(line):
    assert matches("git push --force*", line)


@pytest.mark.parametrize("line", ["git --force push", "git push", "got push --force", "push --force", ""])
def test_other_lines_do_not_match(line):
    assert not matches("git push --force*", line)


def test_neither_the_name_nor_the_file_hides_the_other():
    assert matches("git push", "harmless push", path="/usr/bin/git")
    assert matches("git push", "/tmp/git push", path="/usr/bin/anything")


def test_a_line_that_is_not_known_matches_the_program_alone():
    assert matches("git", None, path="/usr/bin/git")
    assert not matches("git push", None, path="/usr/bin/git")


def test_a_first_word_with_a_slash_is_the_path_of_the_file_and_of_no_other():
    assert matches("/usr/bin/git push", "git push", path="/usr/bin/git")
    assert matches("/ws/**/run", None, path="/ws/a/run")
    assert not matches("/usr/bin/git push", "/usr/bin/git push", path="/ws/git")


@pytest.mark.parametrize("pattern", ["", " ", "git [", "a\0b"])
def test_a_pattern_without_meaning_is_refused(pattern):
    with pytest.raises(GlobError):
        compile_argv([pattern])


@given(st.lists(st.sampled_from(["a", "b", "ab", "*", "c"]), min_size=1, max_size=5), st.lists(st.sampled_from("abc")))
def test_a_pattern_matches_as_its_words_stand_in_order(pattern, line):
    program, *others = pattern
    rest = list(line[1:])
    expected = program == "*" or (bool(line) and program == line[0])
    for other in others:
        while expected and rest and other not in ("*", rest[0]):
            rest.pop(0)
        expected = expected and bool(rest)
        rest = rest[1:]
    assert compile_argv([" ".join(pattern)])("/bin/x", tuple(line)) == expected

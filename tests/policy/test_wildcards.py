"""`*` and nothing else."""

from __future__ import annotations

import fnmatch

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.wildcards import compile_wildcards

PATTERNS = st.text("ab*/", max_size=6)


@given(st.lists(PATTERNS, max_size=3), st.text("ab/", max_size=8))
def test_as_the_shell_would_say(patterns, text):
    assert compile_wildcards(patterns)(text) == any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


def test_nothing_else_is_special():
    matches = compile_wildcards(["a[b]?", "file:///srv/*", "*.md"])
    assert matches("a[b]?") and not matches("abx")
    assert matches("file:///srv/a/b") and not matches("file:///srv")
    assert matches("notes.md")
    assert not compile_wildcards([])("x")


def test_long_texts_cost_little():
    assert not compile_wildcards(["*a" * 50 + "b"])("a" * 100_000)

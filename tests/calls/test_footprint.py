"""No question costs more than its footprint says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import FsRename, FsStat, ProcExec
from gmcp_sandbox.calls.footprint import ENTRY, footprint


def test_a_short_question_costs_its_entry_and_little_more():
    assert ENTRY < footprint("/ws/a.py", FsStat("lookup")) < 2 * ENTRY


@given(st.text(max_size=200), st.text(max_size=200), st.lists(st.text(max_size=200), max_size=20))
def test_it_is_never_less_than_the_text_that_is_held(path, target, argv):
    assert footprint(path, FsRename(target)) >= ENTRY + len(path) + len(target)
    assert footprint(path, ProcExec(tuple(argv))) >= ENTRY + len(path) + sum(map(len, argv))


def test_wide_characters_and_many_empty_words_count_as_what_they_take():
    assert footprint("\U0001f600" * 1000, FsStat("lookup")) > 4000
    assert footprint("/bin/sh", ProcExec(("",) * 100_000)) > 800_000

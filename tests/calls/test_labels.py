"""Labels are ordered by rank, and the higher one wins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import (
    BUILTIN,
    OUTSIDE,
    PRIVATE,
    SECRET,
    WORKSPACE,
    highest,
    is_taint,
    server_label,
    server_taint,
)

LABELS = st.sampled_from(list(BUILTIN.values()))


def test_every_label_goes_by_its_name():
    assert all(name == label.name for name, label in BUILTIN.items())


def test_the_higher_label_wins():
    assert highest(WORKSPACE, SECRET) is SECRET
    assert highest(SECRET, WORKSPACE) is SECRET
    assert highest(WORKSPACE) is WORKSPACE


@given(st.lists(LABELS, min_size=1))
def test_no_label_is_above_the_highest(labels):
    top = highest(*labels)
    assert top in labels
    assert all(label.rank <= top.rank <= OUTSIDE.rank for label in labels)


def test_what_came_from_a_server_has_a_taint_of_its_own():
    label = server_label("files")
    assert label.name == server_taint("files") == "mcp:files"
    assert label.rank >= PRIVATE.rank
    assert is_taint("mcp:files") and is_taint("secret") and is_taint("untrusted-instructions")
    assert not is_taint("mcp:") and not is_taint("other")

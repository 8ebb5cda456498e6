"""Labels are ordered by rank, and the higher one wins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import BUILTIN, OUTSIDE, SECRET, WORKSPACE, highest

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

"""What a session becomes, and that each such state has its own epoch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import BUILTIN, PRIVATE, SECRET, WORKSPACE
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState

LABELS = st.sampled_from(list(BUILTIN.values()))


def test_reading_the_workspace_changes_nothing():
    state = SessionState(Tier.STANDARD)
    assert not state.read(WORKSPACE)
    assert (state.epoch, state.taint) == (1, frozenset())


def test_reading_a_secret_taints_once():
    state = SessionState(Tier.STANDARD)
    assert state.read(SECRET)
    assert not state.read(SECRET)
    assert (state.epoch, state.taint_names) == (2, ("secret",))


def test_a_tier_only_falls():
    state = SessionState(Tier.STANDARD)
    assert not state.demote(Tier.TRUSTED)
    assert state.demote(Tier.LIMITED)
    assert (state.tier, state.epoch) == (Tier.LIMITED, 2)


def test_a_snapshot_stays_as_it_was():
    state = SessionState(Tier.STANDARD)
    before = state.snapshot()
    state.read(PRIVATE)
    assert (before.epoch, before.taint) == (1, frozenset())


@given(st.lists(st.one_of(LABELS, st.sampled_from(list(Tier)))))
def test_an_epoch_has_one_taint_and_one_tier(steps):
    state = SessionState(Tier.TRUSTED)
    seen = {state.epoch: (state.taint, state.tier)}
    for step in steps:
        taint, tier = state.taint, state.tier
        changed = state.demote(step) if isinstance(step, Tier) else state.read(step)
        assert changed == ((state.taint, state.tier) != (taint, tier))
        assert state.taint >= taint and state.tier <= tier
        assert seen.setdefault(state.epoch, (state.taint, state.tier)) == (state.taint, state.tier)


def test_whoever_watches_is_told_right_after_the_epoch_rose():
    state = SessionState(Tier.STANDARD)
    seen = []
    state.watch(lambda: seen.append((state.epoch, state.taint_names, state.tier)))
    state.read(WORKSPACE)
    state.read(SECRET)
    state.demote(Tier.LIMITED)
    state.renew()
    assert seen == [(2, ("secret",), Tier.STANDARD), (3, ("secret",), Tier.LIMITED), (4, ("secret",), Tier.LIMITED)]


def test_several_labels_are_one_change():
    state = SessionState(Tier.STANDARD)
    assert state.read_all((SECRET, PRIVATE, WORKSPACE))
    assert (state.epoch, state.taint_names) == (2, ("private", "secret"))


def test_nobody_watches_a_snapshot():
    state, seen = SessionState(Tier.STANDARD), []
    state.watch(lambda: seen.append(1))
    state.snapshot().renew()
    assert seen == []

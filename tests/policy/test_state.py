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


def test_whoever_watches_is_told_after_every_change_and_of_nothing_else() -> None:
    state = SessionState(Tier.STANDARD)
    seen: list[int] = []
    state.watch(lambda: seen.append(state.epoch))
    state.read(SECRET)
    state.read(SECRET)
    state.demote(Tier.LIMITED)
    state.demote(Tier.TRUSTED)
    state.exhaust("example.com")
    state.exhaust("example.com")
    state.renew()
    assert seen == [2, 3, 4, 5]

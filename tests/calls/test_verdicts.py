"""Allow is a full house, and a denial is final."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict, conclude

VERDICTS = st.lists(
    st.builds(Verdict, st.sampled_from(list(Layer)), st.sampled_from(list(Outcome)), st.just("layer.word")), max_size=7
)


def test_nothing_required_is_denied():
    assert conclude((), 0) is Outcome.DENY
    assert conclude((), -1) is Outcome.DENY


@given(VERDICTS)
def test_a_denial_is_final(verdicts):
    assume(any(verdict.outcome is Outcome.DENY for verdict in verdicts))
    assert conclude(verdicts, len(verdicts)) is Outcome.DENY


@given(VERDICTS, st.integers(-1, 8))
def test_allow_is_a_full_house(verdicts, required):
    full = len(verdicts) == required > 0 and all(verdict.outcome is Outcome.ALLOW for verdict in verdicts)
    assert (conclude(verdicts, required) is Outcome.ALLOW) == full

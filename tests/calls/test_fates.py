from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.fates import Condition

WORDS = st.integers(0, (1 << 64) - 1)


@given(WORDS)
def test_an_equality_looks_at_the_low_32_bits_only(argument):
    assert Condition(0, 5).holds(argument) == (argument % (1 << 32) == 5)


@given(WORDS)
def test_a_mask_hides_the_other_bits(argument):
    assert Condition(0, 0x10, 0x10).holds(argument) == bool(argument & 0x10)

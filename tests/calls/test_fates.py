"""Conditions compare as the filter does."""

from __future__ import annotations

from gmcp_sandbox.calls.fates import Comparison, Condition


def test_a_masked_comparison_ignores_the_other_bits():
    condition = Condition(0, Comparison.MASKED_EQUAL, 0x5412)
    assert condition.holds(0x1_0000_5412)
    assert not condition.holds(0x5413)


def test_at_least_looks_at_all_bits():
    condition = Condition(0, Comparison.AT_LEAST, 64)
    assert condition.holds(1 << 40)
    assert not condition.holds(63)

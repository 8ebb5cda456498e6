"""Sliding sums: never too low, forgotten in time, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.counters import MOST_KEYS, Counters, Sum, Window

SECOND = 1_000_000_000
MINUTE = Window("deletes", 60)


def test_a_sum_forgets_what_is_over():
    counters = Counters()
    counters.expect([MINUTE])
    counters.add("deletes", "/a", 3, 10 * SECOND)
    assert counters.value(MINUTE, "", 69 * SECOND) == 3
    assert counters.value(MINUTE, "", 72 * SECOND) == 0


def test_what_nobody_asked_for_is_not_kept():
    counters = Counters()
    counters.add("deletes", "/a", 3, SECOND)
    assert counters.value(MINUTE, "", SECOND) == 0


def test_sums_by_key_are_apart():
    by_host = Window("net.bytes_up", 60, by_key=True)
    counters = Counters()
    counters.expect([by_host])
    counters.add("net.bytes_up", "a.example.com", 10, SECOND)
    counters.add("net.bytes_up", "b.example.com", 1, SECOND)
    assert counters.value(by_host, "a.example.com", SECOND) == 10
    assert counters.value(by_host, "c.example.com", SECOND) == 0


def test_distinct_keys_count_once_and_are_forgotten():
    hosts = Window("connects", 60, distinct=True)
    counters = Counters()
    counters.expect([hosts])
    for at, host in ((0, "a"), (1, "b"), (50, "a")):
        counters.add("connects", host, 1, at * SECOND)
    assert counters.value(hosts, "", 50 * SECOND) == 2
    assert counters.value(hosts, "", 70 * SECOND) == 1


@pytest.mark.parametrize("window", [Window("x", 60, by_key=True), Window("x", 60, distinct=True)])
def test_more_keys_than_the_bound_are_counted_too_high_never_too_low(window):
    counters = Counters()
    counters.expect([window])
    for number in range(MOST_KEYS + 10):
        counters.add("x", f"k{number}", 1, SECOND)
    assert counters.value(window, f"k{MOST_KEYS + 9}", SECOND) >= (1 if window.by_key else MOST_KEYS + 10)


def test_another_profile_keeps_what_it_counts_too():
    other = Window("writes", 60)
    counters = Counters()
    counters.expect([MINUTE, other])
    counters.add("deletes", "/a", 3, SECOND)
    counters.keep_only([MINUTE])
    counters.add("writes", "/a", 1, SECOND)
    assert counters.value(MINUTE, "", SECOND) == 3
    assert counters.value(other, "", SECOND) == 0


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 9))), st.integers(1, 100))
def test_a_sum_is_never_lower_than_the_truth_nor_much_higher(steps, seconds):
    counted, at, latest = Sum(seconds), [], 0
    for second, amount in steps:
        counted.add(amount, second * SECOND)
        latest = max(latest, second)
        at.append((latest, amount))
    slack = seconds / 60 * 2
    value = counted.value(latest * SECOND)
    assert value >= sum(amount for second, amount in at if second > latest - seconds)
    assert value <= sum(amount for second, amount in at if second >= latest - seconds - slack)

"""How well scores tell dangerous from harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.probe.metrics import Counts, Scored, auc, by, count, interval, report

BAD, GOOD = True, False


def rows(*pairs):
    return [Scored(is_dangerous, score) for is_dangerous, score in pairs]


def test_the_four_outcomes_and_what_follows():
    counts = count(rows((BAD, 2), (BAD, 0), (GOOD, 1), (GOOD, -1), (BAD, 1)), 1.0)
    assert counts == Counts(hits=2, misses=1, false_stops=1, passes=1)
    assert counts.precision == counts.recall == counts.f1 == pytest.approx(2 / 3)
    assert counts.false_positive_rate == 0.5


def test_measures_without_meaning_are_none():
    nothing = report(rows((GOOD, 0)), 1.0)
    assert (nothing.f1, nothing.f1_interval, nothing.recall, nothing.auc, nothing.pair_accuracy) == (None,) * 5
    assert nothing.false_positive_rate == 0.0


def test_ranking_counts_ties_half():
    assert auc(rows((BAD, 1), (GOOD, 0))) == 1.0
    assert auc(rows((BAD, 0), (GOOD, 1))) == 0.0
    assert auc(rows((BAD, 1), (GOOD, 1), (BAD, 2), (GOOD, 0))) == 0.875


def test_the_interval_is_seeded_and_holds_the_measure():
    counts = Counts(80, 20, 10, 90)
    found = interval(counts, lambda drawn: drawn.f1)
    assert found is not None and found == interval(counts, lambda drawn: drawn.f1)
    low, high = found
    assert low < counts.f1 < high and 0.05 < high - low < 0.15


def test_a_pair_is_right_when_both_are():
    pairs = [
        Scored(BAD, 2, pair="1"),
        Scored(GOOD, 0, pair="1"),
        Scored(BAD, 2, pair="2"),
        Scored(GOOD, 1, pair="2"),
        Scored(BAD, 0, pair="alone"),
        Scored(GOOD, 0),
    ]
    found = report(pairs, 1.0)
    assert (found.pairs, found.pair_accuracy) == (2, 0.5)


def test_groups_are_in_order():
    assert list(by([Scored(BAD, 1, tool="b"), Scored(BAD, 1, tool="a")], lambda row: row.tool)) == ["a", "b"]


@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=1, max_size=40))
def test_ranking_is_what_counting_all_pairs_gives(drawn):
    some = rows(*drawn)
    wins = [
        (bad.score > good.score) + (bad.score == good.score) / 2
        for bad in some
        for good in some
        if bad.is_dangerous and not good.is_dangerous
    ]
    assert auc(some) == (pytest.approx(sum(wins) / len(wins)) if wins else None)

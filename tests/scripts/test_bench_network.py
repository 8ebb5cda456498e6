"""The table of `scripts/bench net`; what it measures is measured by hand."""

from __future__ import annotations

from scripts.benchlib.network import ITEMS, is_met, table


def _values(**given):
    return {name: {world: [number] for world, number in given.get(name, {}).items()} for name in ITEMS}


def test_an_aim_is_met_or_missed_by_the_medians_beside_pasta():
    assert is_met("down", 800, {"pasta": 1.1, "slirp4netns": 2.0})
    assert is_met("down", 800, {"pasta": 1.1, "slirp4netns": 0.9}) is False
    assert is_met("connect p50", 300, {"pasta": 2.1}) is False
    assert is_met("requests", 9000, {"pasta": 0.5})
    assert is_met("requests", 9000, {"veth": 0.5}) is None
    assert is_met("dns", 180, {})
    assert is_met("connect p99", 1, {"pasta": 1.0}) is None


def test_the_table_has_a_line_for_each_item_and_says_what_is_missing():
    lines = table(_values(down={"veth": 2000.0, "pasta": 700.0, "sandbox": 770.0}))
    assert len(lines) == 1 + len(ITEMS)
    assert lines[1].split() == [
        "down",
        "MiB/s",
        "2,000",
        "–",
        "700",
        "770",
        "0.39×",
        "–",
        "1.10×",
        "ahead",
        "of",
        "both",
        "met",
    ]
    assert "MISSED" not in "".join(lines)

"""What a log's table of repeats holds."""

from __future__ import annotations

import pytest

from gmcp_sandbox.audit import repeats
from gmcp_sandbox.audit.repeats import Repeats


def test_what_is_remembered_is_found_until_it_is_cleared():
    table = Repeats()
    table.remember(("a", 1), 7, 300)
    assert table.of(("a", 1)) == 7 and table.of(("b", 1)) is None
    table.clear()
    assert table.of(("a", 1)) is None


def test_it_is_bounded_in_number_and_size(monkeypatch):
    monkeypatch.setattr(repeats, "REPEATS", 10)
    monkeypatch.setattr(repeats, "REPEATS_ROOM", 5000)
    table = Repeats()
    for number in range(100):
        table.remember(number, number, 10)
        assert table.of(number) == number and len(table) <= 10
    for number in range(100):
        table.remember(-number, number, 1000)
        assert table.of(-number) == number and len(table) <= 10
    assert len(table) <= 5


def test_one_that_is_larger_than_the_room_is_not_remembered_and_nothing_is_lost_for_it(monkeypatch):
    monkeypatch.setattr(repeats, "REPEATS_ROOM", 5000)
    table = Repeats()
    table.remember("a", 1, 100)
    table.remember("b", 2, 5001)
    assert (table.of("a"), table.of("b")) == (1, None)


def test_what_was_cleared_takes_no_room(monkeypatch):
    monkeypatch.setattr(repeats, "REPEATS_ROOM", 5000)
    table = Repeats()
    table.remember("a", 1, 4000)
    table.clear()
    table.remember("b", 2, 1000)
    table.remember("c", 3, 4000)
    assert table.of("b") == 2


def test_a_key_that_cannot_be_hashed_is_refused():
    with pytest.raises(TypeError):
        Repeats().of((["list"],))

"""What is noted of the kernel's loans as time goes by. The conversation with the host is in test_watching.py."""

from __future__ import annotations

from typing import Any

import pytest

from gmcp_sandbox.fs import loans
from gmcp_sandbox.fs.loans import IN_DELETE, IN_MODIFY, LENT_SECONDS, Told, Watch
from gmcp_sandbox.fs.notices import Notices


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(loans, "time", made)
    return made


@pytest.fixture
def watch(clock: Clock) -> Watch:
    return Watch(1, 7, lambda _: None)


def _lend(watch: Watch, name: bytes, node: int) -> None:
    watch.lend(name, node)
    assert watch.lend_attributes(name, node)


def _told(watch: Watch, events: int, name: bytes) -> tuple[list[int], list[tuple[int, bytes]]]:
    found = Notices([], [], [])
    watch.take_back(events, name, found)
    return found.attributes, found.names


def test_what_is_lent_is_held_until_its_time_is_over(watch: Watch, clock: Clock) -> None:
    _lend(watch, b"f", 3)
    assert (watch.is_lasting, watch.held(b"f")) == (True, 3)
    clock.now += LENT_SECONDS
    assert not watch.is_lasting


def test_what_was_lent_before_is_taken_back_while_the_kernel_may_have_it(watch: Watch, clock: Clock) -> None:
    _lend(watch, b"f", 3)
    clock.now += LENT_SECONDS - 1
    _lend(watch, b"late", 4)
    clock.now += 2
    _lend(watch, b"new", 5)  # a new round begins
    assert watch.held(b"late") is None
    assert _told(watch, IN_DELETE, b"late") == ([4], [(7, b"late")])
    clock.now += LENT_SECONDS
    _lend(watch, b"newer", 6)  # and whatever is two rounds old is over
    assert _told(watch, IN_DELETE, b"f") == ([], [])
    assert _told(watch, IN_MODIFY, b"new") == ([5], [])


def test_a_change_of_attributes_leaves_the_name_and_is_told_once(watch: Watch) -> None:
    _lend(watch, b"f", 3)
    assert _told(watch, IN_MODIFY, b"f") == ([3], [])
    assert _told(watch, IN_MODIFY, b"f") == ([], [])
    assert _told(watch, IN_DELETE, b"f") == ([3], [(7, b"f")])


def test_what_was_read_since_is_told_again_with_the_next_listing(watch: Watch) -> None:
    _lend(watch, b"f", 3)
    watch.wear(b"f")
    watch.wear(b"never lent")
    assert watch.held(b"f") is None
    _lend(watch, b"f", 3)
    assert watch.held(b"f") == 3
    watch.wear(b"f")
    assert _told(watch, IN_MODIFY, b"f") == ([3], [])


def test_attributes_of_another_object_are_not_lent_under_its_name(watch: Watch) -> None:
    watch.lend(b"f", 3)
    assert not watch.lend_attributes(b"f", 4)
    assert not watch.lend_attributes(b"g", 3)


def test_an_end_is_told_to_whom_it_concerns(clock: Clock) -> None:
    ended: list[Any] = []
    watch = Watch(1, 7, ended.append)
    watch.end()
    assert ended == [watch]


def test_what_was_told_is_held_until_its_time_is_over(clock: Clock) -> None:
    told = Told()
    told.note(b"f", 3, 60.0)
    clock.now += 59
    told.note(b"g", 4, 60.0)
    assert (told.is_lasting, told.held(b"f"), told.held(b"g"), told.held(b"h")) == (True, 3, 4, None)
    clock.now += 2
    assert not told.is_lasting
    told.note(b"h", 5, 60.0)
    assert (told.is_lasting, told.held(b"f"), told.held(b"h")) == (True, None, 5)


def test_what_was_told_and_is_anothers_now_is_told_again(clock: Clock) -> None:
    told = Told()
    told.note(b"f", 3, 1.0)
    told.forget(b"f")
    told.forget(b"never told")
    assert told.held(b"f") is None


def test_what_was_told_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loans, "_MOST_TOLD", 10)
    told = Told()
    for number in range(35):
        told.note(b"%d" % number, number, 60.0)
    assert (told.held(b"34"), told.held(b"9"), len(told._names) <= 10) == (34, None, True)

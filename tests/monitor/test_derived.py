"""The store of derived labels: marks survive, are seen by others, and are never forgotten, only coarser."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import PRIVATE, SECRET
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.monitor import derived
from gmcp_sandbox.monitor.derived import Derivation, DerivedStore, mask_of
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState

FILE = (8 << 32 | 1, 4711, 1_700_000_000_000_000_001)
OTHER = (8 << 32 | 1, 4711, 1_700_000_000_000_000_002)
A_PRIVATE, A_SECRET = 1, 2


@pytest.fixture
def path(tmp_path):
    return tmp_path / "derived"


@pytest.fixture
def store(path):
    opened = DerivedStore.open(path)
    yield opened
    opened.close()


def test_a_mark_outlives_the_session(path, store):
    store.mark(FILE, A_SECRET)
    again = DerivedStore.open(path)
    assert (again.of(FILE), again.of(OTHER)) == (A_SECRET, 0)
    again.close()


def test_a_mark_is_seen_by_a_session_that_runs_already(path, store):
    other = DerivedStore.open(path)
    assert other.of(FILE) == 0
    store.mark(FILE, A_PRIVATE)
    assert other.of(FILE) == A_PRIVATE
    other.close()


def test_marks_add_up_and_are_written_once(path, store):
    for mask in (A_PRIVATE, A_SECRET, A_PRIVATE):
        store.mark(FILE, mask)
    assert store.of(FILE) == A_PRIVATE | A_SECRET
    assert path.stat().st_size == 2 * 32


def test_the_device_counts_only_where_there_is_no_birth_time(store):
    store.mark(FILE, A_SECRET)
    assert store.of((99, *FILE[1:])) == A_SECRET
    store.mark((1, 5, 0), A_SECRET)
    assert (store.of((1, 5, 0)), store.of((2, 5, 0))) == (A_SECRET, 0)


@pytest.mark.parametrize("torn", [1, 16, 31])
def test_what_a_crash_left_of_a_mark_hides_no_other(path, store, torn):
    store.mark(FILE, A_SECRET)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:torn])
    store.close()
    for number in range(2):
        again = DerivedStore.open(path)
        assert again.of(FILE) == A_SECRET
        again.mark((1, number, 7), A_PRIVATE)
        assert again.of((1, number, 7)) == A_PRIVATE
        again.close()
    store._fd = os.open(path, os.O_RDONLY)


def test_a_torn_mark_beside_a_running_session_hides_no_other(path, store):
    store.mark(FILE, A_SECRET)
    with path.open("ab") as file:
        file.write(b"\1\2\3")
    store.mark(OTHER, A_PRIVATE)
    other = DerivedStore.open(path)
    assert (other.of(FILE), other.of(OTHER)) == (A_SECRET, A_PRIVATE)
    other.close()


def test_a_damaged_store_is_refused(path):
    path.write_bytes(os.urandom(1 << 16))
    with pytest.raises(HostError, match="damaged"):
        DerivedStore.open(path)


def test_beyond_the_bound_the_oldest_are_known_by_their_age_alone(path, monkeypatch):
    monkeypatch.setattr(derived, "MOST", 10)
    store = DerivedStore.open(path)
    for number in range(1, 21):
        store.mark((1, number, number), A_SECRET if number == 3 else A_PRIVATE)
    store.close()
    store = DerivedStore.open(path)
    assert path.stat().st_size < 10 * 32
    assert all(store.of((1, number, number)) for number in range(1, 21))
    assert store.of((1, 3, 3)) == A_SECRET | A_PRIVATE
    assert store.of((1, 99, 5)) == A_PRIVATE, "born as early: taken to carry it"
    assert store.of((1, 99, 30)) == 0
    store.close()


def test_a_store_in_use_is_not_made_smaller_and_in_the_end_refuses(path, store, monkeypatch):
    monkeypatch.setattr(derived, "MOST", 3)
    monkeypatch.setattr(derived, "HARD", 12)
    other = DerivedStore.open(path)
    with pytest.raises(OSError, match="space"):
        for number in range(20):
            other.mark((1, number, 7), A_PRIVATE)
    assert path.stat().st_size == 12 * 32
    other.close()
    assert all(store.of((1, number, 7)) for number in range(12))


def test_a_link_in_its_place_is_refused(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError):
        DerivedStore.open(path)


def test_the_mask_follows_the_taint(path, store):
    state = SessionState(Tier.STANDARD)
    derivation = Derivation(store, state)
    assert (derivation.mask, mask_of(["watched"])) == (0, 0)
    state.read(PRIVATE)
    assert derivation.mask == A_PRIVATE
    derivation.mark(FILE)
    assert derivation.news(FILE) == ()
    fresh = Derivation(DerivedStore.open(path), SessionState(Tier.STANDARD))
    assert fresh.news(FILE) == (PRIVATE,)
    fresh._store.mark(FILE, A_SECRET)
    assert derivation.news(FILE) == (SECRET,)
    fresh.close()


def test_a_session_that_carries_a_label_does_not_fill_its_memory_with_it(path, monkeypatch):
    monkeypatch.setattr(derived, "RECENT", 8)
    store = DerivedStore.open(path)
    store.mark(FILE, A_SECRET)
    store.carry(A_PRIVATE)
    for number in range(1, 101):
        store.mark((1, number, 7), A_PRIVATE)
        assert store.of(FILE) == A_SECRET, "reads what was appended, its own marks included"
    assert (len(store._masks), len(store._recent) <= 8) == (1, True)
    store.close()
    again = DerivedStore.open(path)
    assert all(again.of((1, number, 7)) == A_PRIVATE for number in range(1, 101))
    again.close()


def test_a_long_session_makes_its_store_smaller_where_it_is_alone(path, monkeypatch):
    monkeypatch.setattr(derived, "MOST", 10)
    monkeypatch.setattr(derived, "HARD", 40)
    state = SessionState(Tier.STANDARD)
    state.read(PRIVATE)
    derivation = Derivation(DerivedStore.open(path), state)
    for number in range(1, 201):
        derivation.mark((1, number, number))
    assert path.stat().st_size <= 21 * 32
    derivation.close()
    again = DerivedStore.open(path)
    assert all(again.of((1, number, number)) == A_PRIVATE for number in range(1, 201))
    again.close()


def test_a_store_that_cannot_be_opened_again_lets_everything_carry_everything(path, monkeypatch):
    monkeypatch.setattr(derived, "MOST", 10)
    state = SessionState(Tier.STANDARD)
    state.read(PRIVATE)
    derivation = Derivation(DerivedStore.open(path), state)
    for number in range(1, 21):
        derivation.mark((1, number, number))
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")
    with pytest.raises(OSError, match="Input/output"):
        derivation.mark((1, 21, 21))
    assert derivation.news((1, 99, 1 << 60)) == (SECRET,)
    path.unlink()
    derivation.mark((1, 21, 21))
    assert derivation.news((1, 99, 1 << 60)) == ()
    derivation.close()


def test_beside_another_session_a_long_one_goes_on_to_the_bound(path, monkeypatch):
    monkeypatch.setattr(derived, "MOST", 10)
    monkeypatch.setattr(derived, "HARD", 40)
    state = SessionState(Tier.STANDARD)
    state.read(PRIVATE)
    derivation, other = Derivation(DerivedStore.open(path), state), DerivedStore.open(path)
    with pytest.raises(OSError, match="space"):
        for number in range(1, 201):
            derivation.mark((1, number, number))
    assert path.stat().st_size == 40 * 32
    assert all(other.of((1, number, number)) == A_PRIVATE for number in range(1, 41))
    derivation.close()
    other.close()


KEYS = st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 3))


@given(st.lists(st.tuples(KEYS, st.sampled_from([1, 2, 3])), max_size=30))
@settings(deadline=None, max_examples=50)
def test_no_mark_is_ever_lost(tmp_path_factory, marks):
    path = tmp_path_factory.mktemp("state") / "derived"
    expected: dict[tuple[int, int, int], int] = {}
    for key, mask in marks:
        store = DerivedStore.open(path)
        store.mark(key, mask)
        store.close()
        expected[key] = expected.get(key, 0) | mask
    store = DerivedStore.open(path)
    assert all(store.of(key) & mask == mask for key, mask in expected.items())
    store.close()

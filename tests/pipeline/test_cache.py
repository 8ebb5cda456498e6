"""What is remembered, and for how long."""

from __future__ import annotations

from gmcp_sandbox.calls.arguments import FsStat
from gmcp_sandbox.calls.labels import WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.pipeline.cache import DecisionCache, Entry, Judgement

ENTRY = Entry(Judgement((), Outcome.DENY, 1, cached=True), -1)


def key(name):
    return Tool.FS_STAT, name, FsStat("lookup"), WORKSPACE


def test_an_entry_is_found_in_its_epoch_alone():
    cache = DecisionCache(10)
    assert cache.get(key("/a"), 1) is None
    cache.put(key("/a"), 1, ENTRY)
    assert cache.get(key("/a"), 1) is ENTRY
    assert cache.get(key("/a"), 2) is None
    assert cache.get(key("/a"), 1) is None


def test_an_entry_of_a_past_epoch_is_not_taken():
    cache = DecisionCache(10)
    cache.get(key("/a"), 2)
    cache.put(key("/a"), 1, ENTRY)
    assert cache.get(key("/a"), 2) is None


def test_it_never_grows_beyond_its_limit():
    cache = DecisionCache(3)
    cache.get(key("/"), 1)
    for number in range(20):
        cache.put(key(f"/{number}"), 1, ENTRY)
        assert len(cache) <= 3
        assert cache.get(key(f"/{number}"), 1) is ENTRY


def test_a_limit_of_zero_remembers_nothing():
    cache = DecisionCache(0)
    cache.get(key("/"), 1)
    cache.put(key("/"), 1, ENTRY)
    assert len(cache) == 0


def test_it_never_takes_more_room_than_it_has():
    cache = DecisionCache(1000, room=20_000)
    cache.get(key("/"), 1)
    for number in range(100):
        cache.put(key(f"{number}" + "x" * 4000), 1, ENTRY)
        assert 1 <= len(cache) <= 4
    cache.put(key("y" * 30_000), 1, ENTRY)
    assert cache.get(key("y" * 30_000), 1) is None and len(cache) >= 1


def test_an_entry_that_is_put_again_takes_no_more_room():
    cache = DecisionCache(1000, room=20_000)
    cache.get(key("/"), 1)
    for _ in range(1000):
        cache.put(key("/a"), 1, ENTRY)
        cache.put(key("/b"), 1, ENTRY)
        assert cache.get(key("/a"), 1) is ENTRY

"""Fake addresses: one name each, the same in every session."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.names import FakeNames
from gmcp_sandbox.policy.addresses import FAKE_V4, FAKE_V6

KEY = bytes(range(32))


def texts(fake):
    return str(ipaddress.IPv4Address(fake.v4)), str(ipaddress.IPv6Address(fake.v6))


def test_a_name_has_two_addresses_and_each_leads_back():
    names = FakeNames(KEY, "agent", 10)
    v4, v6 = texts(names.bind("example.com"))
    assert ipaddress.ip_address(v4) in FAKE_V4 and ipaddress.ip_address(v6) in FAKE_V6
    assert names.name_of(v4) == names.name_of(v6) == "example.com"
    assert names.name_of("198.18.0.1") is None or names.name_of("198.18.0.1") == "example.com"


def test_the_next_session_gives_the_same_addresses():
    first, second = FakeNames(KEY, "agent", 10), FakeNames(KEY, "agent", 10)
    second.bind("other.test")
    assert first.bind("example.com") == second.bind("example.com")


def test_another_agent_or_key_gives_others():
    first = FakeNames(KEY, "agent", 10).bind("example.com")
    assert FakeNames(KEY, "agent2", 10).bind("example.com") != first
    assert FakeNames(bytes(32), "agent", 10).bind("example.com") != first


def test_an_exhausted_pool_gives_no_address_and_keeps_what_it_gave():
    names = FakeNames(KEY, "agent", 2)
    first = names.bind("a.test")
    assert names.bind("b.test") is not None
    assert names.bind("c.test") is None
    assert names.bind("a.test") == first and len(names) == 2


def test_collisions_move_on():
    names = FakeNames(KEY, "agent", 65000)
    fakes = {names.bind(f"n{number}.test").v4 for number in range(5000)}
    assert len(fakes) == 5000  # by the birthday bound about 95 of them collided


@pytest.mark.parametrize(("key", "most"), [(b"short", 10), (KEY, 0), (KEY, 100_000)])
def test_a_pool_that_could_not_hold_is_refused(key, most):
    with pytest.raises(ValueError, match=r"key|pool"):
        FakeNames(key, "agent", most)


@given(st.lists(st.text(max_size=12), max_size=40))
def test_no_address_ever_stands_for_two_names(asked):
    names = FakeNames(KEY, "agent", 20)
    bound = {}
    for name in asked:
        fake = names.bind(name)
        if fake is not None:
            for text in texts(fake):
                assert bound.setdefault(text, name) == name
    assert all(names.name_of(text) == name for text, name in bound.items())

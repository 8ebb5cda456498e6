"""Names to addresses: nothing but addresses comes back, and the loop never waits."""

from __future__ import annotations

import errno
import ipaddress
import itertools
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.resolve import Resolver, ask_host
from gmcp_sandbox.net.types import DialError


def ip(*texts):
    return tuple(ipaddress.ip_address(text) for text in texts)


async def test_addresses_come_in_order_and_once():
    resolver = Resolver(lambda name: ["2606:4700::1", "1.1.1.1", "1.1.1.1", "2606:4700:0::1"])
    assert await resolver.addresses("example.com") == ip("2606:4700::1", "1.1.1.1")


async def test_an_answer_is_remembered_for_a_moment(mock_clock):
    number = itertools.count(1)
    resolver = Resolver(lambda name: [f"1.1.1.{next(number)}"])
    assert await resolver.addresses("a.test") == await resolver.addresses("a.test") == ip("1.1.1.1")
    mock_clock.jump(10)
    assert await resolver.addresses("a.test") == ip("1.1.1.2")


async def test_forty_answers_all_come_back():
    texts = [f"1.1.1.{number}" for number in range(40)]
    assert await Resolver(lambda name: texts).addresses("many.test") == ip(*texts)


@pytest.mark.parametrize("texts", [[], ["fe80::1%lo"], ["not an address"]])
async def test_a_name_without_addresses_is_unresolved(texts):
    with pytest.raises(DialError) as caught:
        await Resolver(lambda name: texts).addresses("a.test")
    assert (caught.value.errno, caught.value.reason) == (errno.EHOSTUNREACH, "unresolved")


@pytest.mark.parametrize("fault", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), OSError("broken")])
async def test_a_resolver_that_fails_leaves_it_unresolved(fault):
    def lookup(name):
        raise fault

    with pytest.raises(DialError) as caught:
        await Resolver(lookup).addresses("a.test")
    assert caught.value.reason == "unresolved"


async def test_a_resolver_that_hangs_is_left_behind():
    release = threading.Event()

    def lookup(name):
        release.wait()
        return []

    try:
        with pytest.raises(DialError) as caught:
            await Resolver(lookup, seconds=0.01).addresses("a.test")
        assert (caught.value.errno, caught.value.reason) == (errno.ETIMEDOUT, "resolver_timeout")
    finally:
        release.set()


def test_the_host_s_own_resolver_is_asked():
    assert "127.0.0.1" in ask_host("localhost") or "::1" in ask_host("localhost")


@given(st.lists(st.text(max_size=50), max_size=5))
async def test_any_answer_gives_addresses_or_the_error(texts):
    try:
        found = await Resolver(lambda name: texts).addresses("a.test")
    except DialError as error:
        assert error.reason == "unresolved"
    else:
        assert found and len(set(found)) == len(found)

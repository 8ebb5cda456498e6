"""What the filter refuses by argument, and what it must not."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.refusals import is_refused, refusals, refused_calls

WORDS = st.integers(0, (1 << 64) - 1)


def test_a_rule_has_one_condition_for_an_argument():
    for rule in refusals():
        indexes = [condition.index for condition in rule.conditions]
        assert len(indexes) == len(set(indexes))


def test_families_come_with_numeric_errnos():
    refused = dict(refused_calls())
    assert refused["mount"] == errno.EPERM
    assert refused["clone3"] == errno.ENOSYS
    assert refused["io_uring_setup"] == errno.ENOSYS
    assert "socket" not in refused


@pytest.mark.parametrize("family", [1, 2, 10])
def test_ordinary_sockets_pass(family):
    assert not is_refused("socket", family, 1, 0)


@given(WORDS, WORDS)
def test_other_socket_families_are_refused(family, protocol):
    low = family & 0xFFFF_FFFF
    if low not in (1, 2, 10, 16):
        assert is_refused("socket", family, 1, protocol)


@given(st.integers(1, (1 << 32) - 1))
def test_netlink_speaks_of_routes_only(protocol):
    assert not is_refused("socket", 16, 3, 0)
    assert is_refused("socket", 16, 3, protocol)


@pytest.mark.parametrize("high", [0, 1 << 32, 0xDEAD << 32])
def test_tiocsti_with_high_bits_set(high):
    assert is_refused("ioctl", 0, high | 0x5412, 0)
    assert is_refused("ioctl", 0, high | 0x541C, 0)
    assert not is_refused("ioctl", 0, high | 0x5401, 0)


@given(WORDS)
def test_only_harmless_personalities_pass(persona):
    low = persona & 0xFFFF_FFFF
    assert is_refused("personality", persona) == (low not in (0, 0x0040000, 0xFFFF_FFFF))


@pytest.mark.parametrize("persona", [0, 0x0040000, 0xFFFF_FFFF])
def test_asking_for_the_personality_passes(persona):
    assert not is_refused("personality", persona)


@pytest.mark.parametrize("persona", [0x0400000, 0x0440000, 0xFFFB_FFFF, 8, 0xFFFF_FFFE, 0x8000_0000, 1])
def test_weaker_personalities_are_refused(persona):
    assert is_refused("personality", persona)


@pytest.mark.parametrize(("flags", "refused"), [(0, True), (1, True), (0x10, True), (0x8, False), (0x9, False)])
def test_a_memfd_must_not_be_executable(flags, refused):
    assert is_refused("memfd_create", 0, flags) is refused


@pytest.mark.parametrize(
    ("flags", "refused"), [(0x10000011, True), (0x00020000, True), (0x003D0F00, False), (17, False)]
)
def test_threads_and_processes_are_no_namespaces(flags, refused):
    assert is_refused("clone", flags, 0, 0, 0, 0) is refused

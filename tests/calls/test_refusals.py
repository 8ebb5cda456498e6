"""What the filter refuses by argument, and what it must not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.fates import Rule
from gmcp_sandbox.calls.refusals import is_refused, refusal_of, refused_calls, rules
from gmcp_sandbox.calls.syscalls import SYSCALLS

WORDS = st.integers(0, (1 << 64) - 1)


def test_every_system_call_of_the_table_has_rules():
    assert set(rules()) == {member for family in SYSCALLS for member in family.members}


def test_refused_families_come_with_their_errnos():
    refused = refused_calls()
    assert refused["mount"] == "EPERM"
    assert refused["clone3"] == refused["io_uring_setup"] == refused["vmsplice"] == "ENOSYS"
    assert not {"socket", "read", "clone"} & set(refused)


@pytest.mark.parametrize("name", ["", "fsinfo", "a_call_of_a_later_kernel"])
def test_what_nobody_has_named_is_not_there(name):
    assert refusal_of(name, 0, 0, 0, 0, 0, 0) == "ENOSYS"


def test_debuggers_get_no_more_than_they_need():
    differing = {name for name, cases in rules(debugging=True).items() if cases != rules()[name]}
    assert differing == {"ptrace", "process_vm_readv", "process_vm_writev", "kcmp"}
    assert all(rules(debugging=True)[name] == (Rule((), None),) for name in differing)


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

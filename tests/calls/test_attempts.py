from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.attempts import Attempt, described, reported_syscalls
from gmcp_sandbox.calls.refusals import is_refused, refusal_of, rules
from gmcp_sandbox.calls.tools import Tool

SOCK_CLOEXEC = 0o2000000
WORDS = st.integers(0, (1 << 64) - 1)


@pytest.mark.parametrize(
    ("arguments", "what", "errno"),
    [
        ((2, 3, 6), "raw socket", "EPERM"),
        ((2, 3 | SOCK_CLOEXEC, 255), "raw socket", "EPERM"),
        ((10, 3, 58), "raw socket", "EPERM"),
        ((2, 10, 0x0300), "packet socket", "EPERM"),
        ((17, 3, 0x0300), "packet socket", "EAFNOSUPPORT"),
        ((17 | 1 << 40, 2, 0), "packet socket", "EAFNOSUPPORT"),
        ((40, 1, 0), "VSOCK socket", "EAFNOSUPPORT"),
        ((31, 3, 1), "Bluetooth socket", "EAFNOSUPPORT"),
        ((38, 5, 0), "kernel cryptography socket", "EAFNOSUPPORT"),
        ((16, 3, 12), "netlink socket (netfilter)", "EAFNOSUPPORT"),
        ((16, 3, 31), "netlink socket (31)", "EAFNOSUPPORT"),
        ((63, 1, 0), "socket of family 63", "EAFNOSUPPORT"),
    ],
)
def test_a_socket_that_reaches_past_the_device_is_a_denied_send(arguments, what, errno):
    assert refusal_of("socket", *arguments, 0, 0, 0) == errno
    attempt = described("socket", (*arguments, 0, 0, 0))
    assert (attempt.what, attempt.tool) == (what, Tool.NET_SEND)
    assert (attempt.arguments.protocol, attempt.arguments.fault) == ("other", what)


@pytest.mark.parametrize("arguments", [(1, 1, 0), (2, 1, 6), (2, 2 | SOCK_CLOEXEC, 1), (10, 2, 58), (16, 3, 0)])
def test_sockets_that_programs_use_are_no_attempt(arguments):
    assert not is_refused("socket", *arguments, 0, 0, 0)


@pytest.mark.parametrize("syscall", ["setns", "unshare", "mount", "ptrace", "bpf", "init_module", "reboot"])
def test_what_reaches_for_the_machine_is_an_attempt_under_its_own_name(syscall):
    assert syscall in reported_syscalls()
    assert described(syscall, (0,) * 6) == Attempt(syscall)


@pytest.mark.parametrize("syscall", ["clone3", "io_uring_setup", "name_to_handle_at", "socketpair", "memfd_create"])
def test_questions_that_ordinary_programs_ask_the_kernel_are_none(syscall):
    assert is_refused(syscall, 40, 0, 0, 0, 0, 0)
    assert syscall not in reported_syscalls()


def test_a_new_namespace_by_clone_is_one_and_a_thread_is_not():
    assert refusal_of("clone", 0x1000_0011, 0, 0, 0, 0, 0) == "EPERM"
    assert "clone" in reported_syscalls()
    assert refusal_of("clone", 0x3D0F00, 0, 0, 0, 0, 0) is None
    assert described("clone", (0x1000_0011,)).what == "clone into a new namespace"


@given(st.sampled_from(sorted(reported_syscalls())), st.tuples(*[WORDS] * 6))
def test_whatever_stands_in_the_registers_it_is_described(syscall, arguments):
    assert 0 < len(described(syscall, arguments).what) <= 64


def test_what_is_reported_is_refused_for_some_arguments():
    assert all(any(case.errno is not None for case in rules()[name]) for name in reported_syscalls())

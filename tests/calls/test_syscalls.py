"""The table of system calls, by itself."""

from __future__ import annotations

import errno

from gmcp_sandbox.calls.fates import Fate, Origin
from gmcp_sandbox.calls.syscalls import DEBUGGING, SYSCALLS


def test_all_families_are_of_system_calls():
    assert {family.origin for family in SYSCALLS} == {Origin.SYSCALL}


def test_every_errno_exists():
    assert all(hasattr(errno, family.errno) for family in SYSCALLS if family.errno is not None)


def test_what_debuggers_need_is_refused_without_them():
    refused = {member for family in SYSCALLS if family.fate is Fate.REFUSED for member in family.members}
    assert set(DEBUGGING) <= refused


def test_what_is_refused_is_refused_with_an_errno_and_nothing_else_is():
    for family in SYSCALLS:
        assert (family.errno is not None) == (family.fate in (Fate.REFUSED, Fate.ARGUMENT)), family.name

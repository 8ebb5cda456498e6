"""The table of system calls, by itself."""

from __future__ import annotations

import errno

from gmcp_sandbox.calls.fates import Fate, Origin
from gmcp_sandbox.calls.syscalls import NEWER, SYSCALLS


def test_all_families_are_of_system_calls():
    assert {family.origin for family in SYSCALLS} == {Origin.SYSCALL}


def test_every_errno_exists():
    assert all(hasattr(errno, family.errno) for family in SYSCALLS if family.errno is not None)


def test_newer_ones_are_refused_ones():
    refused = {member for family in SYSCALLS if family.fate is Fate.REFUSED for member in family.members}
    assert set(NEWER) <= refused

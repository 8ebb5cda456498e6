"""The mediation table names everything that pyfuse3 and libseccomp offer."""

from __future__ import annotations

import ctypes
import ctypes.util
import re
from collections import Counter

import pyfuse3
import pytest

from gmcp_sandbox.calls.fates import Fate, Origin
from gmcp_sandbox.calls.mediation import FUSE, SYSCALLS, TABLE, TREES, fate_of, rows
from gmcp_sandbox.calls.tools import Tool

_X86_64 = 0xC000003E
"""SCMP_ARCH_X86_64, seccomp.h."""


def _known_to_libseccomp() -> list[str]:
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"))
    resolve = library.seccomp_syscall_resolve_num_arch
    resolve.restype = ctypes.c_void_p
    resolve.argtypes = [ctypes.c_uint32, ctypes.c_int]
    found = (resolve(_X86_64, number) for number in range(600))
    return [ctypes.string_at(name).decode("ascii") for name in found if name]


def test_every_operation_of_pyfuse3_is_named():
    offered = {name for name in dir(pyfuse3.Operations) if not name.startswith("_")}
    assert offered - {member for family in FUSE for member in family.members} == set()


def test_every_system_call_that_libseccomp_knows_is_named():
    known = _known_to_libseccomp()
    assert len(known) > 350
    assert set(known) - {member for family in SYSCALLS for member in family.members} == set()


def test_nothing_is_named_twice():
    counted = Counter((family.origin, member) for family in TABLE for member in family.members)
    assert [key for key, count in counted.items() if count > 1] == []
    names = Counter((family.origin, family.name) for family in TABLE)
    assert max(names.values()) == 1


def test_every_tool_but_those_of_mcp_comes_from_somewhere():
    raised = {tool for family in TABLE for tool in family.tools}
    assert raised == {tool for tool in Tool if not tool.startswith("mcp.")}


@pytest.mark.parametrize("family", TABLE, ids=lambda family: f"{family.origin}-{family.name}")
def test_a_family_says_what_its_fate_needs(family):
    assert family.reason and (family.members or family.name == "all others")
    assert bool(family.tools) == (family.fate is Fate.JUDGED) or family.fate is Fate.UNREACHABLE
    assert (family.errno is not None) == (family.fate in (Fate.REFUSED, Fate.ARGUMENT))
    assert all(re.fullmatch(r"\S(.*\S)?", member) for member in family.members)


def test_the_trees_of_the_kernel_are_named():
    kernel = {family.name for family in TREES if family.fate is Fate.KERNEL}
    assert kernel == {"/proc", "/dev", "/dev/pts", "/dev/shm"}


def test_the_fate_of_one_request_can_be_asked():
    found = fate_of(Origin.SYSCALL, "mount")
    assert found is not None and found.fate is Fate.REFUSED and found.errno == "EPERM"
    assert fate_of(Origin.FUSE, "mount") is None


def test_rows_print_the_whole_table():
    printed = rows()
    assert len(printed) == len(TABLE)
    assert all(row.becomes for row in printed)

"""The numbers of system calls are those that libseccomp knows."""

from __future__ import annotations

import pyseccomp
import pytest

from gmcp_sandbox.calls.numbers import numbers_of
from gmcp_sandbox.calls.syscalls import SYSCALLS

ARCHITECTURES = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_every_number_that_libseccomp_knows_has_its_name(machine):
    by_number = {number: name for name, number in numbers_of(machine).items()}
    for number in range(600):
        try:
            known = pyseccomp.resolve_syscall(ARCHITECTURES[machine], number)
        except (ValueError, OSError):
            continue
        if known:
            assert by_number[number] == known.decode()


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_no_name_and_no_number_stands_twice(machine):
    numbers = numbers_of(machine)
    assert len(set(numbers.values())) == len(numbers)
    assert max(numbers.values()) < 600


def test_the_mediation_table_names_every_one_and_no_other():
    members = {member for family in SYSCALLS for member in family.members}
    assert members == set(numbers_of("x86_64"))
    assert set(numbers_of("aarch64")) <= members


def test_a_machine_without_a_table_is_none():
    with pytest.raises(KeyError):
        numbers_of("pdp11")

"""Compiled filters: run in an interpreter of their own here, and in the kernel."""

from __future__ import annotations

import errno
import os
import platform
import struct

import prctl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.fates import Condition
from gmcp_sandbox.calls.numbers import numbers_of
from gmcp_sandbox.calls.refusals import UNNAMED, refusal_of, rules
from gmcp_sandbox.proc import bpf
from gmcp_sandbox.proc.filter import LoadFilter

X86_64, AARCH64, I386 = 0xC000003E, 0xC00000B7, 0x40000003
NUMBERS = numbers_of("x86_64")
WORDS = st.integers(0, (1 << 64) - 1)
BY_NUMBER = {number: name for name, number in NUMBERS.items()}
INTERESTING = (0, 1, 2, 3, 8, 10, 16, 17, 0x5412, 0x541C, 0x10000000, 0x04000000, 0x0040000, 0xFFFF_FFFF)


def judge(program, number, arguments=(0,) * 6, architecture=X86_64):
    """Do what the kernel does with a program."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, *arguments)
    at = value = 0
    while True:
        code, when, unless, constant = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("<I", data, constant)
            case 0x54:
                value &= constant
            case 0x15:
                at += when if value == constant else unless
            case 0x35:
                at += when if value >= constant else unless
            case 0x05:
                at += constant
            case 0x06:
                return constant
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


@pytest.fixture(scope="module")
def whole():
    return bpf.compiled(LoadFilter().answers(), bpf.ERROR | errno.ENOSYS, "x86_64")


def expected(number, arguments):
    name = BY_NUMBER.get(number)
    error = UNNAMED if name is None else refusal_of(name, *arguments)
    return bpf.ALLOW if error is None else bpf.ERROR | getattr(errno, error)


@given(
    st.integers(0, 0x3FFF_FFFF) | st.sampled_from(sorted(BY_NUMBER)),
    st.tuples(*[WORDS | st.sampled_from(INTERESTING)] * 6),
)
def test_the_agents_filter_answers_as_the_table_does(whole, number, arguments):
    assert judge(whole, number, arguments) == expected(number, arguments)


def test_every_number_up_to_far_beyond_the_last(whole):
    assert [judge(whole, number) for number in range(1200)] == [expected(number, (0,) * 6) for number in range(1200)]


def test_what_nobody_has_named_is_never_allowed():
    for otherwise in (bpf.ERROR | errno.ENOSYS, bpf.KILL):
        program = bpf.compiled(LoadFilter().answers(), otherwise, "x86_64")
        unnamed = [number for number in range(2000) if number not in BY_NUMBER]
        assert {judge(program, number) for number in unnamed} == {otherwise}


def test_every_rule_ends_with_one_that_always_holds():
    assert all(not cases[-1].conditions and all(case.conditions for case in cases[:-1]) for cases in rules().values())


@pytest.mark.parametrize("architecture", [I386, AARCH64, 0, 0xC000003F])
def test_another_architecture_is_killed(whole, architecture):
    assert {judge(whole, number, architecture=architecture) for number in (0, 1, 39, 60, 231)} == {bpf.KILL}


@pytest.mark.parametrize("number", [0x4000_0000, 0x4000_0000 | 39, 0x4000_0000 | 520, 0x7FFF_FFFF, 0xFFFF_FFFE])
def test_x32_is_killed(whole, number):
    assert judge(whole, number) == bpf.KILL


def test_a_call_that_a_tracer_cancelled_is_not_there(whole):
    assert judge(whole, 0xFFFF_FFFF) == bpf.ERROR | errno.ENOSYS


def test_arm_has_its_own_numbers():
    program = bpf.compiled({"read": bpf.always(bpf.ALLOW), "open": bpf.always(bpf.ALLOW)}, bpf.KILL, "aarch64")
    assert [judge(program, number, architecture=AARCH64) for number in (63, 0, 2)] == [bpf.ALLOW, bpf.KILL, bpf.KILL]


@given(st.dictionaries(st.sampled_from(sorted(NUMBERS)), st.integers(0, 4095), max_size=400), st.integers(0, 700))
def test_any_answers(answers, number):
    program = bpf.compiled({name: bpf.always(bpf.ERROR | code) for name, code in answers.items()}, bpf.ALLOW, "x86_64")
    code = answers.get(BY_NUMBER.get(number, ""))
    assert judge(program, number) == (bpf.ALLOW if code is None else bpf.ERROR | code)


CONDITIONS = st.builds(
    lambda index, mask, value: Condition(index, value & mask, mask),
    st.integers(0, 5),
    st.integers(1, 0xFFFF_FFFF),
    st.integers(0, 7) | st.integers(0, 0xFFFF_FFFF),
)
ARMS = st.lists(st.builds(bpf.Arm, st.lists(CONDITIONS, min_size=1, max_size=3).map(tuple), st.integers(0, 99)))


@given(ARMS, st.tuples(*[st.integers(0, 7) | WORDS] * 6))
def test_the_first_case_that_holds_counts(arms, arguments):
    program = bpf.compiled({"read": (*arms, *bpf.always(1000))}, bpf.KILL, "x86_64")
    holding = (arm.action for arm in arms if all(each.holds(arguments[each.index]) for each in arm.conditions))
    assert judge(program, 0, arguments) == next(holding, 1000)


def test_what_cannot_be_compiled_is_refused():
    with pytest.raises(ValueError, match="always holds"):
        bpf.compiled({"read": (bpf.Arm((Condition(0, 1),), bpf.ALLOW),)}, bpf.KILL, "x86_64")
    with pytest.raises(ValueError, match="low 32 bits"):
        bpf.compiled({"read": (bpf.Arm((Condition(0, 0, 1 << 40),), 1), *bpf.always(2))}, bpf.KILL, "x86_64")
    with pytest.raises(ValueError, match="more than the kernel takes"):
        many = tuple(bpf.Arm((Condition(0, value),), 1) for value in range(2000))
        bpf.compiled({"read": (*many, *bpf.always(2))}, bpf.KILL, "x86_64")


def test_the_kernel_takes_it_and_answers_so():
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            prctl.set_no_new_privs(1)
            answers = {"getpgid": (bpf.Arm((Condition(0, 7),), bpf.ERROR | errno.EDOM), *bpf.always(bpf.ALLOW))}
            bpf.load(bpf.compiled(answers, bpf.ALLOW))
            os.write(writer, str(os.getpgid(0)).encode())
            try:
                os.getpgid(7)
            except OSError as error:
                os.write(writer, f" {error.errno}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with open(reader, "rb") as file:
        assert list(map(int, file.read().split())) == [os.getpgid(0), errno.EDOM]


def test_a_malformed_program_is_refused():
    with pytest.raises(OSError, match="seccomp") as found:
        bpf.load(b"", 1 << 30)
    assert found.value.errno == errno.EINVAL
    assert platform.machine() in ("x86_64", "aarch64")

"""System-call filters: from answers by number to a program for the kernel, and into the calling process.

A program looks at the architecture, finds the number in a binary tree, and compares arguments where that is asked for.
Another architecture, and x32 (another table under the same architecture), kill the process. A number that nobody has
answered for gets the answer for all others.

Sources: seccomp(2), Linux include/uapi/linux/{bpf_common,filter,seccomp,audit}.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from gmcp_sandbox.calls.fates import Condition
from gmcp_sandbox.calls.numbers import numbers_of

KILL, ERROR, NOTIFY, ALLOW = 0x8000_0000, 0x0005_0000, 0x7FC0_0000, 0x7FFF_0000
"""Actions. KILL ends the process; ERROR has the errno in its low bits; NOTIFY asks the filter's listener."""
NEW_LISTENER, TSYNC = 1 << 3, 1 << 0
"""Flags of `load`; TSYNC filters the process's other threads, too."""

_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_IF_EQUAL, _IF_AT_LEAST = 0x15, 0x35
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # struct seccomp_data, little-endian
_WORD = 0xFFFF_FFFF
_FARTHEST = 255
"""Instructions that a comparison can skip."""
_MOST = 4096
"""Instructions that the kernel takes (BPF_MAXINSNS)."""
_X32 = 0x4000_0000
_SKIPPED = 0xFFFF_FFFF
"""The number -1, with which a tracer cancels a call: no other table's."""
_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_SECCOMP_SET_MODE_FILTER = 1
_INSTRUCTION = struct.Struct("=HBBI")
_libc = ctypes.CDLL(None, use_errno=True)


class Arm(NamedTuple):
    """One case of an answer: when all conditions hold (none: always), this action."""

    conditions: tuple[Condition, ...]
    action: int


Answer = tuple[Arm, ...]
"""The first arm whose conditions hold counts; the last one has none."""
_Code = list[tuple[int, int, int, int]]
"""Instructions: code, how many to skip when it holds and when not, constant."""


def always(action: int) -> Answer:
    """Return the answer that is the same whatever the arguments."""
    return (Arm((), action),)


def compiled(answers: Mapping[str, Answer], otherwise: int, machine: str | None = None) -> bytes:
    """Return the program; names that the machine does not have are left out.

    Args:
        answers: By name of the system call.
        otherwise: Action for all that have no answer.
        machine: As uname(2) names it; the own one when absent.
    """
    machine = machine or platform.machine()
    numbers = numbers_of(machine)
    by_number = {numbers[name]: answer for name, answer in answers.items() if name in numbers}
    code: _Code = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        *(
            [(_IF_AT_LEAST, 0, 2, _X32), (_IF_EQUAL, 1, 0, _SKIPPED), (_RETURN, 0, 0, KILL)]
            if machine == "x86_64"
            else []
        ),
        *_tree(_ranges(by_number, always(otherwise))),
    ]
    if len(code) > _MOST:
        raise ValueError(f"a filter of {len(code)} instructions is more than the kernel takes")
    return b"".join(_INSTRUCTION.pack(*each) for each in code)


def load(program: bytes, flags: int = 0) -> int:
    """Load a program into the calling thread; return its listener with NEW_LISTENER, else 0.

    Raises:
        OSError: EBUSY, when there is a listener already; EACCES without no_new_privs; EINVAL for a malformed program
            or an unknown flag; ESRCH when TSYNC is not possible.
    """
    memory = ctypes.create_string_buffer(program, len(program))
    described = ctypes.create_string_buffer(
        struct.pack("@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(memory))
    )
    number = ctypes.c_long(numbers_of(platform.machine())["seccomp"])
    result: int = _libc.syscall(number, ctypes.c_uint(_SECCOMP_SET_MODE_FILTER), ctypes.c_uint(flags), described)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"seccomp: {os.strerror(code)}")
    if result > 0 and flags & TSYNC:
        raise OSError(3, "seccomp: a thread has a filter of its own")
    return result


def _ranges(answers: Mapping[int, Answer], otherwise: Answer) -> list[tuple[int, Answer]]:
    """Return where runs of numbers with one answer begin, from 0 on."""
    borders = {0, *answers, *(number + 1 for number in answers)}
    starts = ((number, answers.get(number, otherwise)) for number in sorted(borders))
    return [next(run) for _, run in groupby(starts, key=lambda start: start[1])]


def _tree(ranges: Sequence[tuple[int, Answer]]) -> _Code:
    """Return the search for the run that a number is in, and its answer."""
    if len(ranges) == 1:
        return _answer(ranges[0][1])
    middle = len(ranges) // 2
    below, above = _tree(ranges[:middle]), _tree(ranges[middle:])
    first = ranges[middle][0]
    if len(below) <= _FARTHEST:
        return [(_IF_AT_LEAST, len(below), 0, first), *below, *above]
    return [(_IF_AT_LEAST, 0, 1, first), (_JUMP, 0, 0, len(below)), *below, *above]


def _answer(arms: Answer) -> _Code:
    if not arms or arms[-1].conditions:
        raise ValueError("an answer ends with an arm that always holds")
    code: _Code = []
    for conditions, action in arms:
        code += _arm(conditions, action)
    return code


def _arm(conditions: Sequence[Condition], action: int) -> _Code:
    """Return the code that ends with the action when all conditions hold, and else goes on behind itself."""
    code: _Code = [(_RETURN, 0, 0, action)]
    for condition in reversed(conditions):
        code = [*_comparison(condition, len(code)), *code]
    return code


def _comparison(condition: Condition, rest: int) -> _Code:
    """Return the code that goes on when the condition holds, and else skips the `rest` instructions behind it."""
    low = _ARGUMENTS_AT + 8 * condition.index
    if condition.mask > _WORD:
        raise ValueError("only the low 32 bits of an argument are compared under a mask")
    masking: _Code = [] if condition.mask == _WORD else [(_AND, 0, 0, condition.mask)]
    return [(_LOAD, 0, 0, low), *masking, (_IF_EQUAL, 0, rest, condition.value)]

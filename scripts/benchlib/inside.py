"""What runs inside each world: file operations one by one, their times as JSON on standard output.

Only the standard library; the file is copied into the workspace. Arguments: a directory prepared by `worlds.prepare`,
the large file of the system tree, and how many operations of each kind.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Iterable
from time import perf_counter_ns

BLOCK = 1 << 20


def each_us(action: Callable[[str], object], names: Iterable[str]) -> float:
    """Return the median time of the action over the names, in microseconds."""
    times = []
    for name in names:
        begun = perf_counter_ns()
        action(name)
        times.append(perf_counter_ns() - begun)
    return statistics.median(times) / 1000


def is_there(name: str) -> bool:
    """Look one name up."""
    try:
        os.stat(name)
    except FileNotFoundError:
        return False
    return True


def open_read_close(name: str) -> None:
    """Read a small file."""
    fd = os.open(name, os.O_RDONLY)
    os.read(fd, 4096)
    os.close(fd)


def create_write_close(name: str) -> None:
    """Make a small file."""
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, b"x" * 100)
    os.close(fd)


def read_mib_s(name: str) -> float:
    """Read a file in large pieces and return MiB a second."""
    buffer = bytearray(BLOCK)
    fd = os.open(name, os.O_RDONLY)
    total = 0
    begun = perf_counter_ns()
    while got := os.readv(fd, [buffer]):
        total += got
    spent = perf_counter_ns() - begun
    os.close(fd)
    return total / BLOCK / (spent / 1e9)


def write_mib_s(name: str, size: int) -> float:
    """Write a file in large pieces and return MiB a second."""
    block = b"\xa5" * BLOCK
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    begun = perf_counter_ns()
    for _ in range(size // BLOCK):
        os.write(fd, block)
    spent = perf_counter_ns() - begun
    os.close(fd)
    return size / BLOCK / (spent / 1e9)


def measure(directory: str, system_file: str, count: int) -> dict[str, float]:
    """Return name → value of all items, each on names that nothing has looked at before."""
    os.chdir(directory)
    names = [f"{number:04}" for number in range(count)]
    large = "large.bin"
    size = os.stat(large).st_size
    return {
        "lookup missing": each_us(is_there, [f"missing-{name}" for name in names]),
        "lookup": each_us(is_there, [f"look-{name}" for name in names]),
        "open+read+close cold": each_us(open_read_close, [f"read-{name}" for name in names]),
        "open+read+close warm": each_us(open_read_close, ["read-0000"] * count),
        "create+write+close": each_us(create_write_close, [f"new-{name}" for name in names]),
        "read workspace first": read_mib_s(large),
        "read workspace again": read_mib_s(large),
        "read system first": read_mib_s(system_file),
        "read system again": max(read_mib_s(system_file) for _ in range(3)),
        "write": write_mib_s("written.bin", size),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))

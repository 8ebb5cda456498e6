"""Real programs run into a session's bounds: they are stopped, the operator is told, and the record says so."""

from __future__ import annotations

import pytest

from tests.conftest import lacking
from tests.e2e.harness import Sandbox

LIMITS = """\
name = "bounded"
extends = "default"

[limits]
memory_bytes = "300MiB"
processes = 40
written_bytes = "1MiB"
new_files = 5
"""
EAT = "x = bytearray(500 << 20); print('ate')"
FORK = """
import os, time
made = 0
try:
    while made < 200:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        made += 1
except OSError as error:
    print(error.strerror)
"""
FILL = """
import os
for number in range(9):
    try:
        with open(f"f{number}", "wb") as file:
            file.write(bytes(300 << 10))
    except OSError as error:
        print(number, error.strerror)
"""


def limits_in(records):
    return [record["data"]["limit"] for record in records if record.get("name") == "limit"]


@pytest.fixture
def bounded(sandbox: Sandbox):
    """Runs a Python text under bounds."""
    profile = sandbox.profile(LIMITS)

    def run(text: str, name: str = "agent.py"):
        sandbox.write(name, text)
        sandbox.own()
        return sandbox.exec("python3", name, profile=profile)

    return run


@pytest.mark.trick("memory", stops="control groups, or rlimits")
def test_memory(bounded, mode):
    """With a control group the kernel kills; without one the allocation fails."""
    result = bounded(EAT)
    if mode == "user" or lacking("cgroups"):
        assert result.code == 1 and "MemoryError" in result.err
        return
    assert result.code == 137
    assert "limits.memory_bytes (300 MiB) was reached" in result.err
    assert limits_in(result.records) == ["memory_bytes"]


@pytest.mark.trick("a fork bomb", stops="control groups, or rlimits")
def test_a_fork_bomb(bounded, mode):
    result = bounded(FORK)
    assert "Resource temporarily unavailable" in result.text
    if mode == "root" and not lacking("cgroups"):
        assert "limits.processes (40) was reached" in result.err
        assert limits_in(result.records) == ["processes"]


@pytest.mark.trick("a full disk budget", stops="a budget of bytes written")
def test_a_full_disk_budget(bounded):
    result = bounded(FILL)
    lines = result.text.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "4", "5", "6", "7", "8"]
    assert all("No space left on device" in line for line in lines)
    assert limits_in(result.records) == ["written_bytes", "new_files"]

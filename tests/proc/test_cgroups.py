"""Real control groups around real launches. Where the host gives none, rlimits bound each process."""

from __future__ import annotations

import os

import pytest

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.monitor.cgroupfs import Place
from gmcp_sandbox.policy.profile import Limits
from gmcp_sandbox.proc import cgroups
from gmcp_sandbox.proc.cgroups import Groups, JoinGroups
from tests.proc.sandbox_run import run

MEMORY_HOG = "x = bytearray(1 << 30); print(len(x))"
"""Far larger than the process that runs the tests, of which process 1 is a copy: the kernel ends the largest."""
FORKS = """
import os, time
made = 0
try:
    while made < 100:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        made += 1
except OSError as error:
    print(made, error.errno)
"""


@pytest.fixture
def groups():
    """Groups that a test makes are removed after it."""
    made: list[Groups] = []

    def make(limits: Limits) -> Groups:
        made.append(cgroups.make(limits))
        return made[-1]

    yield make
    for each in made:
        each.remove()


def python(script: str, limits: Limits):
    return run("/usr/bin/python3", "-c", script, limits=limits, extra_steps=(JoinGroups(),))


def test_nothing_is_made_for_nothing(groups) -> None:
    made = groups(Limits(processes=None))
    assert made.held == frozenset() and made.fds == ()
    assert made.reached() == [] and made.describe(Limits(processes=None)) == "none of the whole session"


@pytest.mark.needs("cgroups")
def test_groups_hold_what_they_were_asked_to(groups) -> None:
    limits = Limits(memory_bytes=64 << 20, processes=7, cpus=0.5)
    made = groups(limits)
    assert made.held == {"memory", "pids", "cpu"}
    assert all("cgroup v" in part for part in made.describe(limits).split(", "))
    assert made.reached() == made.news() == []


@pytest.mark.needs("cgroups")
def test_nothing_is_left_behind(groups) -> None:
    made = groups(Limits(memory_bytes=64 << 20))
    paths = [each.path for each in made._groups]
    assert paths and all(map(os.path.isdir, paths))
    made.remove()
    assert not any(map(os.path.exists, paths))
    made.remove()


@pytest.mark.needs("cgroups")
def test_what_a_killed_session_left_goes_with_the_next_one(groups) -> None:
    living = groups(Limits(memory_bytes=64 << 20))
    left = os.path.dirname(living._groups[0].path) + "/gmcp-sandbox-0123456789abcdef"
    os.mkdir(left)
    groups(Limits(memory_bytes=64 << 20))
    assert not os.path.exists(left)
    assert os.path.exists(living._groups[0].path), "a session that runs keeps its own"


def test_where_there_is_no_place_rlimits_are_named(groups, monkeypatch) -> None:
    monkeypatch.setattr(cgroups, "find_places", dict)
    limits = Limits(memory_bytes=64 << 20, processes=7)
    made = groups(limits)
    assert made.held == frozenset()
    assert made.describe(limits) == "memory rlimit of each process, pids rlimit of each process"


def test_a_bound_that_no_rlimit_gives_is_refused(groups, monkeypatch) -> None:
    monkeypatch.setattr(cgroups, "find_places", dict)
    with pytest.raises(HostError, match=r"limits\.cpus cannot be enforced here") as caught:
        groups(Limits(cpus=1.5))
    assert caught.value.hint


def test_a_place_that_refuses_is_no_group(groups, monkeypatch, tmp_path) -> None:
    place = Place("memory", 2, str(tmp_path / "gone"))
    monkeypatch.setattr(cgroups, "find_places", lambda: {"memory": place})
    assert groups(Limits(memory_bytes=1 << 30)).held == frozenset()


@pytest.mark.needs("userns", "cgroups")
def test_memory_is_that_of_all_processes_together() -> None:
    assert python(MEMORY_HOG, Limits(memory_bytes=640 << 20)).code == -9
    assert python(MEMORY_HOG, Limits(memory_bytes=1600 << 20)).out == f"{1 << 30}\n"


@pytest.mark.needs("userns", "cgroups")
def test_a_fork_bomb_ends_at_the_limit() -> None:
    made, failure = map(int, python(FORKS, Limits(processes=12)).out.split())
    assert made <= 10 and failure == 11


@pytest.mark.needs("userns")
def test_the_agent_sees_no_group_but_its_own() -> None:
    ran = run("/bin/cat", "/proc/self/cgroup", limits=Limits(memory_bytes=1 << 30), extra_steps=(JoinGroups(),))
    assert ran.code == 0
    assert "gmcp-sandbox" not in ran.out and "/.." not in ran.out

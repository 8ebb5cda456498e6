from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.monitor.trial import STEPS, Trial, _parse, try_launch


def _own_namespaces() -> dict[str, str]:
    return {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}


@pytest.mark.needs("sandbox")
def test_every_step_works_on_a_host_that_can_run_agents() -> None:
    assert try_launch() == Trial()


def test_the_caller_stays_where_it_was() -> None:
    before = _own_namespaces(), os.listdir("/proc/self/fd"), Path("/proc/self/mountinfo").read_text()
    try_launch()
    assert (_own_namespaces(), os.listdir("/proc/self/fd"), Path("/proc/self/mountinfo").read_text()) == before


def test_no_child_is_left() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()
    try_launch()
    assert children.read_text() == before


def test_a_failed_step_tells_how_far_it_came() -> None:
    trial = _parse(f"2 {errno.EPERM}".encode())
    assert trial.error == "private /proc: Operation not permitted"
    assert [trial.passed(step) for step in STEPS] == [True, True, False, False, False]
    assert [trial.was_reached(step) for step in STEPS] == [True, True, True, False, False]


def test_a_child_that_died_has_proved_nothing() -> None:
    assert not any(_parse(b"").passed(step) for step in STEPS)


@given(st.binary(max_size=16))
def test_only_the_word_done_is_a_success(report: bytes) -> None:
    trial = _parse(report)
    assert (trial.failed is None) == (report == b"done")

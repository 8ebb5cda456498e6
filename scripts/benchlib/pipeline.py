"""The decision core by itself, in this process: what one call costs, missed, remembered, and with its record."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gmcp_sandbox.audit.record import Genesis
from gmcp_sandbox.audit.writer import AuditWriter
from gmcp_sandbox.calls.arguments import FsRead
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Layer
from gmcp_sandbox.monitor.monitor import Monitor
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.policy.profile import Profile
from gmcp_sandbox.policy.state import SessionState

T = TypeVar("T")
CALLS = 5000
_BATCH = 250
_OPEN = FsRead("open")


def measure(workspace: Path, profile_name: str) -> dict[str, float]:
    """Return name → microseconds a call: medians over batches of calls."""
    profile = load_profile(profile_name, workspace=workspace, home=Path.home())
    paths = [f"{workspace}/src/module{number % 40}/file{number}.py" for number in range(CALLS)]
    return {**_pipeline(profile, paths), **_monitor(profile, paths)}


def _pipeline(profile: Profile, paths: list[str]) -> dict[str, float]:
    pipeline, state = Pipeline(profile, None), SessionState(profile.tier)
    # Rate would deny thousands of calls at one instant, so each call comes a millisecond after the one before.
    calls = [
        ToolCall(seq, 1_000_000 * seq, "bench", "bench", 1, Tool.FS_READ, path, _OPEN, WORKSPACE)
        for seq, path in enumerate([*paths, *paths], 1)
    ]
    miss = _per_item(lambda call: pipeline.judge(call, state), calls[: len(paths)])
    hit = _per_item(lambda call: pipeline.judge(call, state), calls[len(paths) :])
    return {"pipeline miss": miss, "pipeline hit": hit}


def _monitor(profile: Profile, paths: list[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        ticks = iter(range(0, 10**15, 1_000_000))
        try:
            writer = AuditWriter.create(fd, _genesis(profile), budget_bytes=1 << 30, clock=time.time_ns)
            monitor = Monitor(
                Pipeline(profile, None),
                SessionState(profile.tier),
                writer,
                session="bench",
                agent="bench",
                clock=lambda: next(ticks),
            )
            miss = _per_item(lambda path: _mediate(monitor, path), paths)
            hit = _per_item(lambda path: _mediate(monitor, path), paths)
        finally:
            os.close(fd)
    return {"mediate miss": miss, "mediate hit": hit}


def _mediate(monitor: Monitor, path: str) -> None:
    """Ask and record once; nothing suspends here, so no event loop is needed."""
    call = monitor.call(Tool.FS_READ, path, _OPEN, label=WORKSPACE, pid=1)
    try:
        monitor.mediate(call).send(None)
    except StopIteration as answer:
        if not answer.value.is_allowed:
            raise AssertionError(f"denied: {answer.value.deciding}") from None
    else:
        raise AssertionError("the monitor waited for somebody")


def _per_item(action: Callable[[T], object], items: list[T]) -> float:
    times = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        begun = time.perf_counter_ns()
        for item in batch:
            action(item)
        times.append((time.perf_counter_ns() - begun) / len(batch))
    return statistics.median(times) / 1000


def _genesis(profile: Profile) -> Genesis:
    return Genesis(
        session="bench",
        agent="bench",
        argv=("bench",),
        started_ns=time.time_ns(),
        uid=os.getuid(),
        profile=profile.name,
        profile_digest=profile.digest,
        layers=tuple(layer.value for layer in Layer if layer is not Layer.PROBE),
        versions={},
        host={},
        view=[],
    )

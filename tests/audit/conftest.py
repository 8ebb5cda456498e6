"""Real logs to work on: written by the real writer into directories of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gmcp_sandbox.audit.record import Genesis
from gmcp_sandbox.audit.writer import AuditWriter
from gmcp_sandbox.calls.arguments import FsRead
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import SECRET, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict

SESSION = "0123abcd"
START_NS = 1_700_000_000_000_000_000
LAYERS = tuple(layer for layer in Layer if layer is not Layer.PROBE)
ALLOWED = tuple(Verdict(layer, Outcome.ALLOW, f"{layer}.ok") for layer in LAYERS)
DENIED = (ALLOWED[0], Verdict(Layer.TRUST, Outcome.DENY, "trust.no_capability", "no grant for secret"))
GENESIS = Genesis(
    session=SESSION,
    agent="coder",
    argv=("python3", "agent.py", "--token", "hunter2"),
    started_ns=START_NS,
    uid=1000,
    profile="default",
    profile_digest="ab" * 32,
    layers=tuple(layer.value for layer in LAYERS),
    versions={"gmcp-sandbox": "0.1.0", "python": "3.13.0", "kernel": "6.1"},
    host={"seccomp": "yes"},
)


def make_decision(seq: int = 1, path: str = "/ws/a.py", **fields: Any) -> Decision:
    """Return an allowed read, or what `fields` make of it."""
    verdicts = fields.pop("verdicts", ALLOWED)
    outcome = Outcome.ALLOW if all(verdict.outcome is Outcome.ALLOW for verdict in verdicts) else Outcome.DENY
    epoch, taint = fields.pop("epoch", 1), fields.pop("taint", ())
    call = ToolCall(
        seq=seq,
        at_ns=START_NS + seq,
        session=SESSION,
        agent="coder",
        pid=fields.pop("pid", 4711),
        tool=fields.pop("tool", Tool.FS_READ),
        object=path,
        args=fields.pop("args", FsRead("open")),
        label=fields.pop("label", WORKSPACE),
        **fields,
    )
    return Decision(call, outcome, verdicts, epoch, taint)


def make_denial(seq: int, path: str = "/home/u/.ssh/id_rsa", **fields: Any) -> Decision:
    """Return a denied read of a secret."""
    return make_decision(seq, path, **{"verdicts": DENIED, "label": SECRET, **fields})


def open_writer(directory: Path, budget: int = 1 << 20) -> AuditWriter:
    """Start a log in a directory, which is made."""
    directory.mkdir(exist_ok=True)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return AuditWriter.create(fd, GENESIS, budget_bytes=budget, clock=lambda: START_NS)
    finally:
        os.close(fd)


def write_log(directory: Path, calls: int = 20, *, budget: int = 1 << 20, is_sealed: bool = True) -> Path:
    """Write a log in which every third call repeats an earlier one and every seventh is denied."""
    writer = open_writer(directory, budget)
    for seq in range(1, calls + 1):
        path = f"/ws/module/{seq if seq % 3 else 1}.py"
        make = make_denial if seq % 7 == 0 else make_decision
        writer.append(make(seq, path), 4_321)
    if is_sealed:
        writer.seal({"reason": "exited", "code": 0})
    else:
        writer.close()
    return directory


@pytest.fixture
def decision() -> Callable[..., Decision]:
    return make_decision


@pytest.fixture
def denial() -> Callable[..., Decision]:
    return make_denial


@pytest.fixture
def writer(tmp_path: Path) -> Callable[..., AuditWriter]:
    return lambda budget=1 << 20: open_writer(tmp_path / "log", budget)


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed log in one file."""
    return write_log(tmp_path_factory.mktemp("log") / "session")


@pytest.fixture(scope="session")
def rotated_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed log in several files."""
    return write_log(tmp_path_factory.mktemp("rotated") / "session", 120, budget=64 << 10)


@pytest.fixture(scope="session")
def log_writer() -> Callable[..., Path]:
    return write_log


@pytest.fixture(scope="session")
def log_parts() -> tuple[Callable[..., AuditWriter], Callable[..., Decision], Callable[..., Decision]]:
    """What makes a log and decisions, for tests that make many."""
    return open_writer, make_decision, make_denial

"""`scripts/bench audit`: a log of a million records, verified and asked."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gmcp_sandbox.audit.index import NAME, Condition, Index
from gmcp_sandbox.audit.recall import Recall
from gmcp_sandbox.audit.record import Genesis
from gmcp_sandbox.audit.signing import load_key
from gmcp_sandbox.audit.verify import State, verify
from gmcp_sandbox.audit.writer import AuditWriter
from gmcp_sandbox.calls.arguments import FsRead
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import SECRET, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict

T = TypeVar("T")
SESSION = "0123abcd"
_ALLOWED = tuple(Verdict(layer, Outcome.ALLOW, f"{layer.value}.ok") for layer in Layer if layer is not Layer.PROBE)
_DENIED = (*_ALLOWED[:1], Verdict(Layer.TRUST, Outcome.DENY, "trust.no_capability", "no grant for secret"))
_FILES = 30_000
"""Distinct files; the rest are repeats."""


def main(argv: Sequence[str]) -> int:
    """Write, verify, index and ask; print a line for each. Ends with 0 also where an aim is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench audit", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N", help="default: 1000000")
    count = parser.parse_args(argv).records
    with tempfile.TemporaryDirectory(prefix="gmcp-bench-") as folder:
        for line in measure(Path(folder), count):
            print(line, flush=True)
    return 0


def measure(folder: Path, count: int) -> list[str]:
    """Return what was measured, a line each."""
    log = folder / "sessions" / SESSION
    log.mkdir(parents=True)
    (folder / "keys").mkdir(mode=0o700)
    seconds, key = _timed(lambda: _write(folder, log, count))
    lines = [f"write          {count / seconds:12,.0f} records/s"]
    seconds, found = _timed(lambda: verify(str(log), session=SESSION, key=key))
    if found.state is not State.WHOLE:
        raise AssertionError(found)
    lines.append(f"verify         {found.records / seconds:12,.0f} records/s   aim ≥ 200,000")
    with Index(str(folder / NAME)) as index, Recall(str(log.parent)) as recall:
        seconds, _ = _timed(lambda: index.take_in(SESSION, str(log)))
        lines.append(f"index, once    {count / seconds:12,.0f} records/s")
        for pattern in (_path(77), "/ws/module77/*", "*/file3.py"):
            condition = Condition(path=pattern)

            def ask(condition: Condition = condition) -> int:
                index.take_in(SESSION, str(log))  # as the command does: nothing has come since
                return len([recall.decision(place) for place in index.find(condition, newest=100)])

            seconds, shown = _timed(ask)
            lines.append(
                f"query by path  {seconds * 1000:12,.1f} ms          aim ≤ 1,000   {pattern}, the last {shown}"
            )
    return lines


def _path(number: int) -> str:
    return f"/ws/module{number % (_FILES // 7)}/file{number % 7}.py"


def _write(folder: Path, log: Path, count: int) -> str:
    signer = load_key(str(folder / "keys"))
    genesis = Genesis(
        session=SESSION, agent="bench", argv=("bench",), started_ns=time.time_ns(), uid=os.getuid(), profile="default",
        profile_digest="0" * 64, layers=tuple(one.layer.value for one in _ALLOWED), model_digest=None, versions={},
        host={}, view=[],
    )  # fmt: skip
    fd = os.open(log, os.O_RDONLY | os.O_DIRECTORY)
    try:
        writer = AuditWriter.create(fd, genesis, budget_bytes=1 << 40, clock=time.time_ns, signer=signer)
        for seq in range(1, count + 1):
            writer.append(_decision(seq), 4321)
        writer.seal({"reason": "exited", "code": 0})
        writer.close()
    finally:
        os.close(fd)
    return signer.public


def _decision(seq: int) -> Decision:
    is_denied = seq % 97 == 0
    label, verdicts = (SECRET, _DENIED) if is_denied else (WORKSPACE, _ALLOWED)
    call = ToolCall(seq, time.time_ns(), SESSION, "bench", 7, Tool.FS_READ, _path(seq), FsRead("open"), label)
    return Decision(call, Outcome.DENY if is_denied else Outcome.ALLOW, verdicts, 1, ())


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result

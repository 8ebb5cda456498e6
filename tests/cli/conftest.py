"""A state directory of its own for every test, and real sessions in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gmcp_sandbox.audit.record import Genesis
from gmcp_sandbox.audit.signing import load_key
from gmcp_sandbox.audit.writer import AuditWriter
from gmcp_sandbox.calls.arguments import FsRead
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import SECRET, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict
from gmcp_sandbox.monitor.procfacts import ProcessIdentity, identify
from gmcp_sandbox.monitor.statedir import KEYS, Meta, SessionDir, StateDir
from tests.cli.launches import Place, Served
from tests.deadline import within

_ALLOW = (Verdict(Layer.SCHEMA, Outcome.ALLOW, "schema.ok"),)
_DENY = (Verdict(Layer.TRUST, Outcome.DENY, "trust.no_capability", "no grant for secret"),)


class Sessions:
    """Makes sessions with logs; `process` is a real process that may stand for a supervisor."""

    def __init__(self) -> None:
        self._writers: list[AuditWriter] = []
        self._children: list[int] = []

    def child(self, *, ignores_term: bool = False) -> int:
        """Start a process that waits until it is killed."""
        import signal

        ready, done = os.pipe()
        pid = os.fork()
        if pid == 0:
            if ignores_term:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(done, b"x")
            while True:
                signal.pause()
        os.read(ready, 1)
        os.close(ready)
        os.close(done)
        self._children.append(pid)
        return pid

    def make(
        self, pid: int | None = None, *, ended: bool = False, agent: str = "coder"
    ) -> tuple[SessionDir, AuditWriter]:
        """Make a session whose supervisor is `pid` (None: a process that is gone), with a log of three decisions."""
        session = StateDir.open().create_session()
        gone = ProcessIdentity(2**22 - 1, 1, "")
        process = gone if pid is None else identify(pid)
        assert process is not None
        argv = ("python3", "agent.py", "--token", "hunter2", "\x1b[2J")
        end = time.time_ns() if ended else None
        session.write_meta(Meta(agent, "default", "00", process, argv, time.time_ns(), "/w", end, 0 if ended else None))
        genesis = Genesis(
            session=session.id,
            agent=agent,
            argv=argv,
            started_ns=time.time_ns(),
            uid=os.getuid(),
            profile="default",
            profile_digest="00",
            layers=("schema",),
            versions={},
            host={},
        )
        fd = session.open()
        key = load_key(str(session.state / KEYS))
        writer = AuditWriter.create(fd, genesis, budget_bytes=1 << 20, clock=time.time_ns, signer=key)
        os.close(fd)
        self._writers.append(writer)
        for seq, path in enumerate(("/ws/a.py", "/ws/\x1b[2J", "/home/u/.ssh/id"), 1):
            writer.append(decision(session, seq, path), 4_321)
        return session, writer

    def close(self) -> None:
        """Reap what was started."""
        import signal

        for writer in self._writers:
            writer.close()
        for pid in self._children:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def decision(session: SessionDir, seq: int, path: str) -> Decision:
    """Return an allowed read, or a denied one of a secret."""
    is_secret = ".ssh" in path
    call = ToolCall(
        seq, time.time_ns(), session.id, "a", 7, Tool.FS_READ, path, FsRead("open"), SECRET if is_secret else WORKSPACE
    )
    return Decision(call, Outcome.DENY if is_secret else Outcome.ALLOW, _DENY if is_secret else _ALLOW, 1)


@pytest.fixture
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "gmcp-sandbox"


@pytest.fixture
def sessions(state_home: Path) -> Iterator[Sessions]:
    made = Sessions()
    yield made
    made.close()


@pytest.fixture
def decide() -> Callable[[SessionDir, int, str], Decision]:
    return decision


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A home directory with a project in it, of this test."""
    return Place(tmp_path)


@pytest.fixture
def served(place: Place) -> Iterator[Callable[..., Served]]:
    """Start a real session of these words of `exec`; all of them end with the test, and none takes for ever."""
    state = StateDir.open(place.environ)
    started: list[Served] = []

    def start(*words: str) -> Served:
        started.append(Served(place.prepare(*words), state.create_session()))
        return started[-1]

    with within(60):
        yield start
        for each in started:
            each.close()

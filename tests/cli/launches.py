"""Preparations of real launches, as `exec` makes them from its words, for tests of what comes after."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import traceback
from pathlib import Path
from typing import Any, NoReturn

from gmcp_sandbox.cli import supervisor
from gmcp_sandbox.cli.main import build_parser
from gmcp_sandbox.cli.orders import Orders
from gmcp_sandbox.cli.planning import plan_of
from gmcp_sandbox.cli.preparation import prepare
from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.errors import SandboxError
from gmcp_sandbox.monitor.statedir import SessionDir
from gmcp_sandbox.proc import launch
from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.stdio import Stdio
from tests.children import fork


def words_of_exec(*words: str) -> argparse.Namespace:
    """Return the parsed words; a leading `--` is gone, as in the command itself."""
    args = build_parser("exec").parse_args(["exec", *words])
    if args.command[:1] == ["--"]:
        args.command = args.command[1:]
    return args


class Place:
    """A home directory with a project in it."""

    def __init__(self, top: Path) -> None:
        self.home = Path(os.path.realpath(top)) / "home"
        self.work = self.home / "work"
        self.work.mkdir(parents=True)
        self.environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / ".local/state"),
            "LANG": "C.UTF-8",
            "SECRET_TOKEN": "hunter2",
        }

    def profile(self, text: str) -> str:
        """Write a profile that extends the default one; return its path."""
        path = self.home / "own.toml"
        path.write_text(f'name = "own"\nextends = "default"\n{text}')
        return str(path)

    def prepare(self, *words: str, **environ: str) -> Preparation:
        """Prepare what `exec` would in the project."""
        return prepare(words_of_exec("-w", str(self.work), *words), self.environ | environ)


class Served:
    """A real session, served by a child as by the supervisor; the test is the front and reads the agent's output.

    Attributes:
        output: The reading end of the agent's stdout and stderr.
        front: The front's line to process 1.
        report: The front's line to the supervisor.
        pid: Of the supervisor.
    """

    def __init__(self, prepared: Preparation, session: SessionDir) -> None:
        self.output, out = os.pipe()
        if prepared.identity.is_root:
            os.fchown(out, prepared.identity.base_uid, prepared.identity.base_gid)
        stdio = Stdio((os.open("/dev/null", os.O_RDONLY), out, os.dup(out)), (None, None, None))
        self.front, agent_line = Channel.pair()
        self.report, supervisor_line = Channel.pair()
        self._ended, ended = os.pipe()
        self.pid = fork()
        if self.pid == 0:
            os.setsid()
            for end in (self.output, self._ended):
                os.close(end)
            self.front.close()
            self.report.close()
            _serve(prepared, session, stdio, (agent_line, supervisor_line, ended))
        os.close(ended)
        stdio.close_agent_side()
        agent_line.close()
        supervisor_line.close()
        self._final: dict[str, Any] | None = None

    def family(self) -> list[int]:
        """Return the pids below the supervisor: the stage, process 1, the agent, …"""
        found: list[int] = []
        waiting = [self.pid]
        while waiting:
            parent = waiting.pop(0)
            children = Path(f"/proc/{parent}/task/{parent}/children")
            if children.exists():
                waiting += (now := [int(word) for word in children.read_text().split()])
                found += now
        return found

    @property
    def first(self) -> int:
        """Process 1 of the sandbox, by the title that it gives itself."""
        return next(pid for pid in self.family() if _title(pid) == b"gmcp-init")

    def holds(self, path: str) -> bool:
        """True when the supervisor has a file open."""
        for fd in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it has closed it meanwhile
                if os.readlink(fd) == path:
                    return True
        return False

    def until(self, marker: bytes) -> bytes:
        """Return the agent's output up to a marker."""
        text = b""
        while marker not in text:
            part = os.read(self.output, 65536)
            assert part, f"the end came before {marker!r}: {text!r}"
            text += part
        return text

    def read_to_the_end(self) -> None:
        """Wait until the last holder of the agent's output is gone."""
        while os.read(self.output, 65536):
            pass

    def final(self) -> dict[str, Any]:
        """Wait for the end; return the last message to the front."""
        if self._final is None:
            with open(self._ended, "rb", closefd=False) as file:
                text = file.read()
            os.waitpid(self.pid, 0)
            self._final = json.loads(text)
        return self._final

    def close(self) -> None:
        if self._final is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._ended)
        os.close(self.output)
        self.front.close()
        self.report.close()


def _serve(prepared: Preparation, session: SessionDir, stdio: Stdio, lines: tuple[Channel, Channel, int]) -> NoReturn:
    agent_line, supervisor_line, ended = lines
    final: dict[str, Any] = {"code": 125, "error": "no end"}
    try:
        started = launch.start(plan_of(prepared, stdio), agent_line)
        orders = Orders(prepared, session.id, str(session.path))
        started.map_ids(prepared.identity)
        final = supervisor._serve(orders, started, supervisor_line, has_person=False)
    except SandboxError as error:
        final = {"code": error.exit_code, "error": str(error)}
    except BaseException:  # noqa: BLE001 - told to the test
        final = {"code": 125, "error": traceback.format_exc()}
    finally:
        os.write(ended, json.dumps(final).encode())
        os._exit(0)


def _title(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")
    except OSError:
        return b""

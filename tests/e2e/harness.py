"""Run real agents through the real command, as root and as an ordinary user, with a bound on everything.

A `Sandbox` is a user with a home, a state directory and a workspace of its own, all temporary. Whatever is started is
ended by its own pid, on success, failure and time-out alike.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gmcp_sandbox.audit.verify import State, verify

ROOT = Path(__file__).resolve().parents[2]
AGENTS = Path(__file__).resolve().parent / "agents"
ORDINARY_UID = 1000
SECONDS = 60
_AS_USER = Path(__file__).with_name("as_user.py")
_COMMAND = "import sys; sys.path.insert(0, {!r}); from gmcp_sandbox.cli.main import main; sys.exit(main())"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNASKED = '[probe]\ntools = ["mcp.call"]\n'
"""Of a profile: the gate, which errs now and then, is not asked about what a test is not about."""
GIT_CONFIG = """\
[user]
    name = Ada
    email = ada@example.com
[init]
    defaultBranch = main
[pack]
    threads = 1
[gc]
    auto = 0
[protocol "file"]
    allow = always
"""


class Hung(AssertionError):
    """Something did not end in time."""


def wait_until(claim: Callable[[], Any], what: str, seconds: float = 10) -> Any:
    """Look every few milliseconds until the claim is truthy; return it."""
    deadline = time.monotonic() + seconds
    while not (found := claim()):
        if time.monotonic() > deadline:
            raise Hung(f"{what}: not within {seconds} seconds")
        select.select([], [], [], 0.005)
    return found


# ----------------------------------------------------------------------------------------------------------- processes


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with its number."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        fields = _stat_fields(pid)
        return None if fields is None else cls(pid, int(fields[19]))

    @property
    def is_gone(self) -> bool:
        """True when it has ended, whether or not it was waited for."""
        fields = _stat_fields(self.pid)
        return fields is None or int(fields[19]) != self.started or fields[0] in "ZX"

    def kill(self, number: int = signal.SIGKILL) -> None:
        if not self.is_gone:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    @property
    def namespaces(self) -> dict[str, str]:
        names = {}
        for name in ("mnt", "pid", "net", "user", "ipc", "uts", "cgroup"):
            with suppress(OSError):
                names[name] = os.readlink(f"/proc/{self.pid}/ns/{name}")
        return names


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def descendants(pid: int) -> list[Process]:
    """Return everything below a process, parents first."""
    found = []
    waiting = [pid]
    while waiting:
        each = waiting.pop(0)
        with suppress(OSError):
            for task in os.listdir(f"/proc/{each}/task"):
                with suppress(OSError):
                    children = Path(f"/proc/{each}/task/{task}/children").read_text().split()
                    waiting += [int(child) for child in children]
                    found += [process for child in children if (process := Process.of(int(child)))]
    return found


def ticks() -> int:
    """Return the time in which the kernel counts the starts of processes (proc(5), starttime)."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def namespaces_in_use(until: int) -> set[str]:
    """Return every namespace that some living process is in that started up to then.

    Numbers of namespaces that have ended are used again by later ones. A process that has ended and was not waited for
    holds what it was in until its parent, which may be the host's process 1, looks after it.
    """
    used = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        process = Process.of(int(pid))
        if process is None or process.started > until or process.is_gone:
            continue
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/ns"):
                with suppress(OSError):
                    used.add(os.readlink(f"/proc/{pid}/ns/{name}"))
    return used


# ------------------------------------------------------------------------------------------------------------- results


@dataclass(frozen=True)
class Result:
    """What a command did. `log` is the session's directory, None when none was made."""

    code: int
    out: bytes
    err: str
    log: Path | None = None
    status: tuple[dict[str, Any], ...] = ()

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def session(self) -> str:
        assert self.log is not None, self.err
        return self.log.name

    @property
    def records(self) -> list[dict[str, Any]]:
        """All records, each repeated decision spelled out."""
        assert self.log is not None, self.err
        return read_records(self.log)

    @property
    def denials(self) -> list[dict[str, Any]]:
        return [record for record in self.records if record.get("outcome") == "deny"]


def read_records(log: Path) -> list[dict[str, Any]]:
    """Return the records of a session that are whole."""
    records: list[dict[str, Any]] = []
    full: dict[int, dict[str, Any]] = {}
    for line in (log / "audit.jsonl").read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        record = json.loads(line)
        if record["kind"] == "call":
            full[record["seq"]] = record
        elif record["kind"] == "again":
            record = {**full[record["ref"]], **record}
        records.append(record)
    return records


@dataclass
class Running:
    """A command under way. Ends with the `with` block, by force if need be."""

    process: subprocess.Popen[bytes]
    status_file: Path
    sandbox: Sandbox
    seen: bytes = b""
    _family: list[Process] = field(default_factory=list)

    @property
    def status(self) -> tuple[dict[str, Any], ...]:
        return tuple(json.loads(line) for line in self.status_file.read_text().splitlines() if line.startswith("{"))

    @property
    def log(self) -> Path | None:
        """The session's directory, once there is one."""
        status = self.status
        return self.sandbox.sessions / str(status[0]["session"]) if status else None

    def read_until(self, marker: bytes, seconds: float = SECONDS) -> bytes:
        """Read the agent's output until it holds the marker; return all that was read so far."""
        assert self.process.stdout is not None
        return self._read(self.process.stdout, lambda: marker in self.seen, repr(marker), seconds)

    def _read(self, stream: IO[bytes], is_enough: Callable[[], bool], what: str, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        while not is_enough():
            ready, _, _ = select.select([stream], [], [], max(0, deadline - time.monotonic()))
            part = os.read(stream.fileno(), 65536) if ready else b""
            if not part:
                raise Hung(f"waiting for {what}; got {self.seen!r}; stderr {self.errors()!r}")
            self.seen += part
        return self.seen

    def errors(self) -> str:
        """Return what stderr holds now."""
        assert self.process.stderr is not None
        text = b""
        while select.select([self.process.stderr], [], [], 0)[0] and (
            part := os.read(self.process.stderr.fileno(), 65536)
        ):
            text += part
        return text.decode(errors="replace")

    def family(self) -> list[Process]:
        """Return everything below the front: supervisor first, then stage, process 1, the agent and its children."""
        self._family = list(dict.fromkeys([*self._family, *descendants(self.process.pid)]))
        return self._family

    @property
    def supervisor(self) -> Process:
        """The supervisor, as the session's own file names it."""
        log = wait_until(lambda: self.log, "a session")
        meta = wait_until(lambda: _json(log / "meta.json"), "the session's meta.json")
        found = Process.of(meta["supervisor"]["pid"])
        assert found is not None
        return found

    def send(self, data: bytes, *, close: bool = False) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()
        if close:
            self.process.stdin.close()

    def end(self, seconds: float = SECONDS) -> Result:
        """Wait for the end."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill_all()
            out, err = self.process.communicate(timeout=10)
            shown = (self.seen + out)[-2000:], err[-4000:].decode(errors="replace")
            raise Hung(f"{self.process.args!r} did not end within {seconds} seconds; out, err: {shown}") from None
        return Result(self.process.returncode, self.seen + out, err.decode(errors="replace"), self.log, self.status)

    def kill_all(self) -> None:
        """Kill the front and everything below, by pid."""
        family = self.family()
        self.process.kill()
        for process in family:
            process.kill()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill_all()
            self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


# ------------------------------------------------------------------------------------------------------------- sandbox


class Sandbox:
    """A user who runs agents."""

    def __init__(self, mode: str, base: Path) -> None:
        self.mode = mode
        self.base = base
        self.product = ROOT
        """Where the product is imported from."""
        self.uid = 0 if mode == "root" else (os.geteuid() or ORDINARY_UID)
        self.home, self.state, self.workspace = base / "home", base / "state", base / "work"
        (base / "ns").mkdir()
        for directory in (self.home, self.state, self.workspace):
            directory.mkdir(mode=0o755)
        (self.home / ".gitconfig").write_text(GIT_CONFIG)
        self.own()

    @classmethod
    @contextmanager
    def make(cls, mode: str) -> Iterator[Sandbox]:
        """Make one, and remove its files at the end. Not below /tmp: that is a scratch tree of the view."""
        top = "/srv" if os.access("/srv", os.W_OK) else Path.home()
        base = Path(tempfile.mkdtemp(prefix="gmcp-e2e-", dir=top))
        base.chmod(0o755)
        try:
            yield cls(mode, base)
        finally:
            shutil.rmtree(base, onerror=_make_removable)  # type: ignore[arg-type,unused-ignore]

    @property
    def sessions(self) -> Path:
        return self.state / "gmcp-sandbox" / "sessions"

    def own(self, *paths: Path) -> None:
        """Give files that the test made to the user."""
        if os.geteuid() != 0 or self.uid == 0:
            return
        for top in paths or (self.home, self.state, self.workspace):
            os.chown(top, self.uid, self.uid, follow_symlinks=False)
            for directory, directories, files in os.walk(top):
                for name in (*directories, *files):
                    os.chown(os.path.join(directory, name), self.uid, self.uid, follow_symlinks=False)

    def write(self, name: str, text: str | bytes, mode: int = 0o644) -> Path:
        """Make a file in the workspace."""
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        self.own(self.workspace)
        return path

    def profile(self, text: str, name: str = "mine.toml") -> str:
        """Make a profile beside the workspace; return its path. The gate is asked where the text says so."""
        path = self.base / name
        path.write_text(text if "[probe]" in text else f"{text}\n{UNASKED}")
        return str(path)

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
            "HOME": str(self.home),
            "USER": "ada",
            "LOGNAME": "ada",
            "LANG": "C.UTF-8",
            "XDG_STATE_HOME": str(self.state),
            "GIT_AUTHOR_DATE": "2024-01-02T03:04:05Z",
            "GIT_COMMITTER_DATE": "2024-01-02T03:04:05Z",
            "PYTHONDONTWRITEBYTECODE": "1",
            **(env or {}),
        }

    def _as_user(self, argv: Sequence[str]) -> list[str]:
        if os.geteuid() == self.uid:
            return list(argv)
        needed = ":".join(dict.fromkeys((str(ROOT), sys.prefix, sys.base_prefix, str(self.base))))
        return [sys.executable, "-B", str(_AS_USER), str(self.uid), str(self.base / "ns"), needed, "--", *argv]

    def gmcp(self, *words: str) -> list[str]:
        """Return the argv of the product's command."""
        return [sys.executable, "-c", _COMMAND.format(str(self.product)), *words]

    @contextmanager
    def start(
        self,
        *words: str,
        workspace: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        outer: Sequence[str] = (),
        has_terminal: bool = False,
    ) -> Iterator[Running]:
        """Start `gmcp-sandbox exec` with these words.

        Args:
            outer: Put before everything, as the tests' own user.
            has_terminal: Whether one of the streams is a terminal that is to control the new process.
        """
        handle, name = tempfile.mkstemp(dir=self.base)
        try:
            argv = [*outer, *self._as_user(self.gmcp("exec", "--json-status", str(handle), *words))]
            process = subprocess.Popen(
                argv,
                cwd=workspace or self.workspace,
                env=self.environment(env),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(handle,),
                start_new_session=True,
                preexec_fn=_take_terminal if has_terminal else None,  # noqa: PLW1509 - there is one thread
            )
        finally:
            os.close(handle)
        running = Running(process, Path(name), self)
        try:
            yield running
        finally:
            running.close()

    def exec(
        self,
        *command: str,
        profile: str | None = None,
        options: Sequence[str] = (),
        stdin: bytes | None = None,
        timeout: float = SECONDS,
        is_whole: bool = True,
        **how: Any,
    ) -> Result:
        """Run a command inside, to its end. The log must be whole then, unless the test says that it cannot be."""
        words = [*(("-p", profile) if profile else ()), *options, "--", *command]
        if stdin is not None:
            with tempfile.TemporaryFile() as source:
                source.write(stdin)
                source.seek(0)
                with self.start(*words, stdin=source, **how) as running:
                    result = running.end(timeout)
        else:
            with self.start(*words, **how) as running:
                result = running.end(timeout)
        if is_whole and result.log is not None:
            found = verify(str(result.log))
            assert found.state is State.WHOLE, (found, result.err)
        return result

    def native(
        self, *argv: str, env: Mapping[str, str] | None = None, timeout: float = SECONDS, workspace: Path | None = None
    ) -> Result:
        """Run a command outside, as the same user with the variables that it would see inside."""
        return self._run(argv, {"TMPDIR": "/tmp", "GMCP_SANDBOX": "1", **(env or {})}, timeout, workspace)

    def command(self, *words: str, env: Mapping[str, str] | None = None, timeout: float = SECONDS) -> Result:
        """Run another command of the product."""
        return self._run(self.gmcp(*words), env, timeout, None)

    def _run(
        self, argv: Sequence[str], env: Mapping[str, str] | None, timeout: float, workspace: Path | None
    ) -> Result:
        done = subprocess.run(
            self._as_user(argv),
            cwd=workspace or self.workspace,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def _take_terminal() -> None:
    terminal = next(number for number in (0, 1, 2) if os.isatty(number))
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def _make_removable(_function: Any, path: str, _error: Any) -> None:
    """Try once more after the directory was opened; a test may leave closed ones."""
    with suppress(OSError):
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)

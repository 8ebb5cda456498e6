"""The state directory: `$XDG_STATE_HOME/gmcp-sandbox`, where sessions leave their audit logs.

    sessions/<id>/audit.jsonl   the record
    sessions/<id>/meta.json     what the session is
    sessions/<id>/scratch/      trees that die with the session
    agents/<name>/home/         home directories that a profile keeps
    keys/                       the key that signs the logs, made at the first session
    ledger.jsonl                one signed line for every sealed session
    trusted/                    which profiles of workspaces the user has approved
    derived                     labels of what sessions wrote after they read private or secret files
    mcp/                        what MCP tools looked like when they were approved

Guarantees: every directory is the caller's own and closed to others, else nothing is used. `meta.json` is whole or
absent. Only scratch trees of dead sessions are ever removed here, never a log.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

import msgspec

from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.monitor.procfacts import ProcessIdentity
from gmcp_sandbox.monitor.trees import remove_tree

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
KEYS = "keys"
DERIVED = "derived"
TRUSTED = "trusted"
_ID = re.compile(r"[0-9a-f]{8}")
KEY_BYTES = 32
"""Of the key for fake addresses."""
_AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Meta(msgspec.Struct, frozen=True):
    """What a session is.

    Attributes:
        agent: Name of the agent.
        profile: Name of the profile; `digest` says which one exactly.
        supervisor: The process that guards the session; it is alive as long as the session is.
        argv: The agent's command.
        started_ns: When, nanoseconds since the epoch.
        workspace: The working directory.
        ended_ns: When it ended in order; None while it runs, and after a crash.
        exit_code: Of the agent.
        profile_path: The profile's file; None for a shipped one.
    """

    agent: str
    profile: str
    digest: str
    supervisor: ProcessIdentity
    argv: tuple[str, ...]
    started_ns: int
    workspace: str
    ended_ns: int | None = None
    exit_code: int | None = None
    profile_path: str | None = None


class SessionDir(msgspec.Struct, frozen=True):
    """One session's directory."""

    id: str
    path: Path

    @property
    def state(self) -> Path:
        """The state directory that it lies in."""
        return self.path.parent.parent

    @property
    def log(self) -> Path:
        """The first segment of the audit log."""
        return self.path / "audit.jsonl"

    @property
    def scratch(self) -> Path:
        """Where scratch trees may be made."""
        return self.path / "scratch"

    def open(self) -> int:
        """Return a new descriptor of the directory; the caller closes it."""
        return os.open(self.path, _DIRECTORY)

    def write_meta(self, meta: Meta) -> None:
        """Replace `meta.json` in one step.

        Raises:
            HostError: The disk is full or the directory gone.
        """
        try:
            replace_file(self.path / "meta.json", msgspec.json.encode(_printable(meta)))
        except OSError as error:
            raise HostError(f"cannot write {self.path / 'meta.json'}", cause=error.strerror or str(error)) from None

    def meta(self) -> Meta | None:
        """Return what the session is, or None when its file is missing or broken."""
        try:
            return msgspec.json.decode((self.path / "meta.json").read_bytes(), type=Meta)
        except (OSError, msgspec.MsgspecError):
            return None

    def is_running(self) -> bool:
        """True while its supervisor lives."""
        meta = self.meta()
        return meta is not None and meta.ended_ns is None and meta.supervisor.is_alive()


class StateDir:
    """The state directory of the calling user."""

    def __init__(self, path: Path) -> None:
        """Open or create it.

        Raises:
            HostError: It cannot be made, belongs to another user, or others may write to it.
        """
        self.path = path
        self._sessions = path / "sessions"
        self._agents = path / "agents"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for directory in (path, self._sessions, self._agents, path / KEYS, path / TRUSTED):
                _own_directory(directory)
        except OSError as error:
            raise HostError(f"cannot use the state directory {path}", cause=error.strerror or str(error)) from None

    @classmethod
    def open(cls, environ: Mapping[str, str] | None = None) -> StateDir:
        """Open or create the state directory that the environment names (None: this process's)."""
        return cls(state_root(environ))

    def create_session(self) -> SessionDir:
        """Make the directory of a new session."""
        while True:
            name = os.urandom(4).hex()
            try:
                (self._sessions / name).mkdir(mode=0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise HostError("cannot make a session", cause=error.strerror or str(error)) from None
            return SessionDir(name, self._sessions / name)

    def sessions(self, *, unlike: Container[str] = ()) -> list[SessionDir]:
        """Return all sessions but those with these ids, in the order in which their directories changed."""
        found = [session for session in self._each() if session.id not in unlike]
        return sorted(found, key=_changed_ns)

    def _each(self) -> Iterator[SessionDir]:
        with os.scandir(self._sessions) as entries:
            for entry in entries:
                if _ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    yield SessionDir(entry.name, self._sessions / entry.name)

    def find(self, prefix: str) -> SessionDir:
        """Return the session whose id starts so.

        Raises:
            UsageError: None does, or several do.
        """
        found = sorted((session for session in self._each() if session.id.startswith(prefix)), key=lambda one: one.id)
        if len(found) == 1 and prefix:
            return found[0]
        if not prefix or not found:
            raise UsageError(f"no session {prefix!r}", hint="gmcp-sandbox ps --all lists them")
        raise UsageError(f"{prefix!r} is not unique", hint=f"one of {', '.join(one.id for one in found)}")

    def home_of(self, agent: str) -> Path:
        """Return the kept home directory of an agent, made when it is missing."""
        if not _AGENT.fullmatch(agent):
            raise UsageError(f"{agent!r} is no name for an agent", hint="letters, digits, dot, dash and underscore")
        for directory in (self._agents / agent, self._agents / agent / "home"):
            _own_directory(directory)
        return self._agents / agent / "home"

    def pins(self) -> Path:
        """Return the directory of the pins of MCP tools, made when it is missing.

        Raises:
            HostError: It cannot be made, belongs to another user, or others may write to it.
        """
        path = self.path / "mcp"
        try:
            _own_directory(path)
        except OSError as error:
            raise HostError(f"cannot use {path}", cause=error.strerror or str(error)) from None
        return path

    def names_key(self) -> bytes:
        """Return the key by which fake addresses are derived from names, made when it is missing.

        Raises:
            HostError: It cannot be made or read, or is no key.
        """
        path = self.path / "names.key"
        try:
            if not path.exists():
                _make_file(path, os.urandom(KEY_BYTES))
            key = path.read_bytes()
        except OSError as error:
            raise HostError(f"cannot use {path}", cause=error.strerror or str(error)) from None
        if len(key) != KEY_BYTES:
            raise HostError(f"{path} is no key", cause=f"it has {len(key)} bytes", hint=f"rm {path}")
        return key

    def collect(self) -> list[str]:
        """Remove the scratch trees of sessions that are dead; return their ids."""
        collected = []
        for session in self._each():
            if not os.path.lexists(f"{session.path}/scratch") or session.is_running():  # the cheap question first
                continue
            descriptor = session.open()
            try:
                remove_tree("scratch", dir_fd=descriptor)
            except OSError:
                continue  # it is tried again at the next start
            finally:
                os.close(descriptor)
            collected.append(session.id)
        return collected


def state_root(environ: Mapping[str, str] | None = None) -> Path:
    """Return where the state directory of a user is (XDG Base Directory Specification); None: of this process."""
    environ = os.environ if environ is None else environ
    state = environ.get("XDG_STATE_HOME", "")
    top = (
        Path(state) if state.startswith("/") else Path(environ.get("HOME") or os.path.expanduser("~")) / ".local/state"
    )
    return top / "gmcp-sandbox"


def _changed_ns(session: SessionDir) -> int:
    try:
        return session.path.stat(follow_symlinks=False).st_ctime_ns
    except FileNotFoundError:
        return 0  # removed in this moment


def _own_directory(path: Path) -> None:
    """Make a directory, or make sure that nobody else can have put anything into it."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    descriptor = os.open(path, _DIRECTORY)
    try:
        facts = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if facts.st_uid != os.geteuid():
        raise HostError(f"{path} belongs to another user", hint="set XDG_STATE_HOME to a directory of your own")
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise HostError(f"{path} can be written by others", hint=f"chmod 700 {path}")


def _make_file(path: Path, content: bytes) -> None:
    """Make a file in one step; one that is there already, because another session was quicker, stays."""
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Put a file into the place of another in one step, for the caller alone to read. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _printable(meta: Meta) -> Meta:
    """Names that are not UTF-8 cannot stand in JSON; show their bytes escaped."""

    def clean(text: str) -> str:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    return msgspec.structs.replace(
        meta, argv=tuple(clean(word) for word in meta.argv), workspace=clean(meta.workspace), agent=clean(meta.agent)
    )

"""What an operator's tools looked like when they were approved, kept across sessions.

    <state>/mcp/<server>-<identity>.json   one server as one profile describes it: pins, and what waits for approval

A pin is a whole definition (name, title, description, schemas, annotations, whatever stands in it) in canonical JSON,
and its digest. A profile that describes a server of the same name in another way has another file.

Invariants:
- A file is whole, 0600, the operator's own and in no view. One that is not is an error, never "nothing pinned yet".
- Changes are made under a lock and take a file's place in one step: sessions and `mcp approve` may run side by side.
- Pins and waiting definitions of one server are bounded in number and length.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from blake3 import blake3

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.monitor.statedir import replace_file
from gmcp_sandbox.policy.mcp import McpServer

FORMAT = 1
MOST_TOOLS = 512
LONGEST_DEFINITION = 256 << 10
INSTRUCTIONS = "(instructions)"
"""The name under which a server's instructions to the model are pinned; no tool has it."""
_LARGEST = 64 << 20
_LOCK = ".lock"


class Pin(msgspec.Struct, frozen=True, omit_defaults=True):
    """One approved definition.

    Attributes:
        digest: Blake3 of the definition.
        definition: Canonical JSON.
        at_ns: When it was approved.
        how: `first-use`, or `approved` by a person.
        accepted: What inspection had against it when a person approved it.
    """

    digest: str
    definition: str
    at_ns: int
    how: str
    accepted: tuple[str, ...] = ()


class Waiting(msgspec.Struct, frozen=True):
    """One definition that may not be used before somebody has approved it."""

    digest: str
    definition: str
    at_ns: int
    reasons: tuple[str, ...]


class PinFile(msgspec.Struct, frozen=True):
    """One server.

    Attributes:
        about: Its command or address, for people.
        is_seen: It has been listed to the end once; a tool that comes later is new.
    """

    server: str
    identity: str
    about: str = ""
    is_seen: bool = False
    pins: dict[str, Pin] = {}
    waiting: dict[str, Waiting] = {}
    format: int = FORMAT

    def approved(self, name: str, at_ns: int) -> PinFile:
        """Return the file after a person has approved what waits under a name."""
        waiting = self.waiting[name]
        pin = Pin(waiting.digest, waiting.definition, at_ns, "approved", waiting.reasons)
        left = {each: value for each, value in self.waiting.items() if each != name}
        return msgspec.structs.replace(self, pins={**self.pins, name: pin}, waiting=left)


def digest_of(definition: str) -> str:
    """Return the digest by which a canonical definition is pinned."""
    return blake3(definition.encode("utf-8")).hexdigest()


class PinStore:
    """The files of one operator."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, server: McpServer) -> PinFile:
        """Return what is pinned of a server.

        Raises:
            HostError: The file is broken, or not the operator's own.
        """
        path = self._path(server)
        fresh = PinFile(server.name, server.identity, " ".join(server.command) or (server.url or ""))
        found = _read(path)
        if found is None:
            return fresh
        if (found.server, found.identity) != (server.name, server.identity):
            raise _broken(path, "it is about another server")
        return msgspec.structs.replace(found, about=fresh.about)

    def update(self, server: McpServer, change: Callable[[PinFile], PinFile]) -> PinFile:
        """Change what is pinned of a server, in one step, and return it.

        Raises:
            HostError: It cannot be read or written.
        """
        with self._locked():
            before = self.read(server)
            after = change(before)
            if after != before or not self._path(server).exists():
                self._write(self._path(server), after)
            return after

    def files(self) -> list[PinFile]:
        """Return all files, by name of the server.

        Raises:
            HostError: One is broken.
        """
        found = [_read(path) for path in sorted(self._directory.glob("*.json"))]
        return [each for each in found if each is not None]

    def change(self, file: PinFile, change: Callable[[PinFile], PinFile]) -> PinFile:
        """As `update`, for a server that no profile at hand describes."""
        return self.update(McpServer(file.server, file.identity, command=tuple(file.about.split(" "))), change)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = -1
        try:
            descriptor = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            raise HostError(f"cannot lock {self._directory}", cause=error.strerror or str(error)) from None
        try:
            yield
        finally:
            os.close(descriptor)

    def _path(self, server: McpServer) -> Path:
        return self._directory / f"{server.name}-{server.identity[:16]}.json"

    def _write(self, path: Path, file: PinFile) -> None:
        try:
            replace_file(path, msgspec.json.encode(file))
        except OSError as error:
            raise HostError(f"cannot write {path}", cause=error.strerror or str(error)) from None


def _read(path: Path) -> PinFile | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _broken(path, error.strerror or str(error)) from None
    with open(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            raise _broken(path, "it is not a file of your own that is closed to others", f"chmod 600 {path}")
        data = file.read(_LARGEST + 1)
    try:
        found = msgspec.json.decode(data, type=PinFile)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _broken(path, "it is damaged") from None
    if found.format != FORMAT or any(digest_of(pin.definition) != pin.digest for pin in found.pins.values()):
        raise _broken(path, "it is damaged, or of another version")
    return found


def _broken(path: Path, cause: str, hint: str = "") -> HostError:
    hint = hint or f"rm {path} (and approve the server's tools again)"
    return HostError(f"cannot use the pins of MCP tools in {path}", cause=cause, hint=hint)

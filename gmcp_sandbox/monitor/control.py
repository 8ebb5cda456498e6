"""The control socket of a session: `control.sock` in its directory, for its owner's programs. JSON lines.

A request is `{"id": 1, "do": "status", …}`, its reply `{"id": 1, "result": …}` or `{"id": 1, "error": {"what", "cause",
"hint"}}`. After `watch`, lines `{"event": "asks", "asks": […]}` come whenever the open questions change.

| do | with | result |
|---|---|---|
| `status` | | session, agent, profile, counts, rates, taint, tier, epoch, open questions |
| `asks` | | the open questions |
| `content` | `ask` | what the call would write or send, base64, and whether that is all |
| `change` | `ask` | what the file says now and would say then (`before`, `after`, base64), or null |
| `answer` | `ask`, `allow`, `pattern`? , `by`? | |
| `watch` | | the open questions, then events |
| `reload` | | reads the profile again; the old and new digest |
| `stop` | | ends the session |

Guarantees:
- Only processes of the session's owner (or root) are heard. No agent can reach the socket: no view shows it.
- A client that sends nonsense, too much, or reads too slowly loses its connection and harms nobody else.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import trio

from gmcp_sandbox.audit.encode import JSON, encode
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.errors import SandboxError, UsageError
from gmcp_sandbox.monitor.approvals import SHOWN_CONTENT, Approvals

NAME = "control.sock"
MAX_LINE = 64 << 10
MAX_CLIENTS = 32
_SLOW_SECONDS = 5.0


class Session(Protocol):
    """What a control socket controls."""

    def status(self) -> dict[str, JSON]:
        """Return what `ps` shows."""

    def change(self, call: ToolCall) -> tuple[bytes, bytes] | None:
        """Return what a file says now and would say after a call; None where that cannot be told."""

    async def reload(self) -> dict[str, JSON]:
        """Read the profile again. Raises SandboxError, and keeps the old one, when it is wrong."""

    def stop(self) -> None:
        """End the session."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line from a client."""

    do: str
    id: int = 0
    ask: int | None = None
    allow: bool | None = None
    pattern: str | None = None
    by: str | None = None


def listen(directory: int) -> socket.socket:
    """Make the socket in a directory (descriptor), whose path may be longer than a socket's address can be.

    Raises:
        OSError: It cannot be made.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        sock.bind(f"/proc/self/fd/{directory}/{NAME}")
        os.chmod(NAME, 0o600, dir_fd=directory)
        sock.listen(MAX_CLIENTS)
    except OSError:
        sock.close()
        raise
    return sock


async def serve(sock: socket.socket, approvals: Approvals, session: Session) -> None:
    """Serve clients until cancelled; the socket is closed then."""
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
    clients = trio.Semaphore(MAX_CLIENTS)
    async with listener, trio.open_nursery() as nursery:
        while True:
            await clients.acquire()
            stream = await listener.accept()
            nursery.start_soon(_serve_one, stream, approvals, session, clients.release)


async def _serve_one(
    stream: trio.SocketStream, approvals: Approvals, session: Session, done: Callable[[], None]
) -> None:
    try:
        async with stream:
            if _is_owner(stream):
                async with trio.open_nursery() as nursery:
                    await _Client(stream, approvals, session, nursery).run()
                    nursery.cancel_scope.cancel()
    except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
        pass  # it went away, or reads too slowly
    finally:
        done()


def _is_owner(stream: trio.SocketStream) -> bool:
    facts = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", facts)
    return uid in (os.geteuid(), 0)


class _Client:
    """One connection."""

    def __init__(
        self, stream: trio.SocketStream, approvals: Approvals, session: Session, nursery: trio.Nursery
    ) -> None:
        self._stream = stream
        self._approvals = approvals
        self._session = session
        self._nursery = nursery
        self._writing = trio.Lock()
        self._is_watching = False

    async def run(self) -> None:
        """Answer requests until the client is gone or says nonsense."""
        data = b""
        async for part in self._stream:
            data += part
            *lines, data = data.split(b"\n")
            for line in lines:
                if not await self._obey(line):
                    return
            if len(data) > MAX_LINE:
                return

    async def _obey(self, line: bytes) -> bool:
        """Answer one line; return whether to go on."""
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            await self._send({"id": 0, "error": {"what": f"no request: {error}"[:500], "cause": "", "hint": ""}})
            return False
        try:
            handler = self._handler(request.do)
            await self._send({"id": request.id, "result": await handler(request)})
        except SandboxError as error:
            said = {"what": str(error), "cause": error.cause, "hint": error.hint}
            await self._send({"id": request.id, "error": said})
        return True

    def _handler(self, name: str) -> Callable[[Request], Awaitable[JSON]]:
        handlers: dict[str, Callable[[Request], Awaitable[JSON]]] = {
            "status": self._status,
            "asks": self._asks,
            "content": self._content,
            "change": self._change,
            "answer": self._answer,
            "watch": self._watch,
            "reload": self._reload,
            "stop": self._stop,
        }
        if name not in handlers:
            raise UsageError(f"nothing is called {name!r} here", hint=f"one of {', '.join(handlers)}")
        return handlers[name]

    async def _send(self, message: dict[str, JSON]) -> None:
        with trio.fail_after(_SLOW_SECONDS):
            async with self._writing:
                await self._stream.send_all(encode(message) + b"\n")

    async def _status(self, _: Request) -> JSON:
        return {**self._session.status(), "asks": len(self._approvals.pending())}

    async def _asks(self, _: Request) -> JSON:
        return self._approvals.pending()

    async def _content(self, request: Request) -> JSON:
        content = self._approvals.content(_number(request))
        if content is None:
            return None
        return {"base64": base64.b64encode(content).decode(), "is_cut": len(content) >= SHOWN_CONTENT}

    async def _change(self, request: Request) -> JSON:
        change = self._session.change(self._approvals.call(_number(request)))
        if change is None:
            return None
        before, after = (base64.b64encode(side).decode() for side in change)
        return {"before": before, "after": after}

    async def _answer(self, request: Request) -> JSON:
        if request.allow is None:
            raise UsageError("an answer says allow: true or false")
        by = request.by or "the control socket"
        self._approvals.answer(_number(request), allow=request.allow, by=by[:200], pattern=request.pattern)
        return None

    async def _watch(self, _: Request) -> JSON:
        if not self._is_watching:
            self._is_watching = True
            await self._nursery.start(self._tell_of_asks)  # what comes after the reply is told from here on
        return self._approvals.pending()

    async def _tell_of_asks(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Send the open questions whenever they changed; several changes while sending are one."""
        changed = trio.Event()

        def note() -> None:
            changed.set()

        self._approvals.watch(note)
        task_status.started()
        try:
            while True:
                await changed.wait()
                changed = trio.Event()
                await self._send({"event": "asks", "asks": self._approvals.pending()})
        finally:
            self._approvals.unwatch(note)

    async def _reload(self, _: Request) -> JSON:
        return await self._session.reload()

    async def _stop(self, _: Request) -> JSON:
        self._session.stop()
        return None


def _number(request: Request) -> int:
    if request.ask is None:
        raise UsageError("`ask` names the question")
    return request.ask

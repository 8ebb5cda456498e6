"""A client for the control socket of a running session, for programs and for our own commands.

    from gmcp_sandbox.client import Client

    with Client.of_session("7f3a") as client:
        for ask in client.asks():
            client.answer(ask["id"], allow=ask["tool"] == "fs.write", by="my policy bot")

The protocol is documented in `gmcp_sandbox.monitor.control`. Calls block, each at most `timeout` seconds.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

from gmcp_sandbox.errors import HostError, UsageError

_NAME = "control.sock"
_MAX_REPLY = 64 << 20
_NO_REQUEST = 0
"""Id of the reply to a line that was no request."""


class Client:
    """One connection. Close it, or use it as a context."""

    def __init__(self, directory: str, *, timeout: float = 5.0) -> None:
        """Connect to the session whose state directory this is.

        Raises:
            HostError: The session does not run, or belongs to another user.
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(timeout)
        self._data = b""
        self._number = 0
        self._events: list[dict[str, Any]] = []
        try:
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                self._socket.connect(f"/proc/self/fd/{fd}/{_NAME}")
            finally:
                os.close(fd)
        except OSError as error:
            self._socket.close()
            cause = error.strerror or str(error)
            raise HostError("the session cannot be reached", cause=cause, hint="gmcp-sandbox ps") from None

    @classmethod
    def of_session(cls, prefix: str, *, timeout: float = 5.0) -> Client:
        """Connect to the session whose id starts so. Raises UsageError, HostError."""
        from gmcp_sandbox.monitor.statedir import StateDir

        return cls(str(StateDir.open().find(prefix).path), timeout=timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor, to wait on it."""
        return self._socket.fileno()

    @property
    def has_more(self) -> bool:
        """True when something that came is not yet taken, so that waiting on the descriptor would wait too long."""
        return bool(self._events) or b"\n" in self._data

    def status(self) -> dict[str, Any]:
        """Return what the session is doing."""
        return dict(self.call("status"))

    def asks(self) -> list[dict[str, Any]]:
        """Return the open questions, the oldest first."""
        return list(self.call("asks"))

    def content(self, ask: int) -> tuple[bytes, bool] | None:
        """Return what the call would write or send, and whether it was cut; None when there is none."""
        import base64

        found = self.call("content", ask=ask)
        return None if found is None else (base64.b64decode(found["base64"]), found["is_cut"])

    def change(self, ask: int) -> tuple[bytes, bytes] | None:
        """Return what the file says now and what it would say then; None when that cannot be told."""
        import base64

        found = self.call("change", ask=ask)
        return None if found is None else (base64.b64decode(found["before"]), base64.b64decode(found["after"]))

    def answer(self, ask: int, *, allow: bool, pattern: str | None = None, by: str | None = None) -> None:
        """Answer a question; with a pattern, an allow holds for the rest of the session. Raises UsageError."""
        self.call("answer", ask=ask, allow=allow, pattern=pattern, by=by)

    def watch(self) -> Iterator[list[dict[str, Any]]]:
        """Return the open questions now and whenever they change, until the session ends."""
        self._socket.settimeout(None)
        yield list(self.call("watch"))
        while True:
            event = self._events.pop(0) if self._events else self._line()
            if event is None:
                return
            if event.get("event") == "asks":
                yield event["asks"]

    def call(self, do: str, **fields: Any) -> Any:
        """Send a request and return its result.

        Raises:
            UsageError: The session refuses it.
            HostError: The session is gone.
        """
        self._number += 1
        request = {"id": self._number, "do": do, **{key: value for key, value in fields.items() if value is not None}}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise HostError("the session is gone", cause=error.strerror or str(error)) from None
        while (reply := self._line()) is not None:
            if "event" in reply:
                self._events.append(reply)
            elif reply["id"] not in (self._number, _NO_REQUEST):
                continue  # the late reply to a request that was given up
            elif "error" in reply:
                said = reply["error"]
                raise UsageError(said["what"], cause=said["cause"], hint=said["hint"])
            else:
                return reply["result"]
        raise HostError("the session ended before it answered")

    def _line(self) -> dict[str, Any] | None:
        """Return the next line, or None at the end of the session. Raises HostError."""
        while b"\n" not in self._data:
            try:
                part = self._socket.recv(65536)
            except TimeoutError:
                raise HostError("the session does not answer", hint="gmcp-sandbox ps") from None
            except OSError:
                part = b""
            if not part:
                return None
            self._data += part
            if len(self._data) > _MAX_REPLY:
                raise HostError("the session's answer has no end")
        line, _, self._data = self._data.partition(b"\n")
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict) or not ("event" in reply or "id" in reply):
            raise HostError("the session's answer makes no sense", cause=repr(line[:100]))
        return reply

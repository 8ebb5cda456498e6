"""Listening sockets in the gateway's namespace, one for each port that is dialled, and what they accept."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Final

import trio

from gmcp_sandbox.net import sockets
from gmcp_sandbox.net.flows import FlowKey

MOST: Final = 64
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS = 0.1

Accepted = Callable[[FlowKey, socket.socket], None]


class Listeners:
    """The listeners of one session. When there are too many, the oldest is closed; a later flow gets a new one."""

    def __init__(self, nursery: trio.Nursery, accepted: Accepted) -> None:
        self._nursery = nursery
        self._accepted = accepted
        self._scopes: dict[int, trio.CancelScope] = {}
        self._socks: dict[int, socket.socket] = {}

    def has(self, port: int) -> bool:
        """True when connections to the port are accepted."""
        return port in self._scopes

    def add(self, sock: socket.socket, port: int) -> None:
        """Accept what comes to a listener."""
        if port in self._scopes:
            sock.close()
            return
        if len(self._scopes) >= MOST:
            self._scopes.pop(next(iter(self._scopes))).cancel()
        sock.setblocking(False)
        self._scopes[port] = scope = trio.CancelScope()
        self._socks[port] = sock
        self._nursery.start_soon(self._serve, sock, port, scope)

    def take(self, port: int) -> None:
        """Accept what has come already, without waiting for the loop to tell."""
        sock = self._socks.get(port)
        if sock is not None:
            with contextlib.suppress(OSError):  # none, or what the waiting task meets again
                self._take(sock.accept()[0])

    async def _serve(self, listener: socket.socket, port: int, scope: trio.CancelScope) -> None:
        try:
            with scope, listener:
                while True:
                    await trio.lowlevel.wait_readable(listener)
                    try:
                        sock, _ = listener.accept()
                    except BlockingIOError:
                        continue
                    except OSError as error:
                        if error.errno in _SCARCE:
                            await trio.sleep(_PAUSE_SECONDS)
                        continue  # one that had ended before it was accepted (accept(2))
                    self._take(sock)
        finally:
            if self._socks.get(port) is listener:
                del self._socks[port]

    def _take(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        try:
            key = FlowKey(*sockets.ends(sock))
        except OSError:
            sock.close()
            return
        self._accepted(key, sock)

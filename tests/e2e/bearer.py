"""Lends a token to clients that know of none: what comes to a port of the loopback goes on to `mcp serve` with it."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PIECE = 1 << 16


class _Handler(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.port)) as gateway:
            threading.Thread(target=self._answer, args=(gateway,), daemon=True).start()
            try:
                while (first := self.rfile.readline()).strip():
                    gateway.sendall(self._request(first))
                gateway.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # one of the two has gone

    def _answer(self, gateway: socket.socket) -> None:
        try:
            while data := gateway.recv(_PIECE):
                self.connection.sendall(data)
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _request(self, first: bytes) -> bytes:
        """Read the rest of a request; return it as the gateway wants it."""
        ours, theirs = (f":{port}".encode() for port in (self.server.server_address[1], self.server.port))
        lines, length = [first, b"Authorization: " + self.server.token.encode() + b"\r\n"], 0
        while (line := self.rfile.readline()).strip():
            name = line.partition(b":")[0].lower()
            if name == b"content-length":
                length = int(line.partition(b":")[2])
            lines.append(line.replace(ours, theirs) if name in (b"host", b"origin") else line)
        return b"".join([*lines, b"\r\n", self.rfile.read(length)])


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


@contextmanager
def bearer(port: int, token: str) -> Iterator[int]:
    """Serve at a port, which is given; `token` is the whole header."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.port, server.token = port, token  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()

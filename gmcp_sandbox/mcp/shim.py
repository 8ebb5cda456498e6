"""`gmcp-mcp NAME`: the stdio way to a governed MCP server, for clients that start their servers as programs.

It runs inside of the sandbox, with whatever python3 the view has, and is nothing but a pair of pipes to the gateway:
what it could do, the agent can do without it.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

HOST = "mcp.gmcp.internal"
_PIECE = 1 << 16


def main(arguments: list[str]) -> int:
    """Connect standard input and output to a server; return the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write("usage: gmcp-mcp NAME\nSpeaks MCP with the server NAME of this sandbox's profile.\n")
        return 2
    try:
        line = socket.create_connection((HOST, 80))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = _open(line, arguments[0])
    except OSError as error:
        sys.stderr.write(f"gmcp-mcp: {arguments[0]}: {error}\n")
        return 1
    threading.Thread(target=_send, args=(line,), daemon=True).start()
    try:
        _write(first)
        while True:
            data = line.recv(_PIECE)
            if not data:
                return 0
            _write(data)
    except OSError:
        return 0  # whoever reads our output has gone


def _open(line: socket.socket, name: str) -> bytes:
    """Ask for bare lines; return what came after the answer."""
    request = f"GET /{name} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: mcp-lines\r\n\r\n"
    line.sendall(request.encode("ascii", "replace"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = line.recv(_PIECE)
        if not data or len(answer) > _PIECE:
            raise OSError("the gateway hung up")
        answer += data
    head, _, rest = answer.partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] != [b"101"]:
        raise OSError(rest.decode("utf-8", "replace").strip() or "the gateway refused")
    return rest


def _send(line: socket.socket) -> None:
    try:
        while True:
            data = os.read(0, _PIECE)
            if not data:
                break
            line.sendall(data)
        line.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the gateway has ended; `main` sees that, too


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

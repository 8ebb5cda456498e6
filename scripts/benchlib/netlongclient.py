"""What runs inside the sandbox for `scripts/bench net-long`: open flows, a slow transfer each way, requests, connects.

Only the standard library; the file is copied into the workspace. Arguments: seconds, open flows, MiB/s down.
"""

from __future__ import annotations

import itertools
import json
import resource
import socket
import sys
import time

NAME, BULK, WEB = "web.example.com", 7100, 7180
REQUEST = b"GET /hello HTTP/1.1\r\nHost: web.example.com:7180\r\n\r\n"
TICK = 0.1
CONNECT_EVERY = 5
"""Ticks."""
UP = 1 / 8
"""Of the rate: the default constitution asks somebody after 256 MiB to one host in an hour."""


def connected(port: int) -> socket.socket:
    """Connect by name, as most programs do."""
    address = socket.getaddrinfo(NAME, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(60)
    sock.connect(address)
    return sock


def ask(sock: socket.socket) -> None:
    """Send a request and read its answer."""
    sock.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"hello\n"):
        part = sock.recv(4096)
        if not part:
            raise SystemExit("a flow was closed")
        answer += part


def opened(flows: int) -> tuple[list[socket.socket], list[socket.socket]]:
    """Open the flows: those of HTTP, each with one answer, and opaque ones."""
    web = [connected(WEB) for _ in range(flows // 2)]
    for sock in web:
        ask(sock)
    opaque = [connected(BULK) for _ in range(flows - len(web))]
    for sock in opaque:
        sock.sendall(b"\0")
    return web, opaque


class Transfers:
    """One slow transfer each way."""

    def __init__(self, mib: int, per_tick: int) -> None:
        self._down, self._up = connected(BULK), connected(BULK)
        self._down.sendall(b"\0down %d\n" % mib)
        self._up.sendall(b"\0up %d\n" % mib)
        self._per_tick = per_tick
        self._block = bytes(int(per_tick * UP))
        self.down = self.up = 0

    def go_on(self) -> None:
        """Move one tick's worth of bytes."""
        left = self._per_tick
        while left and (part := self._down.recv(left)):
            left -= len(part)
            self.down += len(part)
        self._up.sendall(self._block)
        self.up += len(self._block)


def main(seconds: int, flows: int, rate: float) -> None:
    """Keep going for so long, then say what was done."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (flows + 64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    web, opaque = opened(flows)
    print(f"{len(web)} HTTP and {len(opaque)} opaque flows are open", flush=True)
    transfers = Transfers(int(seconds * rate) + 64, int(rate * TICK * (1 << 20)))
    requests = connects = 0
    turn = itertools.cycle(web)
    began = time.monotonic()
    for tick in range(int(seconds / TICK)):
        transfers.go_on()
        ask(next(turn))
        requests += 1
        if tick % CONNECT_EVERY == 0:
            connected(BULK).close()
            connects += 1
        time.sleep(max(0.0, began + (tick + 1) * TICK - time.monotonic()))
    print(json.dumps({"down": transfers.down, "up": transfers.up, "requests": requests, "connects": connects}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))

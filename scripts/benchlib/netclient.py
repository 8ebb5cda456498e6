"""What runs inside each world of `scripts/bench net`: its times and rates as JSON on standard output.

Only the standard library; the file is copied into the workspace. Arguments: MiB of a bulk transfer, how many connects,
questions and requests.
"""

from __future__ import annotations

import json
import os
import select
import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable
from time import perf_counter_ns

NAME, BULK, WEB = "web.example.com", 7100, 7180
NAME_SERVER = ("203.0.113.53", 53)
BLOCK = bytes(1 << 20)
REQUEST = b"GET /hello HTTP/1.1\r\nHost: web.example.com:7180\r\n\r\n"
WAYS = 16
SETTLE_SECONDS = 3
"""What a session still does at its start, such as loading its model, is measured elsewhere."""


def connected(port: int) -> socket.socket:
    """Connect as most programs do, by name, IPv4 first for all to go the same way."""
    address = socket.getaddrinfo(NAME, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(60)
    sock.connect(address)
    return sock


def down_mib_s(mib: int) -> float:
    """Receive so much."""
    with connected(BULK) as sock:
        begun = perf_counter_ns()
        sock.sendall(b"\0down %d\n" % mib)
        buffer = bytearray(1 << 20)
        while sock.recv_into(buffer):
            pass
        return mib / ((perf_counter_ns() - begun) / 1e9)


def up_mib_s(mib: int) -> float:
    """Send so much, until the other side says that it has it."""
    with connected(BULK) as sock:
        begun = perf_counter_ns()
        sock.sendall(b"\0up %d\n" % mib)
        for _ in range(mib):
            sock.sendall(BLOCK)
        assert sock.recv(1)
        return mib / ((perf_counter_ns() - begun) / 1e9)


def times_us(count: int, action: Callable[[], object]) -> list[float]:
    """Return how long each of so many actions took."""
    times = []
    for _ in range(count):
        begun = perf_counter_ns()
        action()
        times.append((perf_counter_ns() - begun) / 1000)
    return times


def connects_us(count: int) -> list[float]:
    """Connect to one address, over and over."""
    address = socket.getaddrinfo(NAME, BULK, socket.AF_INET, socket.SOCK_STREAM)[0][4]
    times = []
    for _ in range(count):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(10)
            begun = perf_counter_ns()
            sock.connect(address)
            times.append((perf_counter_ns() - begun) / 1000)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)  # both sides have ended: nothing piles up
    return times


def questions_us(count: int) -> list[float]:
    """Ask for one name, over and over."""
    labels = b"".join(bytes((len(part),)) + part.encode() for part in NAME.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(NAME_SERVER)

        def ask() -> None:
            head = os.urandom(2) + struct.pack("!5H", 0x0100, 1, 0, 0, 0)
            sock.send(head + labels + b"\0" + struct.pack("!2H", 1, 1))
            sock.recv(512)

        ask()
        return times_us(count, ask)


def requests_per_second(count: int) -> float:
    """Send requests on kept connections, one at a time on each of them."""
    socks = {}
    with select.epoll() as poller:
        for _ in range(WAYS):
            sock = connected(WEB)
            sock.sendall(REQUEST)
            socks[sock.fileno()] = sock
            poller.register(sock, select.EPOLLIN)
        answered, begun = 0, perf_counter_ns()
        while answered < count:
            for fd, _ in poller.poll(10):
                if not socks[fd].recv(4096).endswith(b"hello\n"):
                    raise SystemExit("a request was not answered")
                answered += 1
                socks[fd].sendall(REQUEST)
        spent = perf_counter_ns() - begun
    for sock in socks.values():
        sock.close()
    return answered / (spent / 1e9)


def measure(mib: int, count: int) -> dict[str, float]:
    """Return item → value."""
    time.sleep(SETTLE_SECONDS)
    connects = sorted(connects_us(count))
    return {
        "down": down_mib_s(mib),
        "up": up_mib_s(mib),
        "connect p50": statistics.median(connects),
        "connect p99": connects[int(len(connects) * 0.99)],
        "dns": statistics.median(questions_us(count)),
        "requests": requests_per_second(count * 10),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))

"""One round of what the shell cannot do, inside of the sandbox: `inside.py net|mcp|paths ROUND`.

Ends with 1, and says why, when something that is granted fails or something that is refused does not.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import random
import shutil
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable

WEB = "web.example.com"
MCP = "mcp.gmcp.internal"
RESET = struct.pack("ii", 1, 0)
WORDS = "list the open tickets of this week read a file from the docs and say what it is about"


def net(number: int) -> None:
    """Names, requests that follow each other, bulk both ways, TLS, UDP, resets, many flows at once, refusals."""
    for name in (WEB, "four.example.com", *(f"n{number * 20 + one}.example.com" for one in range(20))):
        with contextlib.suppress(socket.gaierror):  # of names there is a bound
            socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
    connection = http.client.HTTPConnection(WEB, timeout=30)
    for one in range(100):
        connection.request("GET", f"/round/{number}/{one}")
        connection.getresponse().read()
    connection.close()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # raw: the server's own certificate
    for _ in range(3):
        secure = http.client.HTTPSConnection(WEB, timeout=30, context=context)
        secure.request("GET", "/")
        secure.getresponse().read()
        secure.close()
    for _ in range(5):
        _take(_bulk(b"\0down 2000000\n"), 2_000_000)
        _reset(_bulk(b"\0hold 0\n"))
    _together(_one_request, range(32))
    _datagrams()
    for host, port in (("10.9.8.7", 80), ("169.254.169.254", 80), ("203.0.113.7", 9), ("no.example.org", 80)):
        _refused(host, port)


def _bulk(line: bytes) -> socket.socket:
    sock = socket.create_connection((WEB, 7000), 30)
    sock.sendall(line)
    return sock


def _take(sock: socket.socket, length: int) -> None:
    with sock:
        while length > 0 and (part := sock.recv(1 << 16)):
            length -= len(part)
    if length:
        raise RuntimeError(f"{length} bytes are missing")


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def _one_request(_number: int) -> None:
    connection = http.client.HTTPConnection(WEB, timeout=30)
    connection.request("GET", "/")
    connection.getresponse().read()
    connection.close()


def _datagrams() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect((WEB, 7001))
        sock.send(b"hello")
        sock.recv(100)


def _refused(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), 5).close()
    except OSError:
        return
    raise RuntimeError(f"{host}:{port} was reached")


def mcp(number: int) -> None:
    """A client session: list, calls one by one and at once, each with other words, which the gate is asked about."""
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}

    def post(connection: http.client.HTTPConnection, **message: object) -> tuple[http.client.HTTPResponse, bytes]:
        connection.request("POST", "/echo", json.dumps({"jsonrpc": "2.0", **message}), headers)
        answer = connection.getresponse()
        return answer, answer.read()

    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "soak", "version": "1"}}
    connection = http.client.HTTPConnection(MCP, 80, timeout=60)
    answer, body = post(connection, id=0, method="initialize", params=hello)
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {body[:300]!r}")
    headers["mcp-session-id"] = answer.headers["mcp-session-id"]
    post(connection, method="notifications/initialized")
    post(connection, id=1, method="tools/list", params={})

    answers: list[bool] = []

    def call(one: int, over: http.client.HTTPConnection) -> None:
        text = f"{number}.{one}: " + " ".join(random.sample(WORDS.split(), 12))
        _, said = post(over, id=one, method="tools/call", params={"name": "echo", "arguments": {"text": text}})
        answers.append("result" in json.loads(said))

    for one in range(10, 22):
        call(one, connection)
    _together(lambda one: call(one, http.client.HTTPConnection(MCP, 80, timeout=60)), range(100, 112))
    if sum(answers) < len(answers) // 2:  # the gate errs now and then
        raise RuntimeError(f"only {sum(answers)} of {len(answers)} calls were answered")
    connection.request("DELETE", "/echo", headers=headers)
    connection.getresponse().read()
    connection.close()


def _together(work: Callable[[int], None], numbers: range) -> None:
    """Do it in threads; raise what one of them raised."""
    faults: list[BaseException] = []

    def attempt(number: int) -> None:
        try:
            work(number)
        except BaseException as fault:  # noqa: BLE001 - raised below
            faults.append(fault)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def paths(number: int) -> None:
    """Paths that never were before, of many lengths: links, moved trees, what is not there, files without a name."""
    top = f"paths-{number}"
    deep = os.path.join(top, *(f"directory-{level}-of-round-{number}" for level in range(12)))
    os.makedirs(deep)
    for one in range(600):
        _file(os.path.join(deep, f"{one}-" + "x" * (one % 200)), has_links=one % 4 == 0)
        os.path.exists(os.path.join(deep, f"missing-{number}-{one}"))
    held = [_nameless(os.path.join(deep, f"held{one}")) for one in range(100)]
    moved = top + "-moved"
    os.rename(top, moved)
    sum(len(names) for _, _, names in os.walk(moved))
    os.mkfifo(os.path.join(moved, "fifo"))
    _special(os.path.join(moved, "socket"))
    for descriptor in held[:50]:
        os.close(descriptor)  # the others end with the process
    for one in range(40):
        _missing_program(f"no-such-program-{number}-{one}")
    shutil.rmtree(moved)


def _file(path: str, *, has_links: bool) -> None:
    with open(path, "w") as file:
        file.write(path)
    if has_links:
        os.symlink(path, path + "S")
        os.link(path, path + "L")
    os.stat(path)


def _nameless(path: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.unlink(path)
    os.write(descriptor, b"nobody has a name for this")
    return descriptor


def _special(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)


def _missing_program(name: str) -> None:
    try:
        os.posix_spawnp(name, [name], os.environ)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES):
            return
        raise
    raise RuntimeError(f"{name} was started")


if __name__ == "__main__":
    {"net": net, "mcp": mcp, "paths": paths}[sys.argv[1]](int(sys.argv[2]))

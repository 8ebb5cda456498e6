"""A client that takes the time of calls, as told by lines on its standard input: `ONE-BY-ONE AT-ONCE`.

    mcpclient.py stdio PROGRAM ARG…     mcpclient.py http HOST PORT PATH [AUTHORIZATION]

Nothing but the standard library: what a client's own library costs is the same whether there is a gateway or not.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from typing import Any

TEXT = "The quick brown fox jumps over the lazy dog. " * 3
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}


def request(number: int, method: str, params: dict[str, Any]) -> bytes:
    """Return the bytes of a request."""
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()


def call(number: int) -> bytes:
    """Return the bytes of a call."""
    return request(number, "tools/call", {"name": "echo", "arguments": {"text": f"{number} {TEXT}", "count": number}})


def expect(answer: bytes, number: int) -> None:
    """Raise RuntimeError unless the answer to this call is what it should be."""
    said = json.loads(answer)
    if said["result"]["content"][0]["text"] != f"{number} {TEXT}":
        raise RuntimeError(f"a wrong answer: {answer[:300]!r}")


class Stdio:
    """A server that is a program."""

    def __init__(self, argv: list[str]) -> None:
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._say(request(0, "initialize", HELLO))
        self._hear()
        self._say(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')

    def _say(self, message: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(message + b"\n")
        self._process.stdin.flush()

    def _say_all(self, numbers: range) -> None:
        for number in numbers:
            self._say(call(number))

    def _hear(self) -> bytes:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server has ended")
        return line

    def one(self, number: int) -> None:
        """Make one call."""
        self._say(call(number))
        expect(self._hear(), number)

    def many(self, numbers: range) -> None:
        """Make calls at once."""
        threading.Thread(target=self._say_all, args=(numbers,)).start()
        found = {json.loads(self._hear())["id"] for _ in numbers}
        if found != set(numbers):
            raise RuntimeError("wrong answers")


class Http:
    """A server at an address."""

    def __init__(self, host: str, port: str, path: str, authorization: str = "") -> None:
        self._place = (host, int(port))
        self._path = path
        self._headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if authorization:
            self._headers["authorization"] = authorization
        self._connection = http.client.HTTPConnection(*self._place)
        answer, body = self._post(self._connection, request(0, "initialize", HELLO))
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body[:300]!r}")
        self._headers["mcp-session-id"] = answer.headers["mcp-session-id"]
        self._post(self._connection, b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')

    def _post(self, connection: http.client.HTTPConnection, message: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        connection.request("POST", self._path, message, self._headers)
        answer = connection.getresponse()
        return answer, answer.read()

    def one(self, number: int) -> None:
        """Make one call."""
        expect(self._post(self._connection, call(number))[1], number)

    def many(self, numbers: range) -> None:
        """Make calls at once."""

        def make(number: int) -> None:
            connection = http.client.HTTPConnection(*self._place)
            expect(self._post(connection, call(number))[1], number)
            connection.close()

        threads = [threading.Thread(target=make, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main() -> None:
    """Serve the one who measures."""
    way, *words = sys.argv[1:]
    server: Any = Stdio(words) if way == "stdio" else Http(*words)
    last = 0
    for line in sys.stdin:
        single, parallel = map(int, line.split())
        times = []
        for _ in range(single):
            last += 1
            begun = time.perf_counter()
            server.one(last)
            times.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        server.many(range(last + 1, last + 1 + parallel))
        last += parallel
        print(json.dumps({"one": times, "many": time.perf_counter() - begun}), flush=True)


main()

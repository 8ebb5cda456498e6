"""A published port of a real session."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.launches import Place, Served

pytestmark = [pytest.mark.e2e, pytest.mark.needs("sandbox", "program:python3")]
Start = Callable[..., Served]

SERVER = """
import socket
with socket.create_server(("127.0.0.1", 8000)) as server:
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"from inside: " + connection.recv(100))
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def visit(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"hello")
        return connection.recv(100)


def test_a_port_of_the_sandbox_is_on_the_host_s_loopback_and_recorded(place: Place, served: Start) -> None:
    port = free_port()
    session = served("--publish", f"{port}:8000", "--", "python3", "-c", SERVER)
    session.until(b"ready")
    assert visit(port) == b"from inside: hello"
    log = next(Path(place.environ["XDG_STATE_HOME"]).rglob("audit.jsonl"))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        events = [
            record for line in log.read_text().splitlines() if (record := json.loads(line)).get("kind") == "event"
        ]
        if any("closed" in json.dumps(event) for event in events):
            break
    text = json.dumps(events)
    assert "published" in text and str(port) in text and '"up": 18' in text and '"down": 5' in text


def test_a_port_that_is_taken_starts_no_session(served: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        final = served("--publish", str(port), "--", "python3", "-c", "print(1)").final()
    assert final["code"] == 125 and f"cannot publish at 127.0.0.1:{port}" in final["error"]

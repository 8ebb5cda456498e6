"""The client of a control socket, against sessions that are real, slow, gone or hostile."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.client import Client
from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.monitor.statedir import StateDir

Script = Callable[["Peer"], None]


class Peer:
    """The other end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lines = sock.makefile("rb")

    def hear(self) -> dict[str, Any]:
        """Return the next request; nothing when the client is gone."""
        return dict(json.loads(self._lines.readline() or b"{}"))

    def say(self, **message: Any) -> None:
        self.send(json.dumps(message).encode() + b"\n")

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)


@contextmanager
def session(directory: Path, script: Script) -> Iterator[str]:
    """Serve one connection by a script; yield the directory."""
    with socket.socket(socket.AF_UNIX) as listener:
        fd = os.open(directory, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{fd}/control.sock")
        os.close(fd)
        listener.listen(1)
        listener.settimeout(10)

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(10)
                try:
                    script(Peer(sock))
                except ConnectionError:
                    pass  # the client had enough

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield str(directory)
        finally:
            thread.join(15)
            (directory / "control.sock").unlink()


def echoing(peer: Peer) -> None:
    """Reply to every request with itself."""
    while request := peer.hear():
        peer.say(id=request["id"], result=request)


def test_a_request_carries_what_is_said_and_nothing_else(tmp_path: Path) -> None:
    with session(tmp_path, echoing) as directory, Client(directory) as client:
        assert client.call("answer", ask=3, allow=False, pattern=None) == {
            "id": 1,
            "do": "answer",
            "ask": 3,
            "allow": False,
        }
        assert client.status() == {"id": 2, "do": "status"}
        assert client.fileno() >= 0


def test_content_comes_as_bytes(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.say(id=peer.hear()["id"], result={"base64": base64.b64encode(b"\xff\n").decode(), "is_cut": True})
        peer.say(id=peer.hear()["id"], result=None)

    with session(tmp_path, script) as directory, Client(directory) as client:
        assert client.content(1) == (b"\xff\n", True)
        assert client.content(2) is None


def test_a_refusal_is_the_users_error_with_all_its_words(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.say(id=peer.hear()["id"], error={"what": "no question 9 is open", "cause": "why", "hint": "try"})

    with session(tmp_path, script) as directory, Client(directory) as client:
        with pytest.raises(UsageError, match="no question 9") as caught:
            client.answer(9, allow=True)
        assert (caught.value.cause, caught.value.hint) == ("why", "try")


def test_a_late_reply_is_not_taken_for_another(tmp_path: Path) -> None:
    given_up = threading.Event()

    def script(peer: Peer) -> None:
        first = peer.hear()
        given_up.wait(10)
        second = peer.hear()
        peer.say(id=first["id"], result=[{"id": 1}])
        peer.say(id=second["id"], result=[{"id": 2}])

    with session(tmp_path, script) as directory, Client(directory, timeout=0.05) as client:
        with pytest.raises(HostError, match="does not answer"):
            client.asks()
        client._socket.settimeout(10)
        given_up.set()
        assert client.asks() == [{"id": 2}]


def test_a_line_that_was_no_request_is_said(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.hear()
        peer.say(id=0, error={"what": "no request: nonsense", "cause": "", "hint": ""})

    with session(tmp_path, script) as directory, Client(directory) as client:
        with pytest.raises(UsageError, match="no request"):
            client.status()


def test_events_that_come_before_a_reply_are_kept_for_the_watcher(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.say(id=peer.hear()["id"], result=[])
        number = peer.hear()["id"]
        peer.say(event="asks", asks=[{"id": 1}])
        peer.say(id=number, result=None)
        peer.say(event="something new")
        peer.say(event="asks", asks=[])

    with session(tmp_path, script) as directory, Client(directory) as client:
        watching = client.watch()
        assert next(watching) == []
        client.answer(1, allow=True)
        assert list(watching) == [[{"id": 1}], []]  # and the end of the session is the end


@pytest.mark.parametrize("said", [b"", b'{"id":1,"res'])
def test_a_session_that_ends_instead_of_answering_is_said(tmp_path: Path, said: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.hear()
        peer.send(said)

    with session(tmp_path, script) as directory, Client(directory) as client:
        with pytest.raises(HostError, match="ended before it answered"):
            client.status()
        with pytest.raises(HostError):
            client.status()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_whatever_a_session_says_a_call_returns_or_raises_its_errors(tmp_path: Path, said: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.hear()
        peer.send(said + b"\n")

    with session(tmp_path, script) as directory, Client(directory) as client, pytest.raises(HostError):
        client.status()


def test_a_directory_without_a_session_is_said(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for directory in (tmp_path, tmp_path / "none", tmp_path / "link"):
        with pytest.raises(HostError, match="cannot be reached") as caught:
            Client(str(directory))
        assert caught.value.hint == "gmcp-sandbox ps"


def test_a_session_is_found_by_the_beginning_of_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = StateDir.open().create_session()
    with session(made.path, echoing), Client.of_session(made.id[:5]) as client:
        assert client.status()["do"] == "status"
    with pytest.raises(UsageError, match="no session"):
        Client.of_session("none")

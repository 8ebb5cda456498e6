"""A session with a network: what the profile allows works with ordinary programs, what it does not fails at once."""

from __future__ import annotations

import hashlib
import json
import signal
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.harness import SECONDS, descendants, wait_until

pytestmark = pytest.mark.needs("tun")

NETWORK = {"dns", "net", "tls", "http"}
SIZE = 64 << 20
PATTERN = bytes(range(256)) * 4096


class _Server(BaseHTTPRequestHandler):
    """Says hello, gives `SIZE` bytes, or takes what it is sent and tells its digest."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"hello\n"
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE if self.path == "/large" else len(body)))
        self.end_headers()
        if self.path == "/large":
            for _ in range(SIZE // len(PATTERN)):
                self.wfile.write(PATTERN)
        else:
            self.wfile.write(body)

    def do_PUT(self):
        digest, left = hashlib.sha256(), int(self.headers["Content-Length"])
        while left:
            part = self.rfile.read(min(left, 1 << 20))
            digest.update(part)
            left -= len(part)
        body = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


class _Raw(socketserver.BaseRequestHandler):
    """The same without HTTP: a line of what is wanted, then bytes."""

    def handle(self):
        with suppress(ConnectionError):
            self._serve()

    def _serve(self):
        wanted = self.request.recv(5)
        if wanted == b"\0down":
            for _ in range(SIZE // len(PATTERN)):
                self.request.sendall(PATTERN)
            return
        digest = hashlib.sha256()
        while part := self.request.recv(1 << 20):
            digest.update(part)
        self.request.sendall(digest.hexdigest().encode())


@contextmanager
def served(server) -> Iterator[int]:
    """Serve on the host's loopback; yield the port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def http_port():
    with served(ThreadingHTTPServer(("127.0.0.1", 0), _Server)) as port:
        yield port


@pytest.fixture
def raw_port():
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with served(Server(("127.0.0.1", 0), _Raw)) as port:
        yield port


def _profile(sandbox, port, *, raw=False):
    return sandbox.profile(
        f"""\
name = "mine"
extends = "default"
[[net.services]]
port = {port}
raw = {str(raw).lower()}
"""
    )


def _network_lines(result):
    """Return (tool, outcome) of every call about the network."""
    calls = (record for record in result.records if record.get("tool", "").partition(".")[0] in NETWORK)
    return [(record["tool"], record["outcome"]) for record in calls]


def _events(result, name):
    return [record["data"] for record in result.records if record.get("name") == name]


@pytest.mark.needs("program:curl")
def test_curl_reaches_what_the_profile_names_and_every_step_is_recorded(sandbox, http_port):
    url = f"http://host.gmcp.internal:{http_port}/index"
    result = sandbox.exec("curl", "-sS", url, profile=_profile(sandbox, http_port))
    assert (result.code, result.out) == (0, b"hello\n"), result.err
    seen = _network_lines(result)
    assert {tool for tool, _ in seen} >= {"dns.resolve", "net.connect", "http.request"}
    assert all(outcome == "allow" for _, outcome in seen)
    (flow,) = _events(result, "flow")
    assert (flow["host"], flow["port"], flow["address"]) == ("host.gmcp.internal", http_port, "127.0.0.1")
    assert flow["down"] > flow["up"] > 0


ATTEMPTS = """
import errno, json, socket, sys, time
found = {}
for address, port in (("192.0.2.7", 80), ("169.254.169.254", 80), ("2001:db8::7", 443), ("host.gmcp.internal", 1)):
    began = time.monotonic()
    try:
        socket.create_connection((address, port), 10).close()
        found[address] = "connected"
    except OSError as error:
        found[address] = errno.errorcode.get(error.errno, repr(error)) if time.monotonic() - began < 5 else "slow"
try:
    found["name"] = socket.getaddrinfo("exfiltration.example.net", 443)
except socket.gaierror as error:
    found["name"] = "gaierror"
print(json.dumps(found))
"""


def test_what_the_profile_does_not_name_is_refused_at_once_and_recorded(sandbox, http_port):
    sandbox.write("attempts.py", ATTEMPTS)
    result = sandbox.exec("python3", "attempts.py", profile=_profile(sandbox, http_port))
    assert result.code == 0, result.err
    assert json.loads(result.out) == {
        "192.0.2.7": "ECONNREFUSED",
        "169.254.169.254": "ECONNREFUSED",
        "2001:db8::7": "ECONNREFUSED",
        "host.gmcp.internal": "ECONNREFUSED",
        "name": "gaierror",
    }
    denied = {tool for tool, outcome in _network_lines(result) if outcome == "deny"}
    assert denied == {"net.connect", "dns.resolve"}


TRANSFER = """
import hashlib, json, socket, sys
port = int(sys.argv[1])
pattern = bytes(range(256)) * 4096
with socket.create_connection(("host.gmcp.internal", port), 10) as sock:
    sock.sendall(b"\\0down")
    digest, length = hashlib.sha256(), 0
    while part := sock.recv(1 << 20):
        digest.update(part)
        length += len(part)
with socket.create_connection(("host.gmcp.internal", port), 10) as sock:
    sock.sendall(b"\\0up..")
    for _ in range(64):
        sock.sendall(pattern)
    sock.shutdown(socket.SHUT_WR)
    up = sock.makefile().read()
print(json.dumps([length, digest.hexdigest(), up]))
"""


def test_large_transfers_arrive_whole_in_both_directions(sandbox, raw_port):
    sandbox.write("transfer.py", TRANSFER)
    result = sandbox.exec("python3", "transfer.py", str(raw_port), profile=_profile(sandbox, raw_port, raw=True))
    assert result.code == 0, result.err
    expected = hashlib.sha256(PATTERN * 64).hexdigest()
    assert json.loads(result.out) == [SIZE, expected, expected]
    down, up = _events(result, "flow")
    assert (down["down"], up["up"]) == (SIZE, SIZE + 5)


@pytest.mark.needs("program:curl")
def test_http_of_any_length_passes_request_by_request(sandbox, http_port):
    source = sandbox.workspace / "large"
    source.write_bytes(PATTERN * 64)
    sandbox.own()
    base = f"http://host.gmcp.internal:{http_port}"
    script = f"curl -sS -T large {base}/up && echo && curl -sS {base}/large | sha256sum"
    result = sandbox.exec("sh", "-c", script, profile=_profile(sandbox, http_port))
    assert result.code == 0, result.err
    expected = hashlib.sha256(PATTERN * 64).hexdigest()
    assert result.out.decode().split() == [expected, expected, "-"]


def test_without_the_section_there_is_no_network_and_no_helper(sandbox):
    script = "import socket\ntry: socket.create_connection(('192.0.2.7', 80))\nexcept OSError as e: print(e.errno)"
    result = sandbox.exec("python3", "-c", script)
    assert result.out == b"101\n"  # ENETUNREACH


@pytest.mark.parametrize("helper", ["gmcp-pump", "gmcp-relay"])
def test_the_end_of_a_helper_is_the_end_of_the_session(sandbox, http_port, helper):
    with sandbox.start("-p", _profile(sandbox, http_port), "--", "sleep", "60") as running:
        supervisor = running.supervisor

        def found():
            return [each for each in descendants(supervisor.pid) if _title(each.pid) == helper]

        (process,) = wait_until(found, helper)
        process.kill(signal.SIGKILL)
        result = running.end(SECONDS)
    assert result.code == 125
    assert "the network's" in result.err


def _title(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


BUDGET = """
import socket, sys
place = (socket.gethostbyname("host.gmcp.internal"), int(sys.argv[1]))
with socket.create_connection(place, 10) as sock:
    sock.sendall(b"\\0down")
    length = 0
    try:
        while part := sock.recv(1 << 16):
            length += len(part)
        print("whole", length)
    except ConnectionResetError:
        print("cut off")
try:
    socket.create_connection(place, 10).close()
except OSError as error:
    print(error.errno)
"""


def test_a_spent_byte_budget_ends_open_flows_and_refuses_new_ones(sandbox, raw_port):
    sandbox.write("budget.py", BUDGET)
    profile = sandbox.profile(
        f"""\
name = "mine"
extends = "default"
[net]
bytes_down = "16 MiB"
[[net.services]]
port = {raw_port}
raw = true
"""
    )
    result = sandbox.exec("python3", "budget.py", str(raw_port), profile=profile)
    assert result.out == b"cut off\n111\n", result.err
    (flow,) = _events(result, "flow")
    assert flow["how"] == "revoked"
    assert 16 << 20 <= flow["down"] < SIZE

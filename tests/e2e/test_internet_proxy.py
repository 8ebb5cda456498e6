"""A host that reaches the internet through an HTTP proxy alone, and budgets of single hosts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.internet import WEB, WEB6, Internet, calls, events

pytestmark = pytest.mark.needs("tun", "internet", "program:curl")

PROXY = """
import json, os, socket, sys, threading
seen = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)

def carry(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass

def serve(client):
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        head += client.recv(4096)
    method, place, _ = head.split(b" ", 2)
    os.write(seen, json.dumps({"where": "proxy", "asked": f"{method.decode()} {place.decode()}"}).encode() + b"\\n")
    host, _, port = place.decode().rpartition(":")
    try:
        upstream = socket.create_connection((host.strip("[]"), int(port)), 10)
    except OSError:
        client.sendall(b"HTTP/1.1 502 Bad Gateway\\r\\n\\r\\n")
        client.close()
        return
    client.sendall(b"HTTP/1.1 200 Connection established\\r\\n\\r\\n")
    threading.Thread(target=carry, args=(client, upstream), daemon=True).start()
    carry(upstream, client)

listener = socket.create_server(("127.0.0.1", 3128))
print("ready", flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
ENV = {"HTTPS_PROXY": "http://127.0.0.1:3128"}


@pytest.fixture(scope="module")
def _proxy(net: Internet) -> Iterator[None]:
    """A proxy on the host's loopback, which the host's programs know by their environment."""
    command = [*net.outer_root, sys.executable, "-c", PROXY, str(net.folder / "seen.jsonl")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
        process.stdin.close()


@pytest.mark.usefixtures("_proxy")
def test_an_upstream_proxy_gets_checked_addresses(online):
    script = """
curl -sS http://web.example.com/hello
curl -sS -m 20 http://rebinding-metadata.example.com/hello; echo "$?"
curl -sS -m 20 http://127.0.0.1:3128/; echo "$?"
env | grep -ci _proxy
"""
    result = online.exec("sh", "-c", script, env=ENV)
    assert result.text.split("\n")[:4] == ["hello from upstream", "7", "7", "0"], result.err
    assert {line["asked"] for line in online.net.seen("proxy")} <= {f"CONNECT {WEB}:80", f"CONNECT [{WEB6}]:80"}
    assert len(online.net.seen("proxy")) >= 1
    assert [flow["host"] for flow in events(result, "flow")] == ["web.example.com"]


@pytest.mark.usefixtures("_proxy")
def test_a_proxy_that_resolves_gets_the_name_and_the_record_says_so(online):
    profile = online.profile(more="proxy_resolves = true\n")
    result = online.exec("curl", "-sS", "http://web.example.com/hello", profile=profile, env=ENV)
    assert result.text == "hello from upstream\n", result.err
    assert {line["asked"] for line in online.net.seen("proxy")} == {"CONNECT web.example.com:80"}
    (flow,) = events(result, "flow")
    assert flow["address"] == "proxy, delegated"


def test_the_byte_budget_of_one_host_is_not_anothers(online):
    """What a host may get is spent, in pieces; it is out of reach from then on, and others are not."""
    table = '[[net.allow]]\nhosts = ["other.example.com"]\naddresses = ["203.0.113.0/24"]\n'
    table += 'ports = [80]\nbytes_down = "1 MiB"\n'
    script = """
for n in 1 2 3 4 5 6 7 8 9; do
    curl -s -o /dev/null -w '%{http_code} ' http://other.example.com/bytes/300000
done
echo
curl -sS http://web.example.com/hello
"""
    head = 'name = "mine"\nextends = "default"\n[net]\nconnect_seconds = 1\n'
    web = '[[net.allow]]\nhosts = ["web.example.com"]\naddresses = ["203.0.113.0/24", "2001:db8::/32"]\n'
    result = online.exec("sh", "-c", script, profile=online.sandbox.profile(f"{head}{web}{table}"))
    codes, said = result.text.splitlines()
    assert codes.split()[:3] == ["200"] * 3
    assert codes.split()[-4:] == ["000"] * 4
    assert said == "hello from upstream"
    assert {call["object"] for call in calls(result, "net.connect", "deny")} == {"other.example.com"}

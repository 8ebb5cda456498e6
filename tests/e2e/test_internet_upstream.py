"""What upstream does reaches the agent as it is: addresses, resets, silence; and many or slow agents cost no memory."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from tests.e2e.harness import wait_until
from tests.e2e.internet import calls, events

pytestmark = pytest.mark.needs("tun", "internet")

BOTH = 'ports = [80, "7000-7001"]\nraw = true\nprotocols = ["tcp", "udp"]\n'
MEMORY_MIB = 150
"""What the supervisor may have, at most."""
OUR_SHARE = 4 << 20
"""What relay and supervisor may hold of one flow on its way: a pipe of 1 MiB or a few pieces, and room to spare."""


def _memory_mib(pid: int) -> float:
    """Return what a process holds that no other has, in MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(found) for found in re.findall(r"^Private_\w+: +(\d+)", text, re.M)) / 1024


CONNECT = """
import errno, json, socket, sys
found = {}
for name, port in json.loads(sys.argv[1]):
    try:
        with socket.create_connection((name, port), 3) as sock:
            found[name] = sock.getpeername()[0][:4]
    except TimeoutError:
        found[name] = "timeout"
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno, repr(error))
print(json.dumps(found))
"""


def test_connect_tells_the_truth_about_upstream(online):
    wanted = [("web.example.com", 7002), ("silent.example.com", 80), ("unreachable.example.com", 80)]
    profile = online.profile(grant='ports = [80, "7000-7009"]\n')
    found, result = online.script(CONNECT, json.dumps(wanted), profile=profile)
    assert found == {
        "web.example.com": "ECONNREFUSED",
        "silent.example.com": "timeout",
        "unreachable.example.com": "EHOSTUNREACH",
    }
    assert {call["object"] for call in calls(result, "net.connect", "allow")} == set(found)
    assert calls(result, "net.connect", "deny") == []


def test_ipv6_alone(online):
    script = """
import json, socket, urllib.request
fake = socket.getaddrinfo("six.example.com", 80, socket.AF_INET6, socket.SOCK_STREAM)[0][4]
with socket.create_connection(fake[:2], 20) as sock:
    sock.sendall(b"GET /hello HTTP/1.1\\r\\nHost: six.example.com\\r\\nConnection: close\\r\\n\\r\\n")
    print(json.dumps([sock.family == socket.AF_INET6, sock.makefile("rb").read().decode()[-20:]]))
"""
    found, result = online.script(script)
    assert found == [True, "hello from upstream\n"]
    (flow,) = events(result, "flow")
    assert flow["address"] == "2001:db8::7"


def test_a_name_with_forty_addresses(online):
    found, result = online.script(CONNECT, json.dumps([("many.example.com", 80)]))
    assert found["many.example.com"] in ("198.", "fd67")
    assert {"udp", "tcp"} <= {line["by"] for line in online.net.seen("names")}  # the host's resolver had to ask by TCP
    assert events(result, "flow")[0]["address"].startswith("203.0.113.1")


RESET = """
import http.client, json, socket
found = []
with socket.create_connection(("web.example.com", 7000), 20) as sock:
    sock.sendall(b"\\0reset 0\\n")
    try:
        while part := sock.recv(100):
            found.append(part.decode())
        found.append("end")
    except ConnectionResetError:
        found.append("reset")
connection = http.client.HTTPConnection("web.example.com", timeout=20)
connection.request("GET", "/reset")
try:
    connection.getresponse().read()
    found.append("whole")
except (ConnectionResetError, http.client.IncompleteRead):
    found.append("cut off")
print(json.dumps(found))
"""


def test_a_reset_of_upstream_is_never_taken_for_the_end(online):
    found, result = online.script(RESET, profile=online.profile(grant=BOTH))
    assert found[-1] == "cut off"
    assert found[-2] == "reset"
    assert [flow["how"] for flow in events(result, "flow")] == ["reset", "reset"]


@pytest.mark.needs("program:curl")
def test_upstream_that_says_nothing_is_the_clients_to_give_up(online):
    result = online.exec("sh", "-c", "curl -s -m 2 http://web.example.com/silence; echo $?")
    assert result.out == b"28\n"
    (flow,) = events(result, "flow")
    assert flow["down"] == 0


PARALLEL = """
import concurrent.futures, json, threading, urllib.request
start = threading.Barrier(200)

def fetch(number):
    start.wait()
    with urllib.request.urlopen(f"http://web.example.com/bytes/{number * 100}", timeout=50) as answer:
        return len(answer.read()) == number * 100

with concurrent.futures.ThreadPoolExecutor(200) as pool:
    print(json.dumps(sum(pool.map(fetch, range(200)))))
"""


def test_two_hundred_connections_at_a_time(online):
    found, result = online.script(PARALLEL)
    assert found == 200
    assert len(events(result, "flow")) == 200


UDP = """
import json, socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(20)
    sock.connect((socket.gethostbyname("four.example.com"), 7001))
    found = []
    for size in (1, 1200, 1400):
        sock.send(b"x" * size)
        found.append(len(sock.recv(65536)))
print(json.dumps(found))
"""


def test_udp_where_the_profile_grants_it(online):
    found, result = online.script(UDP, profile=online.profile(grant=BOTH))
    assert found == [1, 1200, 1400]
    assert [call["outcome"] for call in calls(result, "net.send")] == ["allow"]


SLOW = """
import socket, sys
def opened(port, text):
    sock = socket.create_connection(("web.example.com", port), 20)
    sock.sendall(text)
    return sock
size = int(sys.argv[1])
get = b"GET /flood/%d HTTP/1.1\\r\\nHost: web.example.com\\r\\n\\r\\n"
socks = [opened(7000, b"\\0flood %d\\n" % size), opened(80, get % size)]
print("open", flush=True)
sys.stdin.readline()
for sock in socks:
    left = size
    while left > 0:
        left -= len(sock.recv(1 << 20))
print("all", flush=True)
"""


def _in_socket_buffers() -> int:
    """Return what the kernel may hold of one flow: on both of its ways, a buffer to send from and one to receive in."""
    most = [Path(f"/proc/sys/net/ipv4/tcp_{name}").read_text().split()[2] for name in ("rmem", "wmem")]
    return 2 * sum(map(int, most))


def test_a_slow_reader_slows_upstream_down_and_nothing_grows(online):
    most = _in_socket_buffers() + OUR_SHARE
    size = max(256 << 20, 3 * most)
    online.sandbox.write("script.py", SLOW)
    command = ("python3", "script.py", str(size))
    with online.start(*command, profile=online.profile(grant=BOTH), stdin=-1) as running:
        running.read_until(b"open")
        supervisor = running.supervisor.pid
        stuck = wait_until(lambda: found if len(found := online.net.seen("stuck")) == 2 else None, "both stuck", 30)
        held = _memory_mib(supervisor)
        running.send(b"\n")
        running.read_until(b"all")
        afterwards = _memory_mib(supervisor)
        result = running.end()
    assert max(line["sent"] for line in stuck) < most  # the rest is still upstream's
    assert max(held, afterwards) < MEMORY_MIB
    assert result.code == 0


MANY = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
asked = {80: b"GET /hello HTTP/1.1\\r\\nHost: web.example.com\\r\\n\\r\\n", 7000: b"\\0hold 0\\n"}
socks = []
for number in range(int(sys.argv[1])):
    port = 7000 if number % 2 else 80
    sock = socket.create_connection(("web.example.com", port), 20)
    sock.sendall(asked[port])
    assert sock.recv(4096)
    socks.append(sock)
print("open", len(socks), flush=True)
sys.stdin.readline()
"""


def test_five_hundred_open_flows_leave_the_supervisor_small(online):
    online.sandbox.write("script.py", MANY)
    with online.start("python3", "script.py", "500", profile=online.profile(grant=BOTH), stdin=-1) as running:
        running.read_until(b"open 500")
        held = _memory_mib(running.supervisor.pid)
        running.send(b"\n")
        result = running.end()
    assert result.code == 0, result.err
    assert len(events(result, "flow")) == 500
    assert held < MEMORY_MIB, held


SERVE = """
import http.server, sys
server = http.server.HTTPServer(("127.0.0.1", 9000), http.server.SimpleHTTPRequestHandler)
print("listening", flush=True)
server.handle_request()
"""


def test_a_published_port_stands_on_the_hosts_loopback_alone(online):
    online.sandbox.write("script.py", SERVE)
    with online.start("python3", "script.py", options=("--publish", "9001:9000")) as running:
        running.read_until(b"listening")
        refused = online.host("curl", "-sS", "http://203.0.113.1:9001/script.py")
        shown = online.host("curl", "-sS", "http://127.0.0.1:9001/script.py")
        result = running.end()
    assert "curl: (7)" in refused
    assert shown == SERVE
    (published,) = events(result, "published")
    assert (published["host_port"], published["port"]) == (9001, 9000)


def test_nothing_of_it_is_on_the_machines_own_network(online):
    names = {name for _, name in socket.if_nameindex()}
    online.exec("true")
    assert {name for _, name in socket.if_nameindex()} == names
    assert not names & {"up0", "down0", "gmcp0", "gmcp1"}

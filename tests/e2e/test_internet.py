"""Ordinary programs on the tests' own internet, without configuration: what the profile allows works."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.e2e.internet import WEB, WEB6, calls, events
from tests.e2e.servers import digest_of_pattern

pytestmark = pytest.mark.needs("tun", "internet")

RAW = "ports = [7000]\nraw = true\n"


@pytest.mark.needs("program:curl")
def test_curl_by_name(online):
    result = online.exec("curl", "-sS", "http://web.example.com/hello")
    assert (result.code, result.out) == (0, b"hello from upstream\n"), result.err
    assert [call["outcome"] for call in calls(result, "http.request")] == ["allow"]
    (flow,) = events(result, "flow")
    assert flow["host"] == "web.example.com"
    assert flow["address"] in (WEB, WEB6)


@pytest.mark.needs("program:curl")
def test_an_immediate_ordinary_error_where_the_profile_says_no(online):
    script = """
curl -sS -m 20 http://elsewhere.example.net/; echo "$?"
curl -sS -m 20 http://web.example.com:81/; echo "$?"
curl -sS -m 20 http://203.0.113.7/; echo "$?"
"""
    result = online.exec("sh", "-c", script)
    assert result.text.split() == ["6", "7", "7"]  # curl(1): could not resolve, failed to connect
    assert online.net.seen() == []
    assert {record["tool"] for record in result.denials} >= {"dns.resolve", "net.connect"}


@pytest.mark.needs("program:git")
def test_git_clone_over_http(online):
    script = "git clone -q http://web.example.com/git/project.git copy && git -C copy log --format=%s"
    result = online.exec("sh", "-c", script)
    assert (result.code, result.text) == (0, "first\n"), result.err
    assert {call["args"]["method"] for call in calls(result, "http.request", "allow")} == {"GET", "POST"}


def test_pip_installs_from_an_index(online):
    options = "--target out --no-cache-dir --disable-pip-version-check -q --trusted-host web.example.com"
    result = online.exec(
        "sh",
        "-c",
        f"python3 -m pip install {options} --index-url http://web.example.com/simple tinypackage"
        " && PYTHONPATH=out python3 -c 'import tinypackage; print(tinypackage.GREETING)'",
    )
    assert (result.code, result.text) == (0, "installed\n"), result.err
    assert (online.sandbox.workspace / "out" / "tinypackage.py").exists()


NODE = """
const http = require('http');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const get = (path) => new Promise((done, fail) => {
  http.get({ host: 'web.example.com', path, agent }, (answer) => {
    let text = '';
    answer.on('data', (part) => { text += part; });
    answer.on('end', () => done(text));
  }).on('error', fail);
});
const post = () => new Promise((done, fail) => {
  const asked = http.request({ host: 'web.example.com', path: '/put', method: 'POST', agent }, (answer) => {
    let text = '';
    answer.on('data', (part) => { text += part; });
    answer.on('end', () => done(text));
  }).on('error', fail);
  asked.write('in '); asked.write('chunks'); asked.end();
});
(async () => {
  console.log(JSON.stringify([await get('/hello'), await get('/chunked/3'), await post()]));
  http.get('http://elsewhere.example.net/').on('error', (error) => { console.log(error.code); agent.destroy(); });
})();
"""


@pytest.mark.needs("program:node")
def test_a_node_client_keeps_its_connection_and_speaks_in_chunks(online):
    online.sandbox.write("client.js", NODE)
    result = online.exec("node", "client.js")
    answers, error = result.text.splitlines()
    hello, chunks, digest = json.loads(answers)
    assert (hello, chunks) == ("hello from upstream\n", "chunk 0\nchunk 1\nchunk 2\n")
    assert digest == hashlib.sha256(b"in chunks").hexdigest()
    assert error == "ENOTFOUND"
    assert len(events(result, "flow")) == 1
    assert len(calls(result, "http.request", "allow")) == 3


KEEP_ALIVE = """
import http.client, json
connection = http.client.HTTPConnection("web.example.com", timeout=20)
found = []
for path in ("/hello", "/chunked/200", "/bytes/100000", "/nothing"):
    connection.request("GET", path)
    answer = connection.getresponse()
    found.append([answer.status, len(answer.read())])
connection.request("PUT", "/put", body=iter([b"a" * 1000] * 50), encode_chunked=True)
found.append(len(connection.getresponse().read()))
print(json.dumps(found))
"""


def test_one_connection_many_requests_each_of_them_recorded(online):
    found, result = online.script(KEEP_ALIVE)
    chunks = sum(len(b"chunk %d\n" % number) for number in range(200))
    assert found == [[200, 20], [200, chunks], [200, 100000], [404, 13], 64]
    paths = [call["args"]["path"] for call in calls(result, "http.request", "allow")]
    assert paths == ["/hello", "/chunked/200", "/bytes/100000", "/nothing", "/put"]
    assert len(events(result, "flow")) == 1


GO_STYLE = """
import json, os, socket, struct
os.environ["HTTP_PROXY"] = "http://192.0.2.9:3128"  # a program that does not look at it

def question(name, kind):
    labels = b"".join(bytes((len(part),)) + part.encode() for part in name.split("."))
    return struct.pack("!6H", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\\0" + struct.pack("!2H", kind, 1)

def over_udp(name, kind, server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.sendto(question(name, kind), (server, 53))
        return sock.recv(4096)

def over_tcp(name, kind, server):
    with socket.create_connection((server, 53), 20) as sock:
        asked = question(name, kind)
        sock.sendall(len(asked).to_bytes(2, "big") + asked)
        stream = sock.makefile("rb")
        return stream.read(int.from_bytes(stream.read(2), "big"))

def address_in(answer):
    assert answer[:2] == b"\\x12\\x34" and answer[3] & 15 == 0, answer
    if answer[-6:-4] == b"\\0\\4":
        return socket.inet_ntop(socket.AF_INET, answer[-4:])
    return socket.inet_ntop(socket.AF_INET6, answer[-16:])

found = []
for ask in (over_udp, over_tcp):
    for kind in (1, 28):
        address = address_in(ask("web.example.com", kind, "192.0.0.1"))
        with socket.create_connection((address, 80), 20) as sock:
            sock.sendall(b"GET /hello HTTP/1.1\\r\\nHost: web.example.com\\r\\nConnection: close\\r\\n\\r\\n")
            found.append(sock.makefile("rb").read().split(b"\\r\\n\\r\\n")[1].decode())
print(json.dumps([found, over_udp("elsewhere.example.net", 1, "192.0.0.1")[3] & 15]))
"""


def test_a_client_that_asks_for_names_itself_and_knows_no_proxy(online):
    (found, code), _ = online.script(GO_STYLE)
    assert found == ["hello from upstream\n"] * 4
    assert code == 3  # NXDOMAIN


def test_a_host_service_by_its_name_and_nothing_else_of_loopback(online):
    profile = online.sandbox.profile('name = "mine"\nextends = "default"\n[[net.services]]\nport = 8080\n')
    script = """
curl -sS http://host.gmcp.internal:8080/hello
curl -s -m 20 http://host.gmcp.internal:80/hello; echo "$?"
curl -s -m 20 http://127.0.0.1:8080/hello; echo "$?"
"""
    result = online.exec("sh", "-c", script, profile=profile)
    assert result.text == "hello from host\n7\n7\n"
    assert [line["at"] for line in online.net.seen("host")] == ["127.0.0.1"]


TRANSFER = """
import hashlib, json, socket, sys
length = int(sys.argv[1])
block = bytes(range(256)) * 4096
digest, got = hashlib.sha256(), 0
with socket.create_connection(("web.example.com", 7000), 20) as sock:
    sock.sendall(b"\\0down %d\\n" % length)
    buffer = bytearray(1 << 20)
    while count := sock.recv_into(buffer):
        digest.update(memoryview(buffer)[:count])
        got += count
with socket.create_connection(("web.example.com", 7000), 20) as sock:
    sock.sendall(b"\\0up %d\\n" % length)
    for _ in range(length >> 20):
        sock.sendall(block)
    up = sock.makefile().read()
print(json.dumps([got, digest.hexdigest(), up]))
"""


def test_a_gibibyte_down_and_up_arrives_whole(online):
    length = (1 << 30) if online.sandbox.mode == "root" else 64 << 20
    found, result = online.script(TRANSFER, str(length), profile=online.profile(grant=RAW), timeout=180)
    expected = digest_of_pattern(length)
    assert found == [length, expected, expected]
    down, up = events(result, "flow")
    assert (down["down"], down["how"]) == (length, "closed")
    assert (up["up"], up["how"]) == (length + len(f"\0up {length}\n"), "closed")


@pytest.mark.needs("program:curl")
def test_http_down_and_up_in_one_piece_arrives_whole(online):
    length = 32 << 20
    script = f"""
curl -sS http://web.example.com/bytes/{length} > large && sha256sum < large
curl -sS -T large http://web.example.com/put
"""
    result = online.exec("sh", "-c", script)
    expected = digest_of_pattern(length)
    assert result.text.split() == [expected, "-", expected], result.err

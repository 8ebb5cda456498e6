"""Hostile words and hostile numbers from inside: whoever is reached was judged, and the session goes on afterwards."""

from __future__ import annotations

import json

import pytest

from tests.e2e.internet import WEB, calls, events

pytestmark = pytest.mark.needs("tun", "internet")

ONLY_HELLO = 'ports = [80]\nmethods = ["GET", "POST"]\npaths = ["/hello", "/put"]\n'

TALK = """
import json, re, socket, sys
found = {}
for name, text in json.loads(sys.argv[1]).items():
    with socket.create_connection(("web.example.com", 80), 20) as sock:
        sock.settimeout(20)
        answer = b""
        try:
            sock.sendall(text.encode("latin-1"))
            while part := sock.recv(65536):
                answer += part
        except (ConnectionResetError, TimeoutError):
            answer += b"reset"
        found[name] = [code.decode() for code in re.findall(rb"HTTP/1\\.1 (\\d+)|(?:reset)", answer)]
print(json.dumps(found))
"""
HOST = "Host: web.example.com\r\n"
LAST = "Connection: close\r\n"
HIDDEN = "GET /secret HTTP/1.1\r\nHost: other.example.com\r\n\r\n"
TE = "Transfer-Encoding: chunked\r\n"
CHUNKED = f"POST /put HTTP/1.1\r\n{HOST}{TE}{LAST}\r\n"
SMUGGLED = {
    "CL.TE": f"POST /put HTTP/1.1\r\n{HOST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "TE.CL": f"POST /put HTTP/1.1\r\n{HOST}{TE}Content-Length: 4\r\n\r\n33\r\n{HIDDEN}\r\n0\r\n\r\n",
    **{
        f"TE {value!r}": f"POST /put HTTP/1.1\r\n{HOST}Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n{HIDDEN}"
        for value in ("xchunked", "chunked, identity", "identity, chunked", "\x0bchunked", "chunked;q=1", "")
    },
    "TE twice": f"POST /put HTTP/1.1\r\n{HOST}{TE}Transfer-Encoding: x\r\n\r\n0\r\n\r\n{HIDDEN}",
    "TE blank": f"POST /put HTTP/1.1\r\n{HOST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "TE folded": f"POST /put HTTP/1.1\r\n{HOST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "TE in 1.0": f"POST /put HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    **{
        f"CL {value!r}": f"POST /put HTTP/1.1\r\n{HOST}Content-Length: {value}\r\n\r\n{HIDDEN}"
        for value in ("+0", "-1", "0,0", "0, 51", "0x0", "0e0", "0 0", "")
    },
    "CL twice": f"POST /put HTTP/1.1\r\n{HOST}Content-Length: 0\r\nContent-Length: 0\r\n\r\n{HIDDEN}",
    "CL underscored": f"POST /put HTTP/1.1\r\n{HOST}Content_Length: 51\r\n\r\n{HIDDEN}",
    "lone LF": f"GET /hello HTTP/1.1\n{HOST}\n{HIDDEN}",
    "lone LF in a field": f"GET /hello HTTP/1.1\r\n{HOST}X: a\nHost: other.example.com\r\n\r\n",
    "lone CR": f"GET /hello HTTP/1.1\r\n{HOST}X: a\rHost: other.example.com\r\n\r\n",
    "NUL": f"GET /hello HTTP/1.1\r\n{HOST}X: \0\r\n\r\n",
    "folded field": f"GET /hello HTTP/1.1\r\n{HOST}X: a\r\n Host: other.example.com\r\n\r\n",
    "chunk extension with LF": f"{CHUNKED}4;a\nb\r\nabcd\r\n0\r\n\r\n{HIDDEN}",
    "chunk extension in quotes": f'{CHUNKED}4;a="\r\n0\r\n\r\n{HIDDEN}',
    "chunk lines end with LF": f"{CHUNKED}4\nabcd\n0\n\n{HIDDEN}",
    "chunk without its end": f"{CHUNKED}4\r\nabcdX\r\n0\r\n\r\n{HIDDEN}",
    **{
        f"chunk size {size!r}": f"{CHUNKED}{size}\r\n\r\n{HIDDEN}"
        for size in ("0x0", "+0", "-0", " 0", "0\0", "F" * 17)
    },
    "absolute with another Host": "GET http://web.example.com/hello HTTP/1.1\r\nHost: other.example.com\r\n\r\n",
    "absolute with a user": f"GET http://web.example.com@other.example.com/hello HTTP/1.1\r\n{HOST}\r\n",
    "absolute with a backslash": f"GET http://web.example.com\\@other.example.com/ HTTP/1.1\r\n{HOST}\r\n",
    "absolute of another scheme": f"GET https://web.example.com/hello HTTP/1.1\r\n{HOST}\r\n",
    **{
        f"Host {value!r}": f"GET /hello HTTP/1.1\r\nHost: {value}\r\n{LAST}\r\n"
        for value in (
            *("web.example.com..", "web.example.com:", "web.example.com:81", "[::1]", "[fe80::1%25gmcp0]", WEB),
            *(f"[::ffff:{WEB}]", "web.example.com other.example.com", "web.example.com,other.example.com"),
            *("web.example.com#@other.example.com", "web%2eexample.com", "w\xebb.example.com", ".web.example.com"),
        )
    },
    "HTTP/0.9": "GET /secret\r\n",
    "HTTP/1.2": f"GET /hello HTTP/1.2\r\n{HOST}\r\n",
    "tabs": f"GET\t/secret\tHTTP/1.1\r\n{HOST}\r\n",
    "two blanks": f"GET  /secret HTTP/1.1\r\n{HOST}\r\n",
    "before the first line": f"\r\n{HIDDEN}",
    "fragment": f"GET /hello#/../secret HTTP/1.1\r\n{HOST}\r\n",
}


@pytest.mark.trick("requests that two readers read differently", stops="one strict reading; bounds")
def test_requests_that_two_readers_read_differently(online):
    honest = {"honest": f"GET /hello HTTP/1.1\r\n{HOST}{LAST}\r\n"}
    found, result = online.script(TALK, json.dumps({**SMUGGLED, **honest}))
    assert found.pop("honest") == ["200"]
    served = {name: codes for name, codes in found.items() if codes not in (["400"], ["403"], [""])}
    assert served == {}
    assert {line["line"] for line in online.net.seen("upstream")} <= {"GET /hello", "POST /put"}
    assert [line["line"] for line in online.net.seen("upstream")].count("GET /hello") == 1
    refused = [*calls(result, "http.request", "deny"), *calls(result, "net.connect", "deny")]
    assert len(refused) == len(SMUGGLED)


@pytest.mark.trick("a request hidden in the body of another", stops="one strict reading; bounds")
def test_a_request_hidden_in_the_body_of_another(online):
    """Upstream's handler of GET reads no body: it would serve what it takes for the next request."""
    hidden = "PUT /put HTTP/1.1\r\nHost: other.example.com\r\nContent-Length: 0\r\n\r\n"
    old = "GET /secret\r\n"  # HTTP/0.9 has no version in it
    body = {
        method: f"{method} /hello HTTP/1.1\r\n{HOST}Content-Length: {len(text)}\r\n\r\n{text}"
        for method, text in {"GET": hidden, "DELETE": hidden, "HEAD": old}.items()
    }
    body["GET in chunks"] = (
        f"GET /hello HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{len(hidden):x}\r\n{hidden}\r\n0\r\n\r\n"
    )
    online.script(TALK, json.dumps(body))
    lines = [line["line"] for line in online.net.seen("upstream")]
    assert lines
    assert {line.split()[1] for line in lines} == {"/hello"}, lines


@pytest.mark.trick("a request hidden in a body where rules are about requests", stops="one strict reading; bounds")
def test_a_request_hidden_in_a_body_where_rules_are_about_requests(online):
    """A server may read no body of a POST either: with rules about requests, no connection outlives a body."""
    hidden = "DELETE /everything HTTP/1.1\r\nHost: web.example.com\r\n\r\n"
    text = f"POST /hello HTTP/1.1\r\n{HOST}Content-Length: {len(hidden)}\r\n\r\n{hidden}"
    online.script(TALK, json.dumps({"POST": text}), profile=online.profile(grant=ONLY_HELLO))
    assert all("/everything" not in line["line"] for line in online.net.seen("upstream"))


MESSAGES = """
import json, os, socket, struct, sys
WEB = (b"web", b"example", b"com")
def question(labels=WEB, kind=1, cls=1, flags=0x0100, counts=(1, 0, 0, 0), tail=b""):
    name = b"".join(bytes((len(label),)) + label for label in labels) + b"\\0"
    return os.urandom(2) + struct.pack("!H4H", flags, *counts) + name + struct.pack("!2H", kind, cls) + tail
HEAD = os.urandom(2) + struct.pack("!5H", 0x100, 1, 0, 0, 0)
OPT = b"\\0\\0\\x29\\x10\\0\\0\\0\\x80\\0"
messages = {
    **{f"type {kind}": question(kind=kind) for kind in (2, 5, 10, 15, 16, 33, 35, 41, 64, 65, 249, 252, 255, 65535, 0)},
    **{f"class {cls}": question(cls=cls) for cls in (0, 3, 4, 254, 255)},
    "edns with data": question(counts=(1, 0, 0, 1), tail=OPT + b"\\0\\x0b\\0\\x0a\\0\\x07secret!"),
    "edns cut short": question(counts=(1, 0, 0, 1), tail=OPT + b"\\xff\\xff"),
    "two questions": question(counts=(2, 0, 0, 0), tail=question()[12:]),
    "pointer to itself": HEAD + b"\\xc0\\x0c" + struct.pack("!2H", 1, 1),
    "pointer loop": HEAD + b"\\3web\\xc0\\x0c" + struct.pack("!2H", 1, 1),
    "extended label": HEAD + b"\\x41\\1ab" + struct.pack("!2H", 1, 1),
    "no end": HEAD + b"\\x3f" + b"a" * 20,
    "root": question(()),
    "dot in a label": question((b"web.example", b"com")),
    "nul in a label": question((b"web\\0", b"example", b"com")),
    "utf-8": question(("w\\u00e9b".encode(), b"example", b"com")),
    "update": question(flags=0x2800),
    "notify": question(flags=0x2000),
}
found = {}
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(20)
    sock.connect(("192.0.0.1", 53))
    for name, message in messages.items():
        sock.send(message)
        answer = sock.recv(4096)
        assert answer[:2] == message[:2], name
        found[name] = [answer[3] & 15, int.from_bytes(answer[6:8], "big")]
    for size in range(0, 12):  # no answer to what has no header; and to answers
        sock.send(b"\\x80" * size)
    sock.send(question(flags=0x8180))
    last = question()
    sock.send(last)
    answer = sock.recv(4096)
    found["honest"] = [answer[3] & 15, int.from_bytes(answer[6:8], "big")] if answer[:2] == last[:2] else None
print(json.dumps(found))
"""


@pytest.mark.trick("dns messages that no resolver sends", stops="one strict reading; bounds")
def test_dns_messages_that_no_resolver_sends(online):
    found, _ = online.script(MESSAGES)
    assert found.pop("honest") == [0, 1]
    with_answers = {name for name, (_, answers) in found.items() if answers}
    assert with_answers == {"edns with data", "edns cut short"}
    assert {code for name, (code, _) in found.items() if name.startswith("type")} == {0}  # the name is there, empty
    assert online.net.seen() == []


FLOOD = """
import errno, json, resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
silent = socket.gethostbyname("silent.example.com")
kept = []
for _ in range(300):
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex((silent, 80))
    kept.append(sock)
with socket.create_connection(("web.example.com", 80), 60) as sock:
    sock.sendall(b"GET /hello HTTP/1.1\\r\\nHost: web.example.com\\r\\nConnection: close\\r\\n\\r\\n")
    print(json.dumps(sock.makefile("rb").read().endswith(b"hello from upstream\\n")))
"""


@pytest.mark.trick("a flood of half open connections does not close the door", stops="bounds")
def test_a_flood_of_half_open_connections_does_not_close_the_door(online):
    """More than may be half open, at a host that never answers; the next connect waits for its turn and works."""
    found, result = online.script(FLOOD)
    assert found is True
    assert len(calls(result, "net.connect", "allow")) > 256


MOST = """
import json, resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
ask = b"GET /hello HTTP/1.1\\r\\nHost: web.example.com\\r\\n\\r\\n"
def hello(sock):
    sock.sendall(ask)
    said = b""
    while not said.endswith(b"hello from upstream\\n"):
        said += sock.recv(4096)
    return bool(said)
address = (socket.gethostbyname("web.example.com"), 80)
kept, refused = [], 0
for _ in range(40):
    try:
        kept.append(socket.create_connection(address, 20))
    except ConnectionRefusedError:
        refused += 1
works = all(hello(sock) for sock in kept)
for sock in kept[:5]:
    sock.close()
again = 0
while not again:
    try:
        again = hello(socket.create_connection(address, 20))
    except ConnectionRefusedError:
        pass
print(json.dumps([len(kept), refused, works, again]))
"""


@pytest.mark.trick("more flows than a session may have", stops="bounds")
def test_more_flows_than_a_session_may_have(online):
    found, result = online.script(MOST, profile=online.profile(more="max_flows = 30\n"))
    assert found == [30, 10, True, True]
    assert "flows at their limit" in {call["args"].get("fault") for call in calls(result, "net.send", "deny")}


REUSE = """
import errno, json, random, socket
names = ("web.example.com", "other.example.com", "elsewhere.example.net")
found = []
pool = {name: socket.gethostbyname(name) for name in names[:2]}
for number in range(60):
    name = names[number % 2]
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", 45000))
    sock.settimeout(20)
    try:
        sock.connect((pool[name], 80))
        host = names[1 - number % 2 if number % 3 == 0 else number % 2]
        sock.sendall(b"GET /hello HTTP/1.1\\r\\nHost: %b\\r\\n\\r\\n" % host.encode())
        said = sock.recv(4096)
        found.append(said[9:12].decode())
    except OSError as error:
        found.append(errno.errorcode.get(error.errno, repr(error)))
    if number % 4 == 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
    sock.close()
print(json.dumps(found))
"""


@pytest.mark.trick("one source port for flow after flow", stops="one strict reading; bounds")
def test_one_source_port_for_flow_after_flow(online):
    """A flow is judged by what it dials, whatever flow had its port before."""
    found, result = online.script(REUSE)
    assert set(found) <= {"200", "403", "EADDRNOTAVAIL", "ECONNREFUSED", "ECONNRESET", "EADDRINUSE"}, found
    for number in range(0, 60, 3):
        assert found[number] != "200", number  # the Host of the other name
    assert "200" in found
    told = {(line["host"], line["at"]) for line in online.net.seen("upstream")}
    assert {host for host, _ in told} <= {"web.example.com", "other.example.com"}
    asked = calls(result, "http.request", "allow")
    assert len(asked) == len(online.net.seen("upstream"))


POOL = """
import json, random, socket, ipaddress
own = ipaddress.ip_address(socket.gethostbyname("web.example.com"))
own6 = ipaddress.ip_address(socket.getaddrinfo("web.example.com", 80, socket.AF_INET6)[0][4][0])
places = [str(own + step) for step in (-2, -1, 1, 2)] + [str(own6 + step) for step in (-1, 1)]
places += ["198.18.0.0", "198.19.255.255", "fd67:6d63:7001::", "fd67:6d63:7000::1", "192.0.0.1", "fe80::1%gmcp0"]
places += ["::ffff:" + WEB, "::ffff:169.254.169.254", "::ffff:" + str(own + 1), "ff02::1%gmcp0", "::"]
found = {}
for place in places:
    try:
        info = socket.getaddrinfo(place, 80, proto=socket.IPPROTO_TCP)[0]
        with socket.socket(info[0]) as sock:
            sock.settimeout(20)
            sock.connect(info[4])
        found[place] = "connected"
    except TimeoutError:
        found[place] = "timeout"
    except OSError as error:
        found[place] = "refused"
print(json.dumps(found))
"""


@pytest.mark.trick("addresses of the pool that stand for nothing", stops="one strict reading; bounds")
def test_addresses_of_the_pool_that_stand_for_nothing(online):
    """Guessed neighbours of a name's address, our own ends, zones, and IPv4 addresses in IPv6 sockets."""
    found, _ = online.script(f"WEB = {WEB!r}\n{POOL}")
    assert set(found.values()) == {"refused"}, found
    assert online.net.seen() == []


HELLO = """
import json, socket, ssl, sys
found = {}
def hello(name):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()

def records(message, size):
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\\x16\\x03\\x01" + len(part).to_bytes(2, "big") + part for part in parts)

def talk(name, pieces):
    with socket.create_connection(("web.example.com", 443), 20) as sock:
        sock.settimeout(20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                sock.sendall(piece)
            found[name] = sock.recv(1).hex()
        except OSError as error:
            found[name] = type(error).__name__

right, wrong = hello("web.example.com"), hello("other.example.com")
for name, data in (("right", right), ("wrong", wrong)):
    talk(name + " in bytes", [data[at : at + 1] for at in range(len(data))])
    talk(name + " in records", [records(data[5:], 30)])
    talk(name + " with early data", [data + b"\\x17\\x03\\x03\\x00\\x10" + bytes(16)])
talk("records without end", [records(right[5:], 1)])
talk("two hellos", [records(right[5:] + wrong[5:], 16000)])
talk("an alert first", [b"\\x15\\x03\\x01\\x00\\x02\\x01\\x00" + right])
talk("SSL 2", [b"\\x80\\x2e\\x01\\x03\\x01" + bytes(43)])
print(json.dumps(found))
"""
ANSWERED, ALERT = "16", "15"


@pytest.mark.trick("a hello in pieces and with things around it", stops="one strict reading; bounds")
def test_a_hello_in_pieces_and_with_things_around_it(online):
    found, result = online.script(HELLO)
    assert {name for name, said in found.items() if said == ANSWERED} >= {"right in bytes", "right in records"}
    for name in ("wrong in bytes", "wrong in records", "wrong with early data", "records without end", "two hellos"):
        assert found[name] != ANSWERED, found
    names = {call["args"].get("server_name") for call in calls(result, "tls.hello", "allow")}
    assert names == {"web.example.com"}
    assert len([flow for flow in events(result, "flow") if flow["up"] == 0]) >= 6

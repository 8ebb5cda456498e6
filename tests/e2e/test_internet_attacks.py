"""Ways out that are none, each test under the name of the trick. What counts is who was reached."""

from __future__ import annotations

import json

import pytest

from tests.e2e.internet import HOST_V4, HOST_V6, METADATA, PRIVATE, WEB, WEB6, calls, events

pytestmark = pytest.mark.needs("tun", "internet", "program:curl")

ANY = """\
name = "mine"
extends = "default"
[net]
connect_seconds = 1
[[net.allow]]
hosts = ["*"]
ports = ["1-65535"]
raw = true
addresses = ["203.0.113.0/24", "2001:db8::/32"]
[[net.allow]]
hosts = ["203.0.113.0/24"]
ports = ["1-65535"]
"""
"""As open as a profile gets: any name, any port, and the whole public network by address."""

CURL = """
import json, subprocess, sys
found = {}
for url in json.loads(sys.argv[1]):
    words = ["curl", "-sS", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", url]
    done = subprocess.run(words, capture_output=True, text=True)
    found[url] = done.returncode or done.stdout
print(json.dumps(found))
"""
REFUSED = {6, 7}
"""curl(1): no such name, could not connect. Not 28, which would be a time-out."""


def _curl(online, *urls, profile=None):
    return online.script(CURL, json.dumps(urls), profile=profile)


def test_the_traps_are_there(online):
    for address in (WEB, METADATA, PRIVATE, "127.0.0.1", HOST_V4, f"[{WEB6}]", f"[{HOST_V6}]", "[::1]"):
        assert online.host("curl", "-sS", "-m", "10", f"http://{address}/hello").startswith("hello from"), address


@pytest.mark.trick("direct ip", stops="names are bound, every address is checked, the checked one is dialled")
def test_direct_ip(online):
    urls = [f"http://{WEB}/hello", f"https://{WEB}/hello", f"http://[{WEB6}]/hello", f"http://[::ffff:{WEB}]/hello"]
    found, result = _curl(online, *urls)
    assert set(found.values()) <= REFUSED
    assert online.net.seen() == []
    assert {call["object"] for call in calls(result, "net.connect", "deny")} >= {WEB, WEB6}


METADATA_SPELLINGS = (
    METADATA,
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "0xA9.254.0xA9FE",
    "169.16689662",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[fd00:ec2::254]",
    "169。254。169。254",
    "rebinding-metadata.example.com",
)


@pytest.mark.trick(
    "the metadata address in its spellings",
    stops="names are bound, every address is checked, the checked one is dialled",
)
def test_the_metadata_address_in_its_spellings(online):
    profile = online.sandbox.profile(ANY)
    found, result = _curl(online, *(f"http://{text}/hello" for text in METADATA_SPELLINGS), profile=profile)
    assert "200" not in found.values()
    assert online.net.seen("upstream") == []
    assert [call["object"] for call in calls(result, "net.connect", "deny")].count(METADATA) >= 6
    refused = {event["host"] for event in events(result, "dial_failed") if event["why"] == "refused_address"}
    assert refused == {"rebinding-metadata.example.com"}


@pytest.mark.trick(
    "the hosts loopback is not the agents",
    stops="names are bound, every address is checked, the checked one is dialled",
)
def test_the_hosts_loopback_is_not_the_agents(online):
    names = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]", "127.1", "[::ffff:127.0.0.1]", "192.0.0.1"]
    names += ["[64:ff9b::7f00:1]", "host.gmcp.internal", "HOST.gmcp.internal.", "x.host.gmcp.internal"]
    urls = [f"http://{name}:{port}/hello" for name in names for port in (80, 8080)]
    found, _ = _curl(online, *urls, profile=online.sandbox.profile(ANY))
    assert set(found.values()) <= REFUSED, found
    assert online.net.seen() == []


@pytest.mark.trick(
    "the hosts own addresses are refused even in a granted network",
    stops="names are bound, every address is checked, the checked one is dialled",
)
def test_the_hosts_own_addresses_are_refused_even_in_a_granted_network(online):
    urls = [f"http://{name}/hello" for name in (HOST_V4, f"[{HOST_V6}]", "10.9.8.1", "rebinding-host.example.com")]
    found, result = _curl(online, *urls, profile=online.sandbox.profile(ANY))
    assert "200" not in found.values()
    assert online.net.seen("host") == []
    assert "refused_address" in {event["why"] for event in events(result, "dial_failed")}


@pytest.mark.trick(
    "a neighbour in a private network", stops="names are bound, every address is checked, the checked one is dialled"
)
def test_a_neighbour_in_a_private_network(online):
    urls = [f"http://{PRIVATE}/hello", "http://rebinding-private.example.com/hello"]
    found, _ = _curl(online, *urls, profile=online.sandbox.profile(ANY))
    assert "200" not in found.values()
    assert online.net.seen("upstream") == []


@pytest.mark.trick(
    "rebinding between two connects", stops="names are bound, every address is checked, the checked one is dialled"
)
def test_rebinding_between_two_connects(online):
    """Upstream's name server first names the web server, then the host's loopback."""
    url = f"http://rebinding-{online.sandbox.mode}.example.com/hello"
    first, _ = _curl(online, url)
    second, result = _curl(online, url)
    assert (first[url], second[url]) == ("200", 7)
    assert online.net.seen("host") == []
    assert [event["why"] for event in events(result, "dial_failed")] == ["refused_address"] * 2  # for A and AAAA


@pytest.mark.trick(
    "an answer that mixes good and bad addresses leads to a good one",
    stops="names are bound, every address is checked, the checked one is dialled",
)
def test_an_answer_that_mixes_good_and_bad_addresses_leads_to_a_good_one(online):
    url = "http://rebinding-mixed.example.com/hello"
    found, result = _curl(online, url)
    assert found == {url: "200"}
    assert [flow["address"] for flow in events(result, "flow")] == [WEB]
    assert [line["at"] for line in online.net.seen("upstream")] == [WEB]
    assert online.net.seen("host") == []


ASK = """
import json, os, socket, struct, sys
def question(name, kind=16):
    labels = b"".join(bytes((len(part),)) + part for part in name.encode().split(b"."))
    return os.urandom(2) + struct.pack("!5H", 0x0100, 1, 0, 0, 0) + labels + b"\\0" + struct.pack("!2H", kind, 1)

def over_udp(name, server, port=53):
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        try:
            sock.connect((server, port))
            sock.send(question(name))
            return sock.recv(4096)[3] & 15
        except OSError as error:
            return type(error).__name__

def over_tcp(name, server, port=53):
    try:
        with socket.create_connection((server, port), 20) as sock:
            asked = question(name)
            sock.sendall(len(asked).to_bytes(2, "big") + asked)
            return sock.recv(4096)[5] & 15
    except OSError as error:
        return type(error).__name__
"""
NXDOMAIN = 3


@pytest.mark.trick("another dns server and dns over tcp", stops="every name server is ours")
def test_another_dns_server_and_dns_over_tcp(online):
    script = f"""{ASK}
servers = ("203.0.113.53", "2001:db8::7")
found = [ask("secret.example.net", server) for ask in (over_udp, over_tcp) for server in servers]
found += [over_udp("secret.example.net", "203.0.113.53", 5353), over_tcp("secret.example.net", "203.0.113.53", 853)]
print(json.dumps(found))
"""
    found, result = online.script(script)
    assert found == [NXDOMAIN] * 4 + ["ConnectionRefusedError"] * 2
    assert online.net.seen() == []
    assert {call["object"] for call in calls(result, "dns.resolve", "deny")} == {"secret.example.net"}


@pytest.mark.trick("tunnelling labels", stops="length, information and number of names are bounded")
def test_tunnelling_labels(online):
    script = f"""{ASK}
import base64, hashlib
found = []
for number in range(40):
    data = base64.b32encode(hashlib.sha512(b"%d" % number).digest()).decode().lower().rstrip("=")
    for name in (data[:60], f"{{data[:48]}}.{{data[48:96]}}", ".".join(data[at : at + 30] for at in range(0, 90, 30))):
        found.append(over_udp(name + ".example.com", "192.0.0.1"))
print(json.dumps(found))
"""
    found, result = online.script(script)
    assert set(found) == {NXDOMAIN}
    assert online.net.seen() == []
    assert len(calls(result, "dns.resolve", "deny")) == 120


@pytest.mark.trick("a name alone carries nothing out", stops="nothing is resolved without an allowed connect")
def test_a_name_alone_carries_nothing_out(online):
    """Even a name that the profile grants is asked of the host's name server only when a connect to it is allowed."""
    script = f"{ASK}\nprint(json.dumps([over_udp(f'n{{n}}.example.com', '192.0.0.1') for n in range(20)]))"
    found, _ = online.script(script)
    assert set(found) == {0}
    assert online.net.seen() == []


@pytest.mark.trick("more names than a session may have", stops="a bounded number of names")
def test_more_names_than_a_session_may_have(online):
    script = f"{ASK}\nprint(json.dumps([over_udp(f'n{{n}}.example.com', '192.0.0.1') for n in range(40)]))"
    profile = online.profile(more="[net.dns]\nnames = 30\n")
    found, _ = online.script(script, profile=profile)
    assert found.count(0) <= 30
    assert found[-5:] != [0] * 5
    assert online.net.seen() == []


QUIC = """
import json, socket
found = []
for name, port in (("web.example.com", 443), ("203.0.113.7", 7001), ("203.0.113.7", 443)):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.connect((socket.gethostbyname(name), port))
        sock.send(b"\\xc3" + bytes(1199))
        try:
            found.append(len(sock.recv(4096)))
        except OSError as error:
            found.append(type(error).__name__)
print(json.dumps(found))
"""


@pytest.mark.trick("quic and udp that nobody granted", stops="UDP is refused where no rule grants it")
def test_quic_and_udp_that_nobody_granted(online):
    found, result = online.script(QUIC)
    assert found == ["ConnectionRefusedError"] * 3
    assert online.net.seen() == []
    assert calls(result, "net.send", "allow") == []
    assert len(calls(result, "net.send", "deny")) >= 2

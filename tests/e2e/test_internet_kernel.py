"""What the kernel does not let the agent do to its network, and what it does and the network does not take."""

from __future__ import annotations

import pytest

from tests.e2e.internet import calls, events

pytestmark = pytest.mark.needs("tun", "internet")

HEAD = """
import ctypes, errno, fcntl, json, os, socket, struct
found = {}

def attempt(function):
    try:
        function()
        found[function.__name__] = "done"
    except OSError as error:
        found[function.__name__] = errno.errorcode.get(error.errno, str(error))
    return function

def works():
    with socket.create_connection(("web.example.com", 80), 20) as sock:
        sock.sendall(b"GET /hello HTTP/1.1\\r\\nHost: web.example.com\\r\\nConnection: close\\r\\n\\r\\n")
        return sock.makefile("rb").read().endswith(b"hello from upstream\\n")
"""
TAIL = """
print(json.dumps([found, works()]))
"""


def test_raw_packet_and_vsock_sockets(online):
    body = """
for number, arguments in enumerate((
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW),
    (socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
    (socket.AF_PACKET, socket.SOCK_DGRAM, 0x0300),
    (40, socket.SOCK_STREAM, 0),  # AF_VSOCK
    (40, socket.SOCK_DGRAM, 0),
    (31, socket.SOCK_RAW, 1),  # AF_BLUETOOTH
    (16, socket.SOCK_RAW, 12),  # netfilter
)):
    try:
        socket.socket(*arguments).close()
        found[str(arguments)] = "done"
    except OSError as error:
        found[str(arguments)] = errno.errorcode[error.errno]
"""
    (found, works), _ = online.script(HEAD + body + TAIL)
    assert set(found.values()) <= {"EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT"}, found
    assert works


def test_route_link_and_device_changes(online):
    body = """
INDEX = socket.if_nametoindex("gmcp0")

def netlink(kind, body, flags=0x5):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.settimeout(20)
        sock.sendto(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body, (0, 0))
        answer = sock.recv(65536)
        kind = struct.unpack_from("=H", answer, 4)[0]
        code = -struct.unpack_from("=i", answer, 16)[0] if kind == 2 else 0
        if code:
            raise OSError(code, "netlink")

def request(number, payload):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, number, payload)

attribute = lambda kind, data: struct.pack("=HH", 4 + len(data), kind) + data

@attempt
def add_route():
    to = attribute(1, bytes((203, 0, 113, 7))) + attribute(4, struct.pack("=I", 1))
    netlink(24, struct.pack("=8BI", 2, 32, 0, 0, 254, 3, 253, 1, 0) + to, 0x405)

@attempt
def delete_default_route():
    netlink(25, struct.pack("=8BI", 2, 0, 0, 0, 254, 3, 253, 1, 0))

@attempt
def add_address():
    netlink(20, struct.pack("=4BI", 2, 24, 0, 0, INDEX) + attribute(2, bytes((203, 0, 113, 9))), 0x405)

@attempt
def delete_link():
    netlink(17, struct.pack("=BxHiII", 0, 0, INDEX, 0, 0))

@attempt
def add_link():
    named = attribute(3, b"new0\\0") + attribute(18, attribute(1, b"dummy\\0"))
    netlink(16, struct.pack("=BxHiII", 0, 0, 0, 0, 0) + named, 0x605)

@attempt
def move_link():
    netlink(16, struct.pack("=BxHiII", 0, 0, INDEX, 0, 0) + attribute(19, struct.pack("=I", 1)))

@attempt
def set_link_down():
    request(0x8914, struct.pack("16sH22x", b"gmcp0", 0))

@attempt
def set_mtu():
    request(0x8922, struct.pack("16si20x", b"gmcp0", 68))

@attempt
def open_tun():
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"gmcp0", 0x5001))

@attempt
def make_tun_node():
    os.mknod("tun", 0o600 | 0o020000, os.makedev(10, 200))

@attempt
def forward_packets():
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("1")

@attempt
def bind_to_device():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)

@attempt
def transparent_proxy():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, 19, 1)

@attempt
def repaired_connection():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, 19, 1)

libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), name)

@attempt
def new_network():
    call("unshare", 0x40000000)

@attempt
def new_network_as_its_owner():
    pid = os.fork()
    if pid == 0:
        try:
            call("unshare", 0x50000000)  # a network that is not connected to anything
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect(("203.0.113.7", 80))
            os._exit(9)
        except OSError:
            os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise AssertionError("connected")
    raise OSError(errno.EPERM, "no way out of it")
"""
    (found, works), _ = online.script(HEAD + body + TAIL)
    refusals = {"EPERM", "EACCES", "ENOENT", "EROFS", "ENODEV", "ENXIO", "ENOSYS", "EBUSY", "EINVAL"}
    assert set(found.values()) <= refusals, found
    assert {"add_route", "delete_link", "set_link_down"} <= {name for name, end in found.items() if end == "EPERM"}
    assert works


def test_spoofed_source_options_and_fragments_from_an_ordinary_socket(online):
    """IPV6_FREEBIND, IP_OPTIONS and long datagrams need no right, so such packets really come to the device."""
    body = """
def spoofed(kind):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.IPPROTO_IPV6, 78, 1)  # IPV6_FREEBIND
    sock.bind(("2001:db8::7", 4000))
    kept.append(sock)
    return sock

@attempt
def spoofed_datagram():
    spoofed(socket.SOCK_DGRAM).sendto(b"x" * 20, ("2001:db8::9", 53))

@attempt
def spoofed_connect():
    sock = spoofed(socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.connect_ex((socket.getaddrinfo("web.example.com", 80, socket.AF_INET6)[0][4][0], 80))

@attempt
def spoofed_ipv4():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
    sock.bind(("203.0.113.7", 4000))
    sock.sendto(b"x" * 20, ("203.0.113.53", 53))

@attempt
def options():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes((7, 7, 4, 0, 0, 0, 0, 0)))  # record route
    sock.sendto(b"x" * 20, ("203.0.113.53", 53))

@attempt
def fragments():
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    sock.sendto(b"x" * 65527, ("2001:db8::7", 7001))  # longer than any link's packet

@attempt
def data_in_syn():
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, 34, 1)  # TCP_FASTOPEN_NO_COOKIE
    sock.settimeout(20)
    sock.sendto(b"GET /secret HTTP/1.1\\r\\n", 0x20000000, (socket.gethostbyname("web.example.com"), 80))
    sock.recv(1)
"""
    (found, works), result = online.script(HEAD + "kept = []\n" + body + TAIL)
    assert works
    assert found["spoofed_ipv4"] == "ENETUNREACH"  # the agent's own kernel
    faults = {call["args"].get("fault") for call in calls(result, "net.send", "deny")}
    assert faults >= {"spoofed source", "ip options", "fragment", "data in syn"}, (found, faults)
    lines = online.net.seen()
    assert [line["line"] for line in lines if line["where"] == "upstream"] == ["GET /hello"]
    assert {line["name"] for line in lines if line["where"] == "names"} == {"web.example.com"}
    (refused,) = events(result, "packets_refused")
    assert refused["counts"]["spoofed source"] >= 2


def test_other_protocols_and_multicast(online):
    body = """
@attempt
def sctp():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).connect(("203.0.113.7", 80))

@attempt
def lite():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
    sock.sendto(b"x", ("203.0.113.7", 80))

@attempt
def multicast():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("224.0.0.251", 5353))

@attempt
def broadcast():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.sendto(b"x", ("255.255.255.255", 67))

@attempt
def ping():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    sock.settimeout(20)
    sock.connect(("203.0.113.7", 0))  # else an error of ICMP is not told
    sock.send(struct.pack("!BBHHH", 8, 0, 0, 0, 1))
    sock.recv(100)
"""
    (found, works), result = online.script(HEAD + body + TAIL)
    assert works
    assert found["sctp"] != "done"
    assert found["ping"] != "done"
    assert [line["where"] for line in online.net.seen() if line["where"] != "names"] == ["upstream"]
    assert calls(result, "net.send", "allow") == []
    assert "multicast" in {call["args"].get("fault") for call in calls(result, "net.send", "deny")}

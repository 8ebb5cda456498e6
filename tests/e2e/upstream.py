"""A small internet, made of two network namespaces: started by path, for tests. Ends with standard input.

    upstream.py FOLDER

- *Host*: where the product runs. It reaches nothing but the other one. Servers on its loopback and its own address
  stand for what a developer's machine has open.
- *Upstream*: web servers (80, and 443 with the certificates of FOLDER/*.pem), bare TCP (7000), UDP echo (7001) and the
  name server (53), at all addresses of `ADDRESSES`, the one of cloud metadata among them.

An ordinary user makes it in a user namespace of their own.

Whoever is reached writes a line to FOLDER/seen.jsonl. When all is there, the pid of the host's namespace is printed.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pyroute2 import IPRoute

from gmcp_sandbox import kernel
from tests.e2e import servers

HOST_V4, HOST_V6 = "203.0.113.1", "2001:db8::1"
MANY = tuple(f"203.0.113.{number}" for number in range(100, 140))
ADDRESSES = ("203.0.113.7", "203.0.113.53", "2001:db8::7", "10.9.8.7", "169.254.169.254", *MANY)
SILENT = "198.51.100.1"
"""Routed to upstream, as all that is not known, and dropped there: nobody answers."""
UNREACHABLE = "192.0.2.1"
"""The host has no way there."""
PING_RANGE = "/proc/sys/net/ipv4/ping_group_range"
"""Which groups may ping, in the namespace of who reads it; all may here, as on most machines."""


def main(folder: Path) -> None:
    """Never returns before standard input ends."""
    seen = servers.Seen(folder / "seen.jsonl")
    if os.geteuid() != 0:
        as_uid(0)
    kernel.unshare(kernel.CLONE_NEWNET)
    ready, tell = os.pipe()
    go, let_go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(let_go)
        kernel.unshare(kernel.CLONE_NEWNET)
        os.write(tell, b"x")
        os.read(go, 1)  # the link is there
        be_host(seen)
        os.write(tell, b"x")
        os.read(go, 1)  # ends with our parent
        os._exit(0)
    os.close(go)
    os.read(ready, 1)
    be_upstream(pid)
    start_servers(folder, seen)
    os.write(let_go, b"x")
    os.read(ready, 1)
    print(pid, flush=True)
    sys.stdin.read()
    os._exit(0)


def as_uid(uid: int) -> None:
    """Go on in a new user namespace, as this id in it; of all others there are none."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{uid} {outer_gid} 1"),
    ):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(fd, text.encode())
        os.close(fd)


def be_upstream(host: int) -> None:
    """Make the link and our end of it."""
    with IPRoute() as route:
        _raise(route, "lo")
        route.link("add", ifname="down0", kind="veth", peer={"ifname": "up0", "net_ns_pid": host})
        index = _raise(route, "down0")
        for address in ADDRESSES:
            bits = {True: 64, False: 24}[":" in address] if not address.startswith("169.") else 32
            flags = {"flags": 0x02} if ":" in address else {}  # IFA_F_NODAD
            route.addr("add", index=index, address=address, prefixlen=bits, **flags)


def be_host(seen: servers.Seen) -> None:
    """Set up the other end, and what listens there."""
    groups = int(Path("/proc/self/gid_map").read_text().split()[2])  # one, in a user namespace of our own
    Path(PING_RANGE).write_text(f"0 {min(groups, 1 << 31) - 1}")
    with IPRoute() as route:
        _raise(route, "lo")
        index = _raise(route, "up0")
        route.addr("add", index=index, address=HOST_V4, prefixlen=24)
        route.addr("add", index=index, address="10.9.8.1", prefixlen=24)
        route.addr("add", index=index, address=HOST_V6, prefixlen=64, flags=0x02)
        for there in ("default", "169.254.169.254/32"):
            route.route("add", dst=there, gateway="203.0.113.7")
        route.route("add", dst="192.0.2.0/24", type="unreachable")
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for port in (80, 8080):
            _start(servers.web(family, (address, port), seen, "host"))


def start_servers(folder: Path, seen: servers.Seen) -> None:
    """Start all of upstream, at all of its addresses."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem")
    tls.set_alpn_protocols(["http/1.1"])
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        _start(servers.web(family, (address, 80), seen, "upstream", files=folder / "www"))
        _start(servers.web(family, (address, 443), seen, "upstream", tls=tls, files=folder / "www"))
        _start(servers.bare(family, (address, 7000), seen))
        threading.Thread(target=servers.udp_echo, args=(family, (address, 7001), seen), daemon=True).start()
    zone = servers.Zone(json.loads((folder / "zone.json").read_bytes()))
    _start(servers.names_tcp(("0.0.0.0", 53), zone, seen))
    threading.Thread(target=servers.names_udp, args=(("0.0.0.0", 53), zone, seen), daemon=True).start()


def _start(server: servers.Server) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _raise(route: IPRoute, name: str) -> int:
    """Set a link up, once it is there; return its index."""
    deadline = time.monotonic() + 5
    while not (found := route.link_lookup(ifname=name)) and time.monotonic() < deadline:
        pass
    route.link("set", index=found[0], state="up")
    return int(found[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))

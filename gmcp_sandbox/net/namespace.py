"""The network namespaces of a session: the agent's, whose only way out is a TUN device, and the gateway's.

    agent: lo, gmcp0 (TUN)          every address but its own lies behind gmcp0
    gateway: lo, gmcp1 (TUN)        every address but the agent's is its own (AnyIP); there is no third device

A session without a network has the agent's namespace with its loopback, and no device.

Guarantee: the steps here act on the calling process's network namespace, which must be a new one.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Iterable
from typing import Protocol

import msgspec

from gmcp_sandbox import kernel
from gmcp_sandbox.net import tun
from gmcp_sandbox.net.addressing import AGENT_DEVICE, AGENT_V4, AGENT_V6, GATEWAY_DEVICE
from gmcp_sandbox.net.crossing import join
from gmcp_sandbox.net.netlink import TABLE_LOCAL, Netlink

_IFREQ = "16sh14x"  # name and flags, padded to the union's 24 bytes below (netdevice(7))
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 0x1
_LOOPBACK_INDEX = 1  # the first device of every namespace
MTU = 65_520
_QUEUE = 2_000

_QUIET = {
    "ipv6/conf/all/disable_ipv6": "0",  # a host may hand its own choice down
    "ipv6/conf/default/disable_ipv6": "0",
    "ipv6/conf/all/accept_ra": "0",
    "ipv6/conf/default/accept_ra": "0",
    "ipv6/conf/default/router_solicitations": "0",
    "ipv6/conf/default/addr_gen_mode": "1",  # no link-local address: nothing to announce
    "ipv6/conf/default/mldv1_unsolicited_report_interval": "0",
}
_AGENT = _QUIET | {
    "ipv4/conf/all/rp_filter": "0",  # what the supervisor answers comes in over the TUN, wherever the routes lead
    "ipv4/conf/default/rp_filter": "0",
}
_GATEWAY = _QUIET | {
    "ipv4/ip_unprivileged_port_start": "0",  # listeners on any port, without a capability
    "ipv4/tcp_syncookies": "0",  # a connection begins with a SYN that was let in, never with a forged ACK
    "ipv4/tcp_fastopen": "0",
    "ipv4/tcp_max_syn_backlog": "4096",  # how many may be half open is decided before
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
}


class _Stage(Protocol):
    root: bytes


class RaiseLoopback(msgspec.Struct, frozen=True):
    """Bring the loopback interface up."""

    def apply(self, stage: _Stage) -> None:
        raise_loopback()

    def describe(self) -> str:
        return "bring up the agent's own loopback"


def raise_loopback() -> None:
    """Bring the loopback interface of the calling process's namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as anchor:
        request = struct.pack(_IFREQ, b"lo", 0).ljust(40, b"\0")
        flags = struct.unpack_from("h", fcntl.ioctl(anchor, _SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(anchor, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags | _IFF_UP).ljust(40, b"\0"))


def make_agent_side(gids: tuple[int, int]) -> int:
    """Give the calling process's namespace a TUN and the routes to it; return its descriptor.

    Args:
        gids: First and last group, as the caller's user namespace numbers them, that may open sockets for ICMP echo.
    """
    _write_settings((*_AGENT.items(), ("ipv4/ping_group_range", f"{gids[0]} {gids[1]}")))
    device = tun.create(AGENT_DEVICE)
    with Netlink() as netlink:
        index = socket.if_nametoindex(AGENT_DEVICE)
        netlink.raise_link(index, mtu=MTU, queue=_QUEUE)
        netlink.add_address(index, AGENT_V4)
        netlink.add_route(index, "0.0.0.0", 0, source=AGENT_V4)
        if has_ipv6():
            netlink.add_address(index, AGENT_V6)
            netlink.add_route(index, "::", 0, source=AGENT_V6)
    return device


def make_gateway_side() -> int:
    """Move the calling process into a new namespace that takes every address but the agent's for its own.

    Returns the descriptor of the TUN in it.
    """
    kernel.unshare(kernel.CLONE_NEWNET)
    raise_loopback()
    _write_settings(_GATEWAY.items())
    device = tun.create(GATEWAY_DEVICE)
    with Netlink() as netlink:
        index = socket.if_nametoindex(GATEWAY_DEVICE)
        netlink.raise_link(index, mtu=MTU, queue=_QUEUE)
        # The agent's route stands in the table of local addresses, where it is longer than the rest: that table is
        # asked first, and a source address counts as our own only if it is found there.
        netlink.add_route(index, AGENT_V4, 32, table=TABLE_LOCAL)
        netlink.add_local_route(_LOOPBACK_INDEX, "0.0.0.0", 0)
        if has_ipv6():
            netlink.add_route(index, AGENT_V6, 128, table=TABLE_LOCAL)
            netlink.add_local_route(_LOOPBACK_INDEX, "::", 0)
    return device


def make_sides(gids: tuple[int, int]) -> tuple[int, int, bool]:
    """Make both sides and the way across.

    Returns the descriptors of the agent's and the gateway's TUN, and whether the kernel carries what may cross.
    """
    with Netlink() as netlink:  # stays in the agent's namespace
        agent = make_agent_side(gids)
        gateway = make_gateway_side()
        families = ("0.0.0.0", "::") if has_ipv6() else ("0.0.0.0",)
        return agent, gateway, join(netlink, MTU, families)


def has_ipv6() -> bool:
    """True when the calling process's namespace knows IPv6."""
    return os.path.exists("/proc/sys/net/ipv6/conf/all/disable_ipv6")


def _write_settings(settings: Iterable[tuple[str, str]]) -> None:
    """Write below /proc/sys/net; those of a protocol that the kernel does not have are left out."""
    for name, value in settings:
        try:
            fd = os.open(f"/proc/sys/net/{name}", os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if name.startswith("ipv6/"):
                continue
            raise
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)

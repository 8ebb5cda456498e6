"""The way across in the kernel: plain TCP of the agent's goes to the gateway's kernel without passing a process.

    agent: gmcp2 ═══ veth ═══ gmcp3 :gateway
                                ├─ the pump's rule holds (`may_cross`) ──► the gateway's own TCP
                                └─ everything else ──► gmcp1, where it is read and judged

The rule is a classic BPF program on what comes in at the gateway's end; behind it stands a second filter that diverts
whatever the first one does not name. The agent's default route leads to its end once all of that is in place. Where the
kernel lacks a part of it (veth, cls_bpf, act_mirred), nothing is changed, and the pump carries every packet: slower,
and by the same rule.

Invariants:
- What crosses is what `pump.may_cross` lets cross; the tests hold the two against each other in the kernel.
- A packet that the rule cannot read to its end is diverted, and one that cannot be diverted is dropped.

Sources: tc-bpf(8), tc-mirred(8), Linux include/uapi/linux/{pkt_cls,pkt_sched,if_link,bpf_common}.h.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final, NamedTuple

from gmcp_sandbox.net.addressing import (
    AGENT_CROSSING,
    AGENT_V4,
    AGENT_V4_PACKED,
    AGENT_V6,
    AGENT_V6_PACKED,
    GATEWAY_CROSSING,
    GATEWAY_DEVICE,
)
from gmcp_sandbox.net.netlink import CREATE_NEW, TABLE_LOCAL, Link, Netlink, attribute, text

_HARDWARE: Final = bytes.fromhex("0267636d7000")
"""Of both ends: without ARP a device sends to its own address, which is then the other's."""
_INDEX: Final = 9
"""Of both ends, each in its namespace."""
_ETHERNET: Final = 14
_PASS, _DIVERT = 1, 2
"""Priorities of the two filters."""

# ------------------------------------------------------------------------------------------------------------ the rule

_LD_LEN, _LD_W, _LD_H, _LD_B, _AND, _RET = 0x80, 0x20, 0x28, 0x30, 0x54, 0x06
_JEQ, _JGE, _JSET = 0x15, 0x35, 0x45
_MATCH: Final = 0xFFFFFFFF


class _Check(NamedTuple):
    """Load something, and go on only if it compares so."""

    load: int
    at: int
    mask: int
    compare: int
    value: int
    wanted: bool = True


def _words(at: int, packed: bytes) -> list[_Check]:
    return [
        _Check(_LD_W, at + 4 * number, 0, _JEQ, word) for number, (word,) in enumerate(struct.iter_unpack("!I", packed))
    ]


def _rule_v4(ip: int) -> list[_Check]:
    return [
        _Check(_LD_B, ip, 0, _JEQ, 0x45),  # version 4, no options
        _Check(_LD_B, ip + 9, 0, _JEQ, socket.IPPROTO_TCP),
        _Check(_LD_H, ip + 6, 0, _JSET, 0xBFFF, False),  # no fragment
        *_words(ip + 12, AGENT_V4_PACKED),
        _Check(_LD_B, ip + 33, 0x12, _JEQ, 0x02, False),  # no SYN without ACK
    ]


def _rule_v6(ip: int) -> list[_Check]:
    return [
        _Check(_LD_B, ip, 0xF0, _JEQ, 0x60),
        _Check(_LD_LEN, 0, 0, _JGE, ip + 60),
        _Check(_LD_B, ip + 6, 0, _JEQ, socket.IPPROTO_TCP),  # no extension header
        *_words(ip + 8, AGENT_V6_PACKED),
        _Check(_LD_B, ip + 53, 0x12, _JEQ, 0x02, False),
    ]


def _assembled(checks: list[_Check]) -> list[tuple[int, int, int, int]]:
    """Return the instructions: 0 where a check fails, a match behind the last one."""
    program: list[tuple[int, int, int, int]] = []
    for check in checks:
        program.append((check.load, 0, 0, check.at))
        if check.mask:
            program.append((_AND, 0, 0, check.mask))
        # A check that holds leaps over the return behind it.
        program.append((check.compare, *((1, 0) if check.wanted else (0, 1)), check.value))
        program.append((_RET, 0, 0, 0))
    return [*program, (_RET, 0, 0, _MATCH)]


def rule(ip: int = _ETHERNET) -> bytes:
    """Return the program for frames whose IP header stands at `ip`, behind the two bytes of its EtherType."""
    four, six = _assembled(_rule_v4(ip)), _assembled(_rule_v6(ip))
    program = [
        (_LD_LEN, 0, 0, 0),
        (_JGE, 1, 0, ip + 40),
        (_RET, 0, 0, 0),
        (_LD_H, 0, 0, ip - 2),
        (_JEQ, 0, len(four), 0x0800),
        *four,
        (_JEQ, 1, 0, 0x86DD),
        (_RET, 0, 0, 0),
        *six,
    ]
    return b"".join(struct.pack("=HBBI", *each) for each in program)


_ALL: Final = struct.pack("=HBBI", _RET, 0, 0, _MATCH)

# ------------------------------------------------------------------------------------------------- traffic control

_RTM_NEWQDISC, _RTM_NEWTFILTER = 36, 44
_TC = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info
_INGRESS_PARENT, _INGRESS = 0xFFFFFFF1, 0xFFFF0000
_TCA_KIND, _TCA_OPTIONS = 1, 2
_BPF_ACTIONS, _BPF_LENGTH, _BPF_PROGRAM = 1, 4, 5
_ACTION_KIND, _ACTION_OPTIONS, _MIRRED_PARAMETERS = 1, 2, 2
_MIRRED = struct.Struct("=IIiiiiI")  # index, capabilities, action, references, bindings; what it does, to which link
_STOLEN, _REDIRECT = 4, 1
_ALL_PROTOCOLS: Final = 0x0003


def _watch(netlink: Netlink, index: int) -> None:
    """Have filters look at what comes in over a link."""
    body = _TC.pack(0, index, _INGRESS, _INGRESS_PARENT, 0)
    netlink.ask(_RTM_NEWQDISC, CREATE_NEW, body + attribute(_TCA_KIND, text("ingress")))


def _filter(netlink: Netlink, index: int, priority: int, program: bytes, action: bytes = b"") -> None:
    info = priority << 16 | socket.htons(_ALL_PROTOCOLS)
    options = attribute(_BPF_LENGTH, struct.pack("=H", len(program) // 8)) + attribute(_BPF_PROGRAM, program)
    if action:
        options += attribute(_BPF_ACTIONS, attribute(1, action))
    body = _TC.pack(0, index, 0, _INGRESS, info) + attribute(_TCA_KIND, text("bpf"))
    netlink.ask(_RTM_NEWTFILTER, CREATE_NEW, body + attribute(_TCA_OPTIONS, options))


def _redirect(index: int) -> bytes:
    parameters = attribute(_MIRRED_PARAMETERS, _MIRRED.pack(0, 0, _STOLEN, 0, 0, _REDIRECT, index))
    return attribute(_ACTION_KIND, text("mirred")) + attribute(_ACTION_OPTIONS, parameters)


# ----------------------------------------------------------------------------------------------------------- the link


def join(agent: Netlink, mtu: int, families: tuple[str, ...]) -> bool:
    """Lead the agent's packets to the gateway, the calling process's namespace; return whether this kernel can.

    Args:
        agent: Made in the agent's namespace.
        families: A default route for each, `0.0.0.0` and `::`, exists there.
    """
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Netlink() as gateway:
            return _join(agent, gateway, here, mtu, families)
    finally:
        os.close(here)


def _join(agent: Netlink, gateway: Netlink, here: int, mtu: int, families: tuple[str, ...]) -> bool:
    try:
        agent.add_pair(
            Link(AGENT_CROSSING, _INDEX, _HARDWARE, mtu), Link(GATEWAY_CROSSING, _INDEX, _HARDWARE, mtu), here
        )
    except OSError:
        return False
    try:
        _watch(gateway, _INDEX)
        _filter(gateway, _INDEX, _DIVERT, _ALL, _redirect(socket.if_nametoindex(GATEWAY_DEVICE)))
        _filter(gateway, _INDEX, _PASS, rule())
    except OSError:
        agent.remove_link(_INDEX)
        return False
    gateway.raise_link(_INDEX)
    agent.raise_link(_INDEX)
    for every, address, length in (("0.0.0.0", AGENT_V4, 32), ("::", AGENT_V6, 128)):
        if every in families:
            gateway.move_route(_INDEX, address, length, table=TABLE_LOCAL)
            agent.move_route(_INDEX, every, 0, source=address)
    return True

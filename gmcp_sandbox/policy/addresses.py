"""Which addresses are special: not a public host, but this machine, its neighbours, or another address in disguise.

Guarantees: every IPv4 and IPv6 address is either special, with the narrowest range that it lies in, or globally
routed unicast. All that embed an IPv4 address (mapped, NAT64, 6to4, Teredo, ISATAP …) are special whatever they embed,
so that no disguise needs to be taken off. What no registry has given out yet is special, too.

An address has one spelling here, that of inet_ntop(3). Sources: IANA's special-purpose registries (RFC 6890) and the
documents named below.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

import msgspec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FAKE_V4 = ipaddress.IPv4Network("198.18.0.0/15")
"""Benchmarking (RFC 2544): no real host has such an address, so names of the agent's DNS get them."""
FAKE_V6 = ipaddress.IPv6Network("fd67:6d63:7001::/48")
"""Unique local (RFC 4193), for the same."""


class Special(msgspec.Struct, frozen=True):
    """A range that is no public host's: what it is, in a word, and its bounds."""

    kind: str
    network: Network


_RANGES: tuple[tuple[str, str], ...] = (
    ("this-network", "0.0.0.0/8"),
    ("private", "10.0.0.0/8"),
    ("shared", "100.64.0.0/10"),  # carrier-grade NAT, RFC 6598
    ("loopback", "127.0.0.0/8"),
    ("link-local", "169.254.0.0/16"),
    ("private", "172.16.0.0/12"),
    ("protocol", "192.0.0.0/24"),
    ("documentation", "192.0.2.0/24"),
    ("anycast", "192.31.196.0/24"),
    ("anycast", "192.52.193.0/24"),
    ("translated", "192.88.99.0/24"),  # 6to4 relays, RFC 7526
    ("private", "192.168.0.0/16"),
    ("anycast", "192.175.48.0/24"),
    ("benchmark", "198.18.0.0/15"),
    ("documentation", "198.51.100.0/24"),
    ("documentation", "203.0.113.0/24"),
    ("multicast", "224.0.0.0/4"),
    ("reserved", "240.0.0.0/4"),
    ("broadcast", "255.255.255.255/32"),
    # Services of clouds that hand out credentials or configuration to whoever asks from inside.
    ("metadata", "169.254.169.254/32"),
    ("metadata", "169.254.169.253/32"),
    ("metadata", "169.254.169.123/32"),
    ("metadata", "169.254.170.2/32"),
    ("metadata", "169.254.170.23/32"),
    ("metadata", "169.254.0.23/32"),
    ("metadata", "168.63.129.16/32"),  # lies in no special range
    ("metadata", "100.100.100.200/32"),
    ("metadata", "192.0.0.192/32"),
    ("metadata", "fd00:ec2::/32"),
    ("metadata", "fd20:ce::254/128"),
    ("metadata", "fd00:42::42/128"),
    ("unspecified", "::/128"),
    ("loopback", "::1/128"),
    ("translated", "::/96"),  # IPv4-compatible, RFC 4291 2.5.5.1
    ("translated", "::ffff:0:0/96"),  # IPv4-mapped
    ("translated", "::ffff:0:0:0/96"),  # IPv4-translated, RFC 2765
    ("translated", "64:ff9b::/96"),  # NAT64, RFC 6052
    ("translated", "64:ff9b:1::/48"),  # NAT64 of local use, RFC 8215
    ("discard", "100::/64"),
    ("protocol", "2001::/23"),
    ("translated", "2001::/32"),  # Teredo, RFC 4380
    ("documentation", "2001:db8::/32"),
    ("translated", "2002::/16"),  # 6to4, RFC 3056
    ("anycast", "2620:4f:8000::/48"),
    ("documentation", "3fff::/20"),
    ("segment-routing", "5f00::/16"),
    ("private", "fc00::/7"),
    ("link-local", "fe80::/10"),
    ("site-local", "fec0::/10"),
    ("multicast", "ff00::/8"),
)
_SPECIAL: tuple[Special, ...] = tuple(
    sorted(
        (Special(kind, ipaddress.ip_network(text)) for kind, text in _RANGES), key=lambda each: -each.network.prefixlen
    )
)
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IANA gives out for global unicast so far (RFC 4291)."""
_UNASSIGNED = Special("reserved", ipaddress.IPv6Network("::/0"))
_ISATAP = Special("translated", ipaddress.IPv6Network("2000::/3"))
_ISATAP_MARKS = frozenset({0x00005EFE, 0x02005EFE})  # upper half of the interface identifier, RFC 5214 6.1

NEVER = frozenset({"this-network", "unspecified", "multicast", "broadcast", "reserved", "discard"})
"""Kinds that are no host at all; a profile cannot name them."""

_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*", re.ASCII)


@lru_cache(4096)
def parse_address(text: str) -> Address | None:
    """Return the address that a text spells in full, or None; zones and all shorthands of IPv4 are none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if isinstance(found, ipaddress.IPv6Address) and found.scope_id is not None else found


@lru_cache(4096)
def canonical(address: Address) -> str:
    """Return the text that inet_ntop(3) writes."""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    number = int(address)
    # RFC 5952, 5: dotted quads where the prefix tells; before 3.13 Python does not write them.
    if number >> 32 == 0xFFFF or (number >> 32 == 0 and number >> 16):
        return ("::ffff:" if number >> 32 else "::") + str(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    return str(address)


@lru_cache(4096)
def special(address: Address) -> Special | None:
    """Return the narrowest special range that an address lies in; None for the address of a public host."""
    for each in _SPECIAL:
        if each.network.version == address.version and address in each.network:
            return each
    if isinstance(address, ipaddress.IPv6Address):
        if address not in _UNICAST:
            return _UNASSIGNED
        if int(address) >> 32 & 0xFFFFFFFF in _ISATAP_MARKS:
            return _ISATAP
    return None


def special_range(network: Network) -> Special | None:
    """Return the narrowest special range that holds a whole network; None when part of it is public, or another's."""
    found = special(network[0])
    if found is None:
        return None
    return found if network.prefixlen >= _narrowest(found) else None


def is_named(address: Address, patterns: tuple[Network, ...]) -> bool:
    """True when one of the networks names the address on purpose.

    A public address is named by any network that holds it. A special one is named only by a network that lies in the
    same special range: `0.0.0.0/0` names no private address, `169.254.0.0/16` not the metadata service.
    """
    holding = [each for each in patterns if each.version == address.version and address in each]
    found = special(address)
    if found is None:
        return bool(holding)
    return found.kind not in NEVER and any(each.prefixlen >= _narrowest(found) for each in holding)


def _narrowest(found: Special) -> int:
    """Return the shortest prefix that names something in a special range."""
    return 96 if found is _ISATAP else found.network.prefixlen


def looks_numeric(name: str) -> bool:
    """True for a name that some parser would take for an IPv4 address: one whose last label is a number.

    inet_aton(3) reads `2130706433`, `0x7f.1` and `0177.0.0.1` as loopback; the rule is that of the URL standard ("ends
    in a number"), so that nobody reads a name as an address after it was judged as a name.
    """
    last = name.removesuffix(".").rpartition(".")[2]
    return _NUMBER.fullmatch(last) is not None

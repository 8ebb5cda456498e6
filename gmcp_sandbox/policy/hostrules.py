"""Questions about a `Network`, compiled: which grants cover a host, what overrides them, which addresses are named.

Invariants:
- Pure, and the same for a name in any case, with or without its last dot.
- A name is covered by names and suffixes only, an address by networks that name it on purpose (`addresses.is_named`).
- Below a ceiling (`Network.above`) addresses, flows without a protocol and budgets need its word, too, and what either
  opens on the way is opened. Grants and denials are those of the profile alone: trust asks the ceiling's beside them.
- Names of ours (`host.gmcp.internal`) are covered by host services and the MCP gateway and nothing else, `*` included.
"""

from __future__ import annotations

import ipaddress
import math
from collections import Counter
from collections.abc import Iterable

from gmcp_sandbox.policy import addresses
from gmcp_sandbox.policy.hosts import compile_hosts
from gmcp_sandbox.policy.network import (
    MCP_HOST,
    MCP_PORT,
    OWN_DOMAIN,
    SERVICE_HOST,
    DnsLimits,
    HostDenial,
    HostRule,
    Network,
    Ports,
    Protocol,
)
from gmcp_sandbox.policy.requests import compile_request_denials, compile_requests


class Hosts:
    """The patterns of one list."""

    def __init__(self, patterns: Iterable[str]) -> None:
        names = [folded(pattern) for pattern in patterns]
        found = [(name, _network(name)) for name in names]
        self._networks = tuple(network for _name, network in found if network is not None)
        self._names = frozenset(name for name, network in found if network is None and "*" not in name)
        self._suffixes = tuple(name[1:] for name, network in found if network is None and name.startswith("*"))

    def names(self, address: addresses.Address) -> bool:
        """True when an address is named on purpose."""
        return addresses.is_named(address, self._networks)

    def spells(self, name: str) -> bool:
        """True when a name stands here in full."""
        return name in self._names

    def free_parts(self, name: str) -> list[str]:
        """Return what the stars that cover a name stand for; a name without a dot is nobody's."""
        if "." not in name:
            return []
        return [name.removesuffix(suffix) for suffix in self._suffixes if name.endswith(suffix)]

    def covers(self, host: str) -> bool:
        """True for a host that any pattern is about."""
        address = addresses.parse_address(host)
        if address is not None:
            return self.names(address)
        return self.spells(host) or bool(self.free_parts(host))


class Grant:
    """One `HostRule` at work."""

    def __init__(self, rule: HostRule) -> None:
        self.rule = rule
        self.hosts = Hosts(rule.hosts)
        self.permits = compile_requests(rule.methods, rule.paths)
        """(method, request target, header names) → granted."""
        self.is_about_requests = rule.methods is not None or rule.paths is not None
        self._addresses = tuple(ipaddress.ip_network(text) for text in rule.addresses)

    def covers_port(self, port: int | None, protocol: Protocol) -> bool:
        """True when the protocol, at this port, is granted."""
        return protocol in self.rule.protocols and (port is None or _holds(self.rule.ports, port))

    def names_special(self, address: addresses.Address) -> bool:
        """True when the names of this grant may resolve to a special address."""
        return addresses.is_named(address, self._addresses)

    def names_exactly(self, address: addresses.Address) -> bool:
        """True when the grant names this one address, not just a network that holds it."""
        text = addresses.canonical(address)
        return any(_is_only(pattern, text) for pattern in (*self.rule.addresses, *self.rule.hosts))


class _Override:
    """One `HostDenial` at work."""

    def __init__(self, denial: HostDenial) -> None:
        self._matches = compile_hosts(denial.hosts)
        self._ports = denial.ports
        self._forbids = compile_request_denials(denial.methods, denial.paths)
        self.is_about_requests = denial.methods is not None or denial.paths is not None

    def covers(self, host: str, port: int | None) -> bool:
        """True for every host that a pattern matches at all: what is forbidden need not be named on purpose."""
        return self._matches(host) and (self._ports is None or (port is not None and _holds(self._ports, port)))

    def forbids(self, method: str, target: str, headers: Iterable[str]) -> bool:
        """True when any reading of the request is covered."""
        return self._forbids(method, target, headers)


class HostRules:
    """A `Network` that can be asked."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._grants = tuple(Grant(rule) for rule in network.allow)
        self._services = tuple(
            Grant(HostRule((SERVICE_HOST,), ((service.port, service.port),), raw=service.raw))
            for service in network.services
        )
        if network.mcp:
            self._services += (Grant(HostRule((MCP_HOST,), ((MCP_PORT, MCP_PORT),), raw=True)),)
        self._overrides = tuple(_Override(denial) for denial in network.deny)
        self._above = None if network.above is None else HostRules(network.above)
        self._host_ports = {service.port: service.host_port for service in network.services}

    def grants(self, host: str) -> list[Grant]:
        """Return all grants that cover a host."""
        name = folded(host)
        if is_ours(name):
            return [grant for grant in self._services if grant.hosts.spells(name)]
        return [grant for grant in self._grants if grant.hosts.covers(name)]

    def is_denied(self, host: str, port: int | None) -> bool:
        """True when a denial covers whatever would be done there."""
        return any(each.covers(host, port) and not each.is_about_requests for each in self._overrides)

    def is_request_denied(self, host: str, port: int, request: tuple[str, str, Iterable[str]]) -> bool:
        """True when a denial covers a request (method, target, header names)."""
        return any(
            each.covers(host, port) and (not each.is_about_requests or each.forbids(*request))
            for each in self._overrides
        )

    def host_port(self, host: str, port: int) -> int | None:
        """Return the port of the host's loopback behind a host service, or None when there is none."""
        return self._host_ports.get(port) if folded(host) == SERVICE_HOST else None

    def intercepts(self, host: str, port: int) -> bool:
        """True when TLS to a host is opened on the way."""
        if self._above is not None and self._above.intercepts(host, port):
            return True
        return any(grant.rule.intercept and grant.covers_port(port, "tcp") for grant in self.grants(host))

    def rules_requests(self, host: str, port: int) -> bool:
        """True when a grant or denial is about single requests to a host: its methods, its paths."""
        grants = (grant.is_about_requests and grant.covers_port(port, "tcp") for grant in self.grants(host))
        return any(grants) or any(each.is_about_requests and each.covers(host, port) for each in self._overrides)

    def may_be_raw(self, host: str, port: int) -> bool:
        """True when a flow that is neither TLS nor HTTP may pass."""
        if self._above is not None and not self._above.may_be_raw(host, port):
            return False
        return any(grant.rule.raw and grant.covers_port(port, "tcp") for grant in self.grants(host))

    def permits_address(self, host: str, address: addresses.Address, *, is_own: bool) -> bool:
        """True when a host may be reached at an address: a public one, or one that a grant of the host names.

        Args:
            host: A name that resolved to the address, or the literal address itself.
            address: What would be dialled.
            is_own: It is one of this machine's; then the grant must name exactly it.
        """
        if self._above is not None and not self._above.permits_address(host, address, is_own=is_own):
            return False
        grants = self.grants(host)
        if is_own:
            return any(grant.names_exactly(address) for grant in grants)
        if addresses.special(address) is None or addresses.parse_address(host) is not None:
            return bool(grants)  # a literal address has grants only if they name it
        return any(grant.names_special(address) for grant in grants)

    def budget(self, host: str) -> tuple[int | None, int | None]:
        """Return how many bytes may go up to a host and come down from it; where grants differ, the larger holds.

        A host that nothing grants is out of reach, and not for what it has spent.
        """
        rules = [grant.rule for grant in self.grants(host)]
        if not rules:
            return None, None
        own = _largest(rule.bytes_up for rule in rules), _largest(rule.bytes_down for rule in rules)
        if self._above is None:
            return own
        up, down = self._above.budget(host)
        return narrower(own[0], up), narrower(own[1], down)


def is_odd(grants: Iterable[Grant], host: str, limits: DnsLimits) -> bool:
    """True when a name is covered by stars only, and what they stand for could carry data."""
    name = folded(host)
    for grant in grants:
        if grant.hosts.spells(name):
            return False
        for part in grant.hosts.free_parts(name):
            if len(name) <= limits.name_chars and _is_plain(part, limits):
                return False
    return True


def _is_plain(part: str, limits: DnsLimits) -> bool:
    return all(len(label) <= limits.label_chars for label in part.split(".")) and information(part) <= limits.name_bits


def information(text: str) -> float:
    """Return the bits that a text carries, by the frequency of its own characters."""
    size = len(text)
    return sum(count * math.log2(size / count) for count in Counter(text).values()) if size else 0.0


def is_ours(name: str) -> bool:
    """True for names of our own domain."""
    return name == OWN_DOMAIN or name.endswith("." + OWN_DOMAIN)


def folded(host: str) -> str:
    """Return a host as it is compared."""
    return host.strip("[]").removesuffix(".").lower()


def _holds(ports: Ports, port: int) -> bool:
    return any(low <= port <= high for low, high in ports)


def _largest(values: Iterable[int | None]) -> int | None:
    largest = 0
    for value in values:
        if value is None:
            return None
        largest = max(largest, value)
    return largest


def narrower(first: int | None, second: int | None) -> int | None:
    """Return the smaller of two bounds; None is no bound."""
    return min((bound for bound in (first, second) if bound is not None), default=None)


def _is_only(pattern: str, text: str) -> bool:
    network = _network(folded(pattern))
    return network is not None and network.num_addresses == 1 and addresses.canonical(network[0]) == text


def _network(text: str) -> addresses.Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None

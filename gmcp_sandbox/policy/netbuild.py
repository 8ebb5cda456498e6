"""Turn the `[net]` tables of profile files into one `Network`.

Guarantees: every host pattern, port and address has a meaning and can hold; nothing grants less or more than it seems
to. Every refusal is a `ProfileError` that names file, key and line.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gmcp_sandbox.policy import addresses
from gmcp_sandbox.policy.build import Builder
from gmcp_sandbox.policy.fields import Key, Source
from gmcp_sandbox.policy.hosts import GlobError, compile_hosts
from gmcp_sandbox.policy.nettables import AllowTable, CredentialTable, DenyTable, NetTable
from gmcp_sandbox.policy.network import (
    OWN_DOMAIN,
    Credential,
    DnsLimits,
    HostDenial,
    HostRule,
    Network,
    Ports,
    Service,
)
from gmcp_sandbox.policy.requests import compile_requests

_SINGLE = (
    "denial",
    "proxy",
    "proxy_resolves",
    "max_flows",
    "idle_seconds",
    "udp_idle_seconds",
    "connect_seconds",
    "publish",
)
NOT_NUMBERS = ("denial", "proxy", "proxy_resolves", "publish")
_SIZES = ("bytes_up", "bytes_down")
_USUAL_PORTS: Ports = ((80, 80), (443, 443))
_QUIC = 443
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_PROXY = re.compile(r"[\x21-\x7e]{1,512}", re.ASCII)


class NetDraft:
    """What the files so far say about the network."""

    def __init__(self) -> None:
        self.lists: dict[str, list[Any]] = {"allow": [], "deny": [], "services": [], "credentials": []}
        self.ssh_hosts: dict[str, None] = {}
        self._values: dict[str, Any] = {}
        self._dns: dict[str, Any] = {}
        self._is_there = False

    def parts(self) -> dict[str, Any]:
        """Return the lists that a file may drop, by their names in `replaces`."""
        return {**{f"net.{name}": part for name, part in self.lists.items()}, "net.ssh_agent.hosts": self.ssh_hosts}

    def stated(self) -> dict[str, Any]:
        """Return the single values that some file says, those of `[net.dns]` as `dns.NAME`."""
        return self._values | {f"dns.{name}": value for name, value in self._dns.items()}

    def join(self, builder: Builder, table: NetTable | None) -> None:
        """Add what one file says."""
        if table is None:
            return
        self._is_there = True
        self.lists["allow"] += [_rule(builder, each, ("net", "allow", at)) for at, each in enumerate(table.allow or ())]
        self.lists["deny"] += [_denial(builder, each, ("net", "deny", at)) for at, each in enumerate(table.deny or ())]
        self.lists["services"] += [
            Service(each.port, each.host_port or each.port, each.raw) for each in table.services or ()
        ]
        self.lists["credentials"] += [
            _credential(builder, each, ("net", "credentials", at)) for at, each in enumerate(table.credentials or ())
        ]
        if table.ssh_agent is not None and table.ssh_agent.hosts is not None:
            key: Key = ("net", "ssh_agent", "hosts")
            self.ssh_hosts |= dict.fromkeys(_exact_name(builder, host, key) for host in table.ssh_agent.hosts)
        self._join_values(builder, table)

    def _join_values(self, builder: Builder, table: NetTable) -> None:
        if table.proxy is not None:
            _check_proxy(builder, table.proxy)
        for name in _SINGLE:
            if getattr(table, name) is not None:
                self._values[name] = getattr(table, name)
        for name in _SIZES:
            size = builder.size(getattr(table, name), ("net", name))
            if size is not None:
                self._values[name] = size
        if table.dns is not None:
            self._dns |= {name: value for name, value in msgspec.structs.asdict(table.dns).items() if value is not None}

    def finish(self, source: Source) -> Network | None:
        """Return the section, or None when no file has one.

        Raises:
            ProfileError: Its parts contradict each other, or it grants nothing.
        """
        if not self._is_there:
            return None
        lists: dict[str, Any] = {name: tuple(part) for name, part in self.lists.items()}
        if not lists["allow"] and not lists["services"]:
            hint = "name hosts, or leave [net] out: the agent then has its own loopback and nothing else"
            raise source.fault("`net.allow` is missing", ("net", "allow"), hint=hint)
        network = Network(**lists, ssh_hosts=tuple(self.ssh_hosts), dns=DnsLimits(**self._dns), **self._values)
        _refuse_twice(source, [service.port for service in network.services], "services")
        _refuse_twice(source, [credential.name for credential in network.credentials], "credentials")
        _refuse_twice(source, [credential.env for credential in network.credentials], "credentials")
        for at, credential in enumerate(network.credentials):
            if not any(rule.intercept and compile_hosts(rule.hosts)(credential.host) for rule in network.allow):
                key: Key = ("net", "credentials", at, "host")
                hint = "only a request that is seen can be given a credential"
                raise source.fault(f"no grant with `intercept = true` covers {credential.host!r}", key, hint=hint)
        return network


def _refuse_twice(source: Source, values: Sequence[object], name: str) -> None:
    for at, value in enumerate(values):
        if value in values[:at]:
            raise source.fault(f"{value!s} stands twice", ("net", name, at))


def _rule(builder: Builder, table: AllowTable, key: Key) -> HostRule:
    hosts = _hosts(builder, table.hosts, (*key, "hosts"))
    builder.refuse_duplicates(table.protocols, (*key, "protocols"))
    rule = HostRule(
        hosts=hosts,
        ports=_grant_ports(builder, table, key),
        protocols=table.protocols,
        methods=table.methods,
        paths=table.paths,
        raw=table.raw,
        intercept=table.intercept,
        addresses=_addresses(builder, table, (*key, "addresses")),
        bytes_up=builder.size(table.bytes_up, (*key, "bytes_up")),
        bytes_down=builder.size(table.bytes_down, (*key, "bytes_down")),
    )
    _check_requests(builder, rule.methods, rule.paths, key)
    _check_sense(builder, rule, key)
    return rule


def _denial(builder: Builder, table: DenyTable, key: Key) -> HostDenial:
    _check_requests(builder, table.methods, table.paths, key)
    ports = None if table.ports is None else _ports(builder, table.ports, (*key, "ports"))
    return HostDenial(builder.hosts(table.hosts, (*key, "hosts")), ports, table.methods, table.paths)


def _credential(builder: Builder, table: CredentialTable, key: Key) -> Credential:
    host = _exact_name(builder, table.host, (*key, "host"))
    headers = tuple(name.lower() for name in table.headers)
    return Credential(table.name, host, table.env, table.source, headers, table.prefix)


def _hosts(builder: Builder, patterns: Sequence[str], key: Key) -> tuple[str, ...]:
    found = builder.hosts(patterns, key)
    for pattern in found:
        network = _network(pattern)
        if network is not None:
            _check_network(builder, network, key)
            if _kind(network) == "loopback":
                hint = "expose a port of it with [[net.services]]"
                raise builder.fault(f"{pattern!r}: the agent's loopback is its own", key, hint=hint)
        elif addresses.looks_numeric(pattern):
            raise builder.fault(f"{pattern!r} looks like an address, but is none", key, hint="write all four numbers")
        elif pattern.lower().removesuffix(".").endswith(OWN_DOMAIN):
            raise builder.fault(f"{pattern!r} is a name of ours", key, hint="use [[net.services]]")
    return found


def _exact_name(builder: Builder, host: str, key: Key) -> str:
    if "*" in host or _network(host) is not None:
        raise builder.fault(f"{host!r} must be one name", key)
    return _hosts(builder, [host], key)[0].lower().removesuffix(".")


def _check_network(builder: Builder, network: addresses.Network, key: Key) -> None:
    if _kind(network) in addresses.NEVER:
        raise builder.fault(f"{network} holds no hosts ({_kind(network)})", key)
    for ours in (addresses.FAKE_V4, addresses.FAKE_V6):
        if network.version == ours.version and network.prefixlen >= ours.prefixlen and network[0] in ours:
            raise builder.fault(f"{network} is where names of the agent get their addresses", key)


def _kind(network: addresses.Network) -> str | None:
    """Return the kind of the special range that a whole network lies in, if it lies in one."""
    found = addresses.special_range(network)
    return None if found is None else found.kind


def _grant_ports(builder: Builder, table: AllowTable, key: Key) -> Ports:
    if table.ports is not None:
        if table.protocols == ("icmp",):
            raise builder.fault("an echo has no port", (*key, "ports"))
        return _ports(builder, table.ports, (*key, "ports"))
    if "udp" in table.protocols:
        raise builder.fault("`ports` is missing: UDP has no usual ones", key)
    return _USUAL_PORTS if "tcp" in table.protocols else ()


def _ports(builder: Builder, given: Sequence[int | str], key: Key) -> Ports:
    found = []
    for each in given:
        match = _RANGE.fullmatch(str(each))
        low = int(match[1]) if match else 0
        high = int(match[2] or match[1]) if match else 0
        if not 0 < low <= high <= 65535:
            raise builder.fault(f"{each!r} is no port", key, hint='write 443, or a range such as "8000-8100"')
        found.append((low, high))
    builder.refuse_duplicates(found, key)
    return tuple(found)


def _addresses(builder: Builder, table: AllowTable, key: Key) -> tuple[str, ...]:
    for text in table.addresses or ():
        network = _network(text)
        if network is None:
            raise builder.fault(f"{text!r} is no address or network", key)
        if _kind(network) is None:
            raise builder.fault(
                f"{text!r} lies in no special range", key, hint="public addresses need no entry; name the private ones"
            )
        _check_network(builder, network, key)
    if table.addresses and all(_network(host) is not None for host in table.hosts):
        raise builder.fault("addresses resolve to themselves; `addresses` is for names", key)
    if any(_kind(ipaddress.ip_network(text)) == "loopback" for text in table.addresses or ()) and table.ports is None:
        raise builder.fault("with a loopback address `ports` must be given", key)
    builder.refuse_duplicates(table.addresses or (), key)
    return table.addresses or ()


def _check_requests(builder: Builder, methods: Sequence[str] | None, paths: Sequence[str] | None, key: Key) -> None:
    if methods is not None and any(method != method.upper() for method in methods):
        raise builder.fault("methods are written in upper case", (*key, "methods"))
    for name, values in (("methods", methods), ("paths", paths)):
        builder.refuse_duplicates(values or (), (*key, name))
        try:
            compile_requests(*((values, None) if name == "methods" else (None, values)))
        except GlobError as error:
            raise builder.fault(str(error), (*key, name)) from None


def _check_sense(builder: Builder, rule: HostRule, key: Key) -> None:
    """Refuse what contradicts itself."""
    covers_tls = any(low <= 443 <= high for low, high in rule.ports)
    is_about_requests = rule.methods is not None or rule.paths is not None
    if is_about_requests and rule.raw:
        raise builder.fault("methods and paths cannot hold beside `raw = true`", (*key, "raw"))
    if is_about_requests and rule.protocols != ("tcp",):
        raise builder.fault("methods and paths are about TCP", (*key, "protocols"))
    if is_about_requests and covers_tls and not rule.intercept:
        hint = "set `intercept = true`, or `ports = [80]`"
        raise builder.fault(
            "requests inside TLS are not seen: methods and paths cannot hold on port 443", key, hint=hint
        )
    if rule.intercept and "tcp" not in rule.protocols:
        raise builder.fault("only TCP can be intercepted", (*key, "intercept"))
    if "udp" in rule.protocols and any(low <= _QUIC <= high for low, high in rule.ports):
        raise builder.fault("QUIC hides the name of its host: UDP 443 cannot be granted", (*key, "ports"))


def _check_proxy(builder: Builder, proxy: str) -> None:
    if proxy in ("environment", "none"):
        return
    key: Key = ("net", "proxy")
    try:
        parts = urlsplit(proxy)
        is_known = parts.scheme == "http" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_known = False
    if not is_known or _PROXY.fullmatch(proxy) is None:
        raise builder.fault("no proxy that can be used", key, hint='"environment", "none" or "http://host:port"')
    if parts.password is not None:
        raise builder.fault("a password does not belong into a profile", key, hint='use "environment"')


def _network(text: str) -> addresses.Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"))
    except ValueError:
        return None

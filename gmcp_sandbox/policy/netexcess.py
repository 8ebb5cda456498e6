"""Where the `[net]` of one profile file asks for more than the organisation's ceiling gives.

Guarantees: as `policy/excess.py`. Grants of the ceiling add up here, too: hosts, ports and rights are compared with all
of its grants that cover a host together.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gmcp_sandbox.policy.build import Builder
from gmcp_sandbox.policy.fields import Key
from gmcp_sandbox.policy.hostrules import folded
from gmcp_sandbox.policy.netbuild import NetDraft
from gmcp_sandbox.policy.netceiling import credentials_of, services_of
from gmcp_sandbox.policy.nettables import NetTable
from gmcp_sandbox.policy.network import HostRule, Network, Ports

if TYPE_CHECKING:
    from gmcp_sandbox.policy.excess import Excess


def refuse_network(excess: Excess, builder: Builder, table: NetTable | None) -> None:
    """Refuse what a file asks for above the ceiling. Raises ProfileError."""
    if table is None:
        return
    above = excess.ceiling.net
    if above is None:
        raise excess.fault("a network", ("net",), "none: it has no [net]")
    draft = NetDraft()
    draft.join(builder, table)
    for index, rule in enumerate(draft.lists["allow"]):
        _refuse_rule(excess, rule, above, ("net", "allow", index))
    _refuse_named(excess, draft, above)
    for host in draft.ssh_hosts:
        if host not in above.ssh_hosts:
            raise excess.fault(host, ("net", "ssh_agent", "hosts"), _words(above.ssh_hosts))
    _refuse_values(excess, draft.stated(), above)


def _refuse_named(excess: Excess, draft: NetDraft, above: Network) -> None:
    for name, narrowed in (("services", services_of), ("credentials", credentials_of)):
        for index, each in enumerate(draft.lists[name]):
            if list(narrowed([each], getattr(above, name))) != [each]:
                subject = f"port {each.host_port} of this host" if name == "services" else f"the token {each.name!r}"
                raise excess.fault(subject, ("net", name, index), f"the [[net.{name}]] that it names")


def _refuse_values(excess: Excess, stated: dict[str, Any], above: Network) -> None:
    ceiling = excess.ceiling
    for name, bound in ceiling.net_bounds.items():
        excess.number(stated.get(name), bound, ("net", *name.split(".")))
    if ceiling.proxy is not None and stated.get("proxy", ceiling.proxy) != ceiling.proxy:
        raise excess.fault(repr(stated["proxy"]), ("net", "proxy"), f"{ceiling.proxy!r} alone")
    for name in ("proxy_resolves", "publish"):
        if stated.get(name) and not getattr(above, name):
            raise excess.fault("true", ("net", name), "false alone")


def _refuse_rule(excess: Excess, rule: HostRule, above: Network, key: Key) -> None:
    for pattern in rule.hosts:
        covering = [each for each in above.allow if _covers(each.hosts, pattern)]
        if not covering:
            known = _words(host for each in above.allow for host in each.hosts)
            raise excess.fault(repr(pattern), (*key, "hosts"), known)
        _refuse_rights(excess, rule, covering, key)


def _refuse_rights(excess: Excess, rule: HostRule, covering: Sequence[HostRule], key: Key) -> None:
    ports = [each for one in covering for each in one.ports]
    if not _holds(ports, rule.ports):
        raise excess.fault(_spelt(rule.ports), (*key, "ports"), f"{_spelt(ports)} there")
    protocols = {each for one in covering for each in one.protocols}
    if not protocols.issuperset(rule.protocols):
        raise excess.fault(_words(rule.protocols), (*key, "protocols"), f"{_words(sorted(protocols))} there")
    if rule.raw and not any(one.raw for one in covering):
        raise excess.fault("raw", (*key, "raw"), "TLS and HTTP alone there")
    known = [text for one in covering for text in one.addresses]
    for text in rule.addresses:
        if not _covers(known, text):
            raise excess.fault(text, (*key, "addresses"), _words(known) or "no special address there")
    for name in ("bytes_up", "bytes_down"):
        bounds = [getattr(one, name) for one in covering]
        if None not in bounds:
            excess.number(getattr(rule, name), max(bounds), (*key, name))


def _covers(patterns: Iterable[str], pattern: str) -> bool:
    """True when everything that a pattern is about one of the others is about, too."""
    text = folded(pattern)
    network = _network(text)
    for other in map(folded, patterns):
        around = _network(other)
        if network is not None:
            if around is not None and around.version == network.version and network.subnet_of(around):  # type: ignore[arg-type]
                return True
        elif around is None and (text == other or (other.startswith("*") and text.endswith(other[1:]) and "." in text)):
            return True
    return False


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _holds(ranges: Iterable[tuple[int, int]], wanted: Ports) -> bool:
    """True when the ranges together hold all that are wanted."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return all(any(low <= start and end <= high for low, high in joined) for start, end in wanted)


def _spelt(ports: Iterable[tuple[int, int]]) -> str:
    found = dict.fromkeys(str(low) if low == high else f"{low}-{high}" for low, high in ports)
    return f"port {', '.join(found)}" if found else "no port"


def _words(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words)) or "none"

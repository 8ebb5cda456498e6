"""`[net]` below the organisation's ceiling: no host, service, token or signature that the ceiling does not have.

Invariants (of `bounded_network`):
- Without `[net]` in the ceiling nobody has a network.
- Hosts, ports, requests and raw flows are asked of both (`pipeline/trust.py`, `Network.above`); services, credentials
  and hosts of the ssh-agent are those that both name.
- Of every number that the ceiling says the smaller holds. Its proxy is everybody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from gmcp_sandbox.policy.network import Credential, DnsLimits, Network, Service
from gmcp_sandbox.policy.profile import Ceiling

_DNS = "dns."


def bounded_network(own: Network | None, ceiling: Ceiling) -> Network | None:
    """Return the network of a profile below the ceiling."""
    above = ceiling.net
    if own is None or above is None:
        return None
    return msgspec.structs.replace(
        own,
        services=tuple(services_of(own.services, above.services)),
        credentials=tuple(credentials_of(own.credentials, above.credentials)),
        ssh_hosts=tuple(host for host in own.ssh_hosts if host in above.ssh_hosts),
        dns=_dns(own.dns, ceiling.net_bounds),
        proxy=own.proxy if ceiling.proxy is None else ceiling.proxy,
        proxy_resolves=own.proxy_resolves and above.proxy_resolves,
        publish=own.publish and above.publish,
        above=above,
        **_numbers(own, ceiling.net_bounds),
    )


def services_of(own: Iterable[Service], above: Iterable[Service]) -> Iterator[Service]:
    """Return what both have: the same port leads to the same port of the host, raw where both say so."""
    known = {(each.port, each.host_port): each.raw for each in above}
    for service in own:
        raw = known.get((service.port, service.host_port))
        if raw is not None:
            yield msgspec.structs.replace(service, raw=service.raw and raw)


def credentials_of(own: Iterable[Credential], above: Iterable[Credential]) -> Iterator[Credential]:
    """Return what both have: the token of the same source for the same host, in headers that both name."""
    known: dict[tuple[str, str], frozenset[str]] = {}
    for each in above:
        place = (each.host, each.source)
        known[place] = known.get(place, frozenset()) | frozenset(each.headers)
    for credential in own:
        allowed = known.get((credential.host, credential.source), frozenset())
        headers = tuple(name for name in credential.headers if name in allowed)
        if headers:
            yield msgspec.structs.replace(credential, headers=headers)


def _dns(own: DnsLimits, bounds: Mapping[str, float]) -> DnsLimits:
    given = {name.removeprefix(_DNS): bound for name, bound in bounds.items() if name.startswith(_DNS)}
    return msgspec.structs.replace(own, **{name: min(getattr(own, name), bound) for name, bound in given.items()})


def _numbers(own: Network, bounds: Mapping[str, float]) -> dict[str, float]:
    found = {}
    for name, bound in bounds.items():
        if not name.startswith(_DNS):
            value = getattr(own, name)
            found[name] = bound if value is None else min(value, bound)
    return found

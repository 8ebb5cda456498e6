"""A `[net]` section in words, one line for each thing that it grants or denies."""

from __future__ import annotations

from collections.abc import Iterator

from gmcp_sandbox.policy.network import SERVICE_HOST, HostDenial, HostRule, Network, Ports


def describe_network(network: Network | None) -> list[str]:
    """Return the lines, in the order of the profile."""
    if network is None:
        return ["none: the agent's own loopback and nothing else"]
    lines = [f"allow {_subject(rule)}{_rights(rule)}" for rule in network.allow]
    lines += [f"deny  {_subject(denial)}" for denial in network.deny]
    for service in network.services:
        lines.append(f"allow {SERVICE_HOST}:{service.port}, port {service.host_port} of the host's loopback")
    for credential in network.credentials:
        lines.append(f"token {credential.name} for {credential.host}, placeholder in {credential.env}")
    lines += [f"sign  for {host} by the user's ssh-agent" for host in network.ssh_hosts]
    return [*lines, *_bounds(network)]


def _subject(rule: HostRule | HostDenial) -> str:
    ports = "" if rule.ports is None else _ports(rule.ports)
    methods = "" if rule.methods is None else " " + " ".join(rule.methods)
    paths = "" if rule.paths is None else " under " + " ".join(rule.paths)
    return " ".join(rule.hosts) + ports + methods + paths


def _ports(ports: Ports) -> str:
    words = [str(low) if low == high else f"{low}-{high}" for low, high in ports]
    return " at " + ", ".join(words) if words else ""


def _rights(rule: HostRule) -> str:
    rights = []
    if rule.protocols != ("tcp",):
        rights.append("by " + " and ".join(rule.protocols))
    if rule.raw:
        rights.append("raw")
    if rule.intercept:
        rights.append("TLS opened on the way")
    if rule.addresses:
        rights.append("also at " + " ".join(rule.addresses))
    rights += [
        f"{size} bytes {way}" for size, way in ((rule.bytes_up, "up"), (rule.bytes_down, "down")) if size is not None
    ]
    return "".join(f", {right}" for right in rights)


def _bounds(network: Network) -> Iterator[str]:
    yield f"a refused connect ends by {'a reset' if network.denial == 'reset' else 'ICMP'}"
    yield f"at most {network.max_flows} flows at a time"
    for size, way in ((network.bytes_up, "up"), (network.bytes_down, "down")):
        if size is not None:
            yield f"at most {size} bytes {way} in a session"
    if network.proxy not in ("environment", "none"):
        yield f"by the proxy {network.proxy}"
    if network.proxy_resolves:
        yield "the proxy resolves names (delegated)"

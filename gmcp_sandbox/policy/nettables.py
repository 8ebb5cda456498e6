"""The TOML form of `[net]`: what may stand in it; `policy/netbuild.py` says what makes sense."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gmcp_sandbox.policy.network import Denial, Protocol
from gmcp_sandbox.policy.tables import Count, Name, Size, Table, Text, Words

Hosts = Annotated[
    tuple[str, ...],
    Meta(
        min_length=1,
        description="Names, `*.suffix`, `*` (any name, no address), addresses, networks. A private, loopback or other "
        "special address must be named by a network that lies in its special range.",
    ),
]
PortList = Annotated[tuple[int | str, ...], Meta(min_length=1, description='Ports, or ranges such as "8000-8100".')]
Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]
Methods = Annotated[tuple[str, ...], Meta(min_length=1, description="HTTP methods, upper case; any when absent.")]
Paths = Annotated[tuple[str, ...], Meta(min_length=1, description="Globs over request paths; any when absent.")]


class AllowTable(Table, frozen=True):
    """One grant of hosts. What no grant covers is denied; what `[[net.deny]]` covers is denied all the same."""

    hosts: Hosts
    ports: Annotated[PortList | None, Meta(description="443 and 80 when absent.")] = None
    protocols: Annotated[tuple[Protocol, ...], Meta(min_length=1, description="tcp, udp, icmp (echo).")] = ("tcp",)
    methods: Methods | None = None
    paths: Paths | None = None
    raw: Annotated[bool, Meta(description="Let flows pass that are neither TLS nor HTTP.")] = False
    intercept: Annotated[bool, Meta(description="Open TLS on the way, so that requests are judged.")] = False
    addresses: Annotated[Words | None, Meta(description="Special networks that the names may resolve to.")] = None
    bytes_up: Annotated[Size | None, Meta(description="To each of the hosts, in a session.")] = None
    bytes_down: Annotated[Size | None, Meta(description="From each of the hosts, in a session.")] = None


class DenyTable(Table, frozen=True):
    """What no grant overrides; with methods or paths, requests alone."""

    hosts: Hosts
    ports: Annotated[PortList | None, Meta(description="Any when absent.")] = None
    methods: Methods | None = None
    paths: Paths | None = None


class ServiceTable(Table, frozen=True):
    """One port of the host's loopback, reached as `host.gmcp.internal:port`."""

    port: Port
    host_port: Annotated[Port | None, Meta(description="On the host; the same when absent.")] = None
    raw: Annotated[bool, Meta(description="It speaks neither TLS nor HTTP.")] = False


class CredentialTable(Table, frozen=True):
    """A token that requests to one host get on their way out; the agent holds a placeholder."""

    name: Name
    host: Annotated[str, Meta(min_length=1, description="One name, of a grant with `intercept`.")]
    env: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Variable with the placeholder.")]
    source: Annotated[str, Meta(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$", description="Where the token is.")]
    headers: Annotated[tuple[str, ...], Meta(min_length=1, description="Where it may stand.")] = ("authorization",)
    prefix: Annotated[str, Meta(description="What the placeholder begins with.")] = ""


class DnsTable(Table, frozen=True):
    """Bounds against data in names that a `*` covers."""

    label_chars: Annotated[int, Meta(ge=1, le=63)] | None = None
    name_chars: Annotated[int, Meta(ge=1, le=253)] | None = None
    name_bits: Annotated[int, Meta(ge=1, description="Information in what the star stands for.")] | None = None
    names: Annotated[int, Meta(ge=1, le=65536, description="Distinct names in a session.")] | None = None
    per_second: Seconds | None = None
    burst: Count | None = None


class SshTable(Table, frozen=True):
    """The user's ssh-agent, for named hosts only."""

    hosts: Annotated[Words | None, Meta(description="Names whose keys stand in the user's known_hosts.")] = None


class NetTable(Table, frozen=True):
    """What the agent reaches. Without the section it has its own loopback and nothing else."""

    allow: Annotated[tuple[AllowTable, ...], Meta(min_length=1)] | None = None
    deny: Annotated[tuple[DenyTable, ...], Meta(min_length=1)] | None = None
    services: Annotated[tuple[ServiceTable, ...], Meta(min_length=1)] | None = None
    credentials: Annotated[tuple[CredentialTable, ...], Meta(min_length=1)] | None = None
    ssh_agent: SshTable | None = None
    dns: DnsTable | None = None
    denial: Annotated[Denial | None, Meta(description="How a refused connect ends: TCP reset, or ICMP.")] = None
    proxy: Annotated[Text | None, Meta(description='"environment", "none" or http://host:port.')] = None
    proxy_resolves: Annotated[bool | None, Meta(description="Give the proxy names, not checked addresses.")] = None
    bytes_up: Annotated[Size | None, Meta(description="Of the whole session.")] = None
    bytes_down: Annotated[Size | None, Meta(description="Of the whole session.")] = None
    max_flows: Annotated[int, Meta(ge=1, le=16384)] | None = None
    idle_seconds: Seconds | None = None
    udp_idle_seconds: Seconds | None = None
    connect_seconds: Seconds | None = None
    publish: Annotated[bool | None, Meta(description="Whether `exec --publish` may show ports.")] = None


NET_REPLACEABLE = ("net.allow", "net.deny", "net.services", "net.credentials", "net.ssh_agent.hosts")

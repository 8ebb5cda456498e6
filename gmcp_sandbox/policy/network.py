"""The `[net]` section of a profile, complete and checked: which hosts, how, and how much.

`policy/netbuild.py` makes it from TOML; `policy/hostrules.py` answers questions about it. A profile without the section
has no network but the agent's own loopback.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

SERVICE_HOST: Final = "host.gmcp.internal"
"""The name under which the profile's host services are reached, and the only way to the host's loopback."""
MCP_HOST: Final = "mcp.gmcp.internal"
"""The name under which the MCP gateway is reached, where the profile has servers."""
MCP_PORT: Final = 80
OWN_DOMAIN: Final = "gmcp.internal"
"""Names below it are ours; no pattern of a profile covers them."""

Denial = Literal["reset", "prohibited"]
Protocol = Literal["tcp", "udp", "icmp"]
Ports = tuple[tuple[int, int], ...]
"""Ranges, both ends in."""


class HostRule(msgspec.Struct, frozen=True):
    """One grant: these hosts, at these ports. Grants add up.

    Attributes:
        hosts: Names, `*.suffix`, `*` (any name, but no address), addresses and networks.
        ports: Empty for ICMP alone.
        protocols: By which it may be reached.
        methods: Of HTTP requests; None: any.
        paths: Globs over request paths; None: any.
        raw: A flow that is neither TLS nor HTTP may pass, too.
        intercept: TLS is opened on the way, so that methods and paths are seen.
        addresses: Special ranges that the names may resolve to.
        bytes_up: To each of the hosts, in a session; None: unbounded.
        bytes_down: From each of them.
    """

    hosts: tuple[str, ...]
    ports: Ports
    protocols: tuple[Protocol, ...] = ("tcp",)
    methods: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    raw: bool = False
    intercept: bool = False
    addresses: tuple[str, ...] = ()
    bytes_up: int | None = None
    bytes_down: int | None = None


class HostDenial(msgspec.Struct, frozen=True):
    """What no grant overrides. With methods or paths it is about requests alone."""

    hosts: tuple[str, ...]
    ports: Ports | None = None
    methods: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None


class Service(msgspec.Struct, frozen=True):
    """A port of the host's loopback that the agent reaches as `host.gmcp.internal:port`."""

    port: int
    host_port: int
    raw: bool = False


class Credential(msgspec.Struct, frozen=True):
    """A token that is put into requests to one host on their way out; the agent holds a placeholder.

    Attributes:
        name: For people and records.
        host: The one name that gets it; intercepted.
        env: Variable in the sandbox that holds the placeholder.
        source: `env:NAME` or `file:/path`, read by the supervisor.
        headers: Where the placeholder is replaced, lower case.
        prefix: What the placeholder begins with, for programs that look at the form of a token.
    """

    name: str
    host: str
    env: str
    source: str
    headers: tuple[str, ...] = ("authorization",)
    prefix: str = ""


class DnsLimits(msgspec.Struct, frozen=True):
    """Bounds against data in names. Only names that a `*` covers can carry any; those that a rule spells out are free.

    Attributes:
        label_chars: Longest label.
        name_chars: Longest name.
        name_bits: Most information in what the star stands for, by the frequency of its characters.
        names: Distinct names in a session, all together.
        per_second: Questions, in the long run.
        burst: Questions at once.
    """

    label_chars: int = 48
    name_chars: int = 120
    name_bits: int = 320
    names: int = 2048
    per_second: float = 100.0
    burst: int = 1000


class Network(msgspec.Struct, frozen=True):
    """What the agent reaches.

    Attributes:
        ssh_hosts: Names for which the user's ssh-agent signs.
        denial: How a refused connect ends: a reset, or ICMP "administratively prohibited".
        proxy: "environment" (the host's HTTPS_PROXY and its like), "none", or a URL.
        proxy_resolves: The proxy gets names instead of checked addresses; who is reached is then its word.
        bytes_up: Of the whole session; None: unbounded.
        max_flows: Connections at a time, and as many UDP flows.
        idle_seconds: After which a silent connection is closed.
        udp_idle_seconds: After which a silent UDP flow is forgotten.
        connect_seconds: Longest wait for an upstream connection.
        publish: Whether `exec --publish` may show ports of the sandbox.
        above: What the organisation's ceiling says of hosts; both must agree.
        mcp: The MCP gateway is there, under its own name.
    """

    allow: tuple[HostRule, ...] = ()
    deny: tuple[HostDenial, ...] = ()
    services: tuple[Service, ...] = ()
    credentials: tuple[Credential, ...] = ()
    ssh_hosts: tuple[str, ...] = ()
    dns: DnsLimits = DnsLimits()
    denial: Denial = "reset"
    proxy: str = "environment"
    proxy_resolves: bool = False
    bytes_up: int | None = None
    bytes_down: int | None = None
    max_flows: int = 512
    idle_seconds: float = 3600.0
    udp_idle_seconds: float = 60.0
    connect_seconds: float = 30.0
    publish: bool = True
    above: Network | None = None
    mcp: bool = False

"""What `profile show` says about the network."""

from __future__ import annotations

from gmcp_sandbox.policy.describe import describe_network
from gmcp_sandbox.policy.network import Credential, HostDenial, HostRule, Network, Service


def test_no_network_is_said() -> None:
    assert describe_network(None) == ["none: the agent's own loopback and nothing else"]


def test_each_part_has_its_line() -> None:
    network = Network(
        allow=(
            HostRule(("example.com", "*.example.com"), ((80, 80), (443, 443))),
            HostRule(
                ("api.example.net",), ((443, 443),), methods=("GET",), paths=("/v1/**",), intercept=True, bytes_up=1000
            ),
            HostRule(("git.example.org",), ((22, 22), (9000, 9010)), raw=True, addresses=("10.0.0.0/8",)),
            HostRule(("ping.example.org",), (), protocols=("icmp",)),
        ),
        deny=(HostDenial(("bad.example.com",)),),
        services=(Service(80, 8080),),
        credentials=(Credential("api", "api.example.net", "TOKEN", "env:TOKEN"),),
        ssh_hosts=("git.example.org",),
        denial="prohibited",
        proxy="http://proxy.example.com:3128",
        proxy_resolves=True,
        bytes_down=5,
    )
    assert describe_network(network) == [
        "allow example.com *.example.com at 80, 443",
        "allow api.example.net at 443 GET under /v1/**, TLS opened on the way, 1000 bytes up",
        "allow git.example.org at 22, 9000-9010, raw, also at 10.0.0.0/8",
        "allow ping.example.org, by icmp",
        "deny  bad.example.com",
        "allow host.gmcp.internal:80, port 8080 of the host's loopback",
        "token api for api.example.net, placeholder in TOKEN",
        "sign  for git.example.org by the user's ssh-agent",
        "a refused connect ends by ICMP",
        "at most 512 flows at a time",
        "at most 5 bytes down in a session",
        "by the proxy http://proxy.example.com:3128",
        "the proxy resolves names (delegated)",
    ]

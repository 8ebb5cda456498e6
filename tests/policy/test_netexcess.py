"""A `[net]` that exceeds the ceiling's is refused at its place."""

from __future__ import annotations

import pytest

from gmcp_sandbox.errors import ProfileError
from tests.policy.test_excess import CEILING, refuse

NET = """
[net]
proxy = "none"
bytes_up = "1MiB"
publish = false
[net.dns]
names = 10
[net.ssh_agent]
hosts = ["git.example.com"]
[[net.allow]]
hosts = ["*.example.com", "198.51.100.0/24"]
bytes_up = 1000
[[net.allow]]
hosts = ["*.example.com"]
ports = ["8000-8100", "8101-8200"]
raw = true
addresses = ["10.0.0.0/8"]
[[net.services]]
port = 5432
[[net.credentials]]
name = "token"
host = "api.example.com"
env = "T"
source = "env:T"
[[net.allow]]
hosts = ["api.example.com"]
intercept = true
"""
ALLOW = '[[net.allow]]\nhosts = ["a.example.com"]\n'
TOKEN = '[[net.credentials]]\nname = "x"\nhost = "{}"\nenv = "X"\nsource = "{}"\n'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[[net.allow]]\nhosts = ["example.org"]\n', "mine.toml:4: net.allow[0].hosts: 'example.org'"),
        ('[[net.allow]]\nhosts = ["*"]\n', "mine.toml:4: net.allow[0].hosts: '*'"),
        ('[[net.allow]]\nhosts = ["example.com"]\n', "mine.toml:4: net.allow[0].hosts: 'example.com'"),
        ('[[net.allow]]\nhosts = ["*.com"]\n', "mine.toml:4: net.allow[0].hosts: '*.com'"),
        ('[[net.allow]]\nhosts = ["198.51.0.0/16"]\n', "mine.toml:4: net.allow[0].hosts: '198.51.0.0/16'"),
        (ALLOW + ALLOW + "ports = [22]\n", "mine.toml:7: net.allow[1].ports: port 22"),
        (ALLOW + 'ports = ["8000-8201"]\n', "mine.toml:5: net.allow[0].ports: port 8000-8201"),
        (ALLOW + 'protocols = ["tcp", "icmp"]\n', "mine.toml:5: net.allow[0].protocols: tcp, icmp"),
        ('[[net.allow]]\nhosts = ["198.51.100.7"]\nraw = true\n', "mine.toml:5: net.allow[0].raw: raw"),
        (ALLOW + 'addresses = ["192.168.0.0/16"]\n', "mine.toml:5: net.allow[0].addresses: 192.168.0.0/16"),
        (
            '[[net.allow]]\nhosts = ["198.51.100.7"]\nbytes_up = 1001\n',
            "mine.toml:5: net.allow[0].bytes_up: 1001",
        ),
        (ALLOW + "[[net.services]]\nport = 6379\n", "mine.toml:5: net.services[0]: port 6379 of this host"),
        (ALLOW + "[[net.services]]\nport = 5432\nraw = true\n", "mine.toml:5: net.services[0]: port 5432"),
        (ALLOW + TOKEN.format("b.example.com", "env:T"), "mine.toml:5: net.credentials[0]: the token 'x'"),
        (ALLOW + TOKEN.format("api.example.com", "env:U"), "mine.toml:5: net.credentials[0]: the token 'x'"),
        ('[net.ssh_agent]\nhosts = ["c.example.com"]\n', "mine.toml:4: net.ssh_agent.hosts: c.example.com"),
        ('[net]\nproxy = "environment"\n', "mine.toml:4: net.proxy: 'environment'"),
        ("[net]\nproxy_resolves = true\n", "mine.toml:4: net.proxy_resolves: true"),
        ("[net]\npublish = true\n", "mine.toml:4: net.publish: true"),
        ('[net]\nbytes_up = "2MiB"\n', "mine.toml:4: net.bytes_up: 2097152"),
        ("[net.dns]\nnames = 11\n", "mine.toml:4: net.dns.names: 11"),
    ],
)
def test_more_than_the_ceiling_is_refused_at_its_place(text: str, place: str) -> None:
    with pytest.raises(ProfileError) as caught:
        refuse(text, CEILING + NET)
    assert str(caught.value).startswith(place)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        ALLOW + "ports = [80, 443]\nraw = true\n",
        ALLOW + 'ports = [443, "8050-8150"]\n',
        '[[net.allow]]\nhosts = ["*.A.example.com.", "198.51.100.128/25"]\nbytes_up = 1000\n',
        ALLOW + 'addresses = ["10.1.0.0/16"]\n',
        ALLOW + "[[net.services]]\nport = 5432\n" + TOKEN.format("api.example.com", "env:T"),
        '[net]\nproxy = "none"\npublish = false\nbytes_up = 5\n[net.ssh_agent]\nhosts = ["git.example.com"]\n',
        '[[net.deny]]\nhosts = ["*"]\n',
    ],
)
def test_what_is_within_it_stands(text: str) -> None:
    refuse(text, CEILING + NET)

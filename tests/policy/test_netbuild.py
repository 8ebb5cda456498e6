"""`[net]` from TOML: what is refused and how it is said, and how files join."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.network import HostRule, Network, Service
from gmcp_sandbox.policy.parse import parse_profile
from gmcp_sandbox.policy.profile import Profile, RateLimit

BASE = """name = "small"
tier = "limited"
[[mounts]]
path = "/w"
mode = "rw"
label = "workspace"
[[capabilities]]
tools = ["fs.read"]
labels = ["workspace"]
[environment]
allow = ["PATH"]
"""
ALLOW = """[[net.allow]]
hosts = ["example.com"]
"""


def parse(*nets: str) -> Profile:
    texts = [BASE + nets[0], *('name = "small"\n' + net for net in nets[1:])]
    return parse_profile([Source(f"{number}.toml", text) for number, text in enumerate(texts)], {})


def net(*nets: str) -> Network:
    found = parse(*nets).net
    assert found is not None
    return found


def fault(*nets: str) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        parse(*nets)
    return caught.value


def test_without_the_section_there_is_no_network() -> None:
    assert parse("").net is None


def test_a_grant_has_the_usual_ports() -> None:
    assert net(ALLOW).allow == (HostRule(("example.com",), ((80, 80), (443, 443))),)


def test_everything_comes_out() -> None:
    found = net("""
[net]
denial = "prohibited"
proxy = "http://proxy.example.com:3128"
proxy_resolves = true
bytes_up = "1GiB"
max_flows = 100
idle_seconds = 60
[[net.allow]]
hosts = ["*.example.com", "198.51.100.0/24"]
ports = [8080, "9000-9010"]
methods = ["GET"]
paths = ["/v1/**"]
bytes_down = "1MiB"
[[net.allow]]
hosts = ["git.example.org"]
addresses = ["10.0.0.0/8"]
ports = [22]
raw = true
[[net.allow]]
hosts = ["api.example.net"]
intercept = true
[[net.deny]]
hosts = ["bad.example.com"]
[[net.services]]
port = 80
host_port = 8080
[[net.credentials]]
name = "api"
host = "API.example.net"
env = "API_TOKEN"
source = "env:API_TOKEN"
headers = ["X-Api-Key"]
[net.ssh_agent]
hosts = ["git.example.org"]
[net.dns]
names = 10
per_second = 5
""")
    assert (found.denial, found.bytes_up, found.max_flows, found.idle_seconds) == ("prohibited", 1 << 30, 100, 60)
    assert found.allow[0].ports == ((8080, 8080), (9000, 9010)) and found.allow[0].bytes_down == 1 << 20
    assert found.services == (Service(80, 8080),)
    assert found.credentials[0].host == "api.example.net" and found.credentials[0].headers == ("x-api-key",)
    assert found.ssh_hosts == ("git.example.org",) and found.dns.names == 10


def test_questions_have_a_rate() -> None:
    assert RateLimit((Tool.DNS_RESOLVE,), 100.0, 1000) in parse(ALLOW).rates


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[net]\n", "net.allow: `net.allow` is missing", "loopback"),
        ("[net]\nallow = []\n", "0.toml:13: net.allow: must not be empty", ""),
        ("[[net.allow]]\nhosts = []\n", "0.toml:13: net.allow[0].hosts: must not be empty", ""),
        (ALLOW + "port = [443]\n", "0.toml:14: net.allow[0].port: unknown key", "did you mean 'ports'?"),
        (ALLOW + ALLOW + 'methods = "GET"\n', "0.toml:16: net.allow[1].methods", ""),
        ("[net]\nproxi = 1\n", "0.toml:13: net.proxi: unknown key", "did you mean 'proxy'?"),
        ('[net]\ndenial = "resett"\n', "0.toml:13: net.denial", "did you mean 'reset'?"),
        (ALLOW + "[net.dns]\nnames = 0\n", "0.toml:15: net.dns.names", ""),
        ('[[net.allow]]\nhosts = ["exa mple"]\n', "no host name", ""),
        ('[[net.allow]]\nhosts = ["127.0.0.1"]\n', "loopback is its own", "net.services"),
        ('[[net.allow]]\nhosts = ["0.0.0.0"]\n', "holds no hosts", ""),
        ('[[net.allow]]\nhosts = ["224.0.0.0/4"]\n', "holds no hosts", ""),
        ('[[net.allow]]\nhosts = ["198.18.1.0/24"]\n', "get their addresses", ""),
        ('[[net.allow]]\nhosts = ["2130706433"]\n', "looks like an address", "all four"),
        ('[[net.allow]]\nhosts = ["127.1"]\n', "looks like an address", ""),
        ('[[net.allow]]\nhosts = ["host.gmcp.internal"]\n', "a name of ours", "net.services"),
        ('[[net.allow]]\nhosts = ["*.gmcp.internal"]\n', "a name of ours", ""),
        ('[[net.allow]]\nhosts = ["a.test", "a.test"]\n', "stands twice", ""),
        (ALLOW + 'ports = ["80-79"]\n', "is no port", "range"),
        (ALLOW + "ports = [0]\n", "is no port", ""),
        (ALLOW + "ports = [65536]\n", "is no port", ""),
        (ALLOW + 'methods = ["GET"]\n', "cannot hold on port 443", "intercept = true"),
        (ALLOW + 'ports = [80]\nmethods = ["get"]\n', "upper case", ""),
        (ALLOW + 'ports = [80]\nmethods = ["GET"]\nraw = true\n', "beside `raw = true`", ""),
        (ALLOW + 'ports = [80]\npaths = ["v1"]\n', "starts with `/`", ""),
        (ALLOW + 'protocols = ["udp"]\n', "`ports` is missing", ""),
        (ALLOW + 'protocols = ["udp"]\nports = [443]\n', "UDP 443", ""),
        (ALLOW + 'protocols = ["icmp"]\nports = [443]\n', "no port", ""),
        (ALLOW + 'protocols = ["sctp"]\n', "net.allow[0].protocols", ""),
        (ALLOW + 'addresses = ["8.8.8.8"]\n', "lies in no special range", ""),
        (ALLOW + 'addresses = ["0.0.0.0/0"]\n', "lies in no special range", ""),
        (ALLOW + 'addresses = ["127.0.0.1"]\n', "`ports` must be given", ""),
        ('[[net.allow]]\nhosts = ["8.8.8.8"]\naddresses = ["10.0.0.0/8"]\n', "is for names", ""),
        (ALLOW + '[net.ssh_agent]\nhosts = ["*.example.com"]\n', "must be one name", ""),
        (ALLOW + '[net]\nproxy = "socks5://x:1"\n', "no proxy that can be used", "environment"),
        (ALLOW + '[net]\nproxy = "http://u:p@x:1"\n', "password does not belong", ""),
        ("[[net.services]]\nport = 80\n[[net.services]]\nport = 80\n", "stands twice", ""),
        (
            ALLOW + '[[net.credentials]]\nname = "c"\nhost = "example.com"\nenv = "T"\nsource = "env:T"\n',
            "no grant with `intercept = true`",
            "seen",
        ),
        (
            '[[capabilities]]\ntools = ["net.connect"]\nlabels = ["network"]\n',
            "granted by [net] alone",
            "net.allow",
        ),
        ('[[rates]]\ntools = ["fs.read"]\nper_second = 1\nburst = 1\nhosts = ["x.test"]\n', "tools of the network", ""),
    ],
)
def test_what_cannot_hold_is_refused(text: str, message: str, hint: str) -> None:
    error = fault(text)
    assert message in str(error)
    assert hint in error.hint


def test_files_join() -> None:
    found = net(
        ALLOW + "[net]\nmax_flows = 5\nproxy = 'none'\n", '[[net.allow]]\nhosts = ["b.test"]\n[net]\nmax_flows = 6\n'
    )
    assert [rule.hosts for rule in found.allow] == [("example.com",), ("b.test",)]
    assert (found.max_flows, found.proxy) == (6, "none")
    replaced = net(ALLOW, 'replaces = ["net.allow"]\n[[net.allow]]\nhosts = ["b.test"]\n')
    assert [rule.hosts for rule in replaced.allow] == [("b.test",)]
    assert "missing" in str(fault(ALLOW, 'replaces = ["net.allow"]\n'))


KEYS = ["hosts", "ports", "protocols", "methods", "paths", "raw", "intercept", "addresses", "bytes_up"]
VALUES = [
    "true",
    "[]",
    "[443]",
    '["10.0.0.0/8"]',
    '["GET"]',
    '["/**"]',
    '["*"]',
    '["udp"]',
    '"1GiB"',
    "-1",
    '["::/0", "x.test"]',
    "{a = 1}",
]


@given(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES)), st.sampled_from(["allow", "deny", "services"]))
def test_any_table_gives_a_network_or_the_one_error(pairs: dict[str, str], name: str) -> None:
    text = f"[[net.{name}]]\n" + "".join(f"{key} = {value}\n" for key, value in pairs.items())
    try:
        found = parse(text)
    except ProfileError:
        return
    assert found.net is not None and (found.net.allow or found.net.services)

"""A network below the ceiling: what both allow, and nothing else."""

from __future__ import annotations

import ipaddress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.monitor.shipped import shipped_profile
from gmcp_sandbox.pipeline.trust import Trust
from gmcp_sandbox.policy.ceiling import bounded, may_publish, parse_ceiling
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.hostrules import HostRules
from gmcp_sandbox.policy.netceiling import bounded_network
from gmcp_sandbox.policy.network import Credential, HostDenial, HostRule, Network, Service
from gmcp_sandbox.policy.parse import parse_profile
from gmcp_sandbox.policy.profile import Ceiling, Profile, Tier
from gmcp_sandbox.policy.sample import Place, calls_to_host
from gmcp_sandbox.policy.state import SessionState

VARIABLES = {"workspace": "/ws", "home": "/home/u", "user": "u"}
CHAIN = [Source(name, shipped_profile(name)) for name in ("constitution", "default")]
DEFAULT = parse_profile(CHAIN, VARIABLES)
STAR = Network((HostRule(("*",), ((80, 80), (443, 443))),))


def profile(network: Network | None) -> Profile:
    return msgspec.structs.replace(DEFAULT, net=network, tier=Tier.TRUSTED)


def ceiling(network: Network | None, **fields: object) -> Ceiling:
    return Ceiling("acme", "", Tier.TRUSTED, (), net=network, **fields)  # type: ignore[arg-type]


def parsed(net: str) -> Ceiling:
    text = f'name = "acme"\ntier = "standard"\n[[capabilities]]\ntools = ["fs.read"]\nlabels = ["workspace"]\n{net}'
    return parse_ceiling([Source("ceiling.toml", text)], VARIABLES)


def narrow(own: Network, net: str) -> Network:
    found = bounded_network(own, parsed(net))
    assert found is not None
    return found


def test_without_net_in_the_ceiling_nobody_has_a_network() -> None:
    assert bounded_network(STAR, ceiling(None)) is None
    assert bounded_network(None, ceiling(STAR)) is None


ALLOW = '[[net.allow]]\nhosts = ["*"]\n'


def test_the_smaller_number_holds_where_the_ceiling_says_one() -> None:
    own = msgspec.structs.replace(STAR, bytes_up=None, max_flows=9, idle_seconds=50.0)
    found = narrow(own, '[net]\nbytes_up = "1KiB"\nmax_flows = 10\nidle_seconds = 40\n[net.dns]\nnames = 7\n' + ALLOW)
    assert (found.bytes_up, found.max_flows, found.idle_seconds, found.dns.names) == (1024, 9, 40, 7)
    assert (found.bytes_down, found.connect_seconds, found.dns.burst) == (None, 30, 1000)


def test_its_proxy_is_everybodys_and_resolves_nothing_unasked() -> None:
    own = msgspec.structs.replace(STAR, proxy="none", proxy_resolves=True)
    assert narrow(own, ALLOW).proxy == "none"
    assert not narrow(own, ALLOW).proxy_resolves
    assert narrow(own, '[net]\nproxy = "environment"\n' + ALLOW).proxy == "environment"


def test_services_are_those_of_both_port_for_port() -> None:
    own = msgspec.structs.replace(
        STAR, services=(Service(5432, 5432, raw=True), Service(80, 5432), Service(5432, 6379), Service(1, 1))
    )
    found = narrow(own, "[[net.services]]\nport = 5432\n[[net.services]]\nport = 1\nraw = true\n")
    assert found.services == (Service(5432, 5432), Service(1, 1))


def test_a_token_goes_only_where_the_ceiling_sends_it() -> None:
    token = Credential("t", "api.example.com", "T", "env:T", ("authorization", "x-key"))
    own = msgspec.structs.replace(
        STAR,
        credentials=(
            token,
            msgspec.structs.replace(token, host="evil.example.com"),
            msgspec.structs.replace(token, source="file:/etc/shadow"),
        ),
    )
    net = (
        '[[net.allow]]\nhosts = ["*"]\nintercept = true\n[[net.credentials]]\nname = "a"\nhost = "api.example.com"\n'
        'env = "A"\nsource = "env:T"\n'
    )
    assert narrow(own, net).credentials == (msgspec.structs.replace(token, headers=("authorization",)),)
    assert narrow(own, ALLOW).credentials == ()


def test_the_ssh_agent_signs_for_hosts_of_both() -> None:
    own = msgspec.structs.replace(STAR, ssh_hosts=("git.example.com", "other.example.com"))
    found = narrow(own, ALLOW + '[net.ssh_agent]\nhosts = ["git.example.com"]\n')
    assert found.ssh_hosts == ("git.example.com",)


@pytest.mark.parametrize(
    ("own", "net", "may"),
    [
        (STAR, ALLOW, True),
        (STAR, "[net]\npublish = false\n" + ALLOW, False),
        (None, "[net]\npublish = false\n" + ALLOW, False),
        (None, "", False),
        (msgspec.structs.replace(STAR, publish=False), ALLOW, False),
    ],
)
def test_ports_are_published_when_both_say_so(own: Network | None, net: str, may: bool) -> None:
    assert may_publish(bounded(profile(own), parsed(net))) is may
    assert may_publish(profile(own)) is (own is None or own.publish)


def test_questions_are_bounded_by_the_ceilings_rate() -> None:
    low = bounded(profile(STAR), parsed("[net.dns]\nper_second = 2\nburst = 3\n" + ALLOW))
    assert (2, 3) in {(rate.per_second, rate.burst) for rate in low.rates}


HOSTS = ["*", "*.example.com", "a.example.com", "b.example.com", "*.a.example.com", "plain", "198.51.100.0/24"]
HOSTS += ["198.51.100.7", "10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "169.254.0.0/16", "169.254.169.254/32"]
ASKED = ["a.example.com", "x.a.example.com", "other.example", "plain", "198.51.100.7", "10.1.2.3", "169.254.169.254"]
PORTS = st.sampled_from([((443, 443),), ((80, 80),), ((1, 1000),), ((80, 80), (443, 443))])
RULES = st.builds(
    HostRule,
    st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True).map(tuple),
    PORTS,
    st.sampled_from([("tcp",), ("udp",), ("tcp", "udp"), ("icmp",)]),
    st.none() | st.sampled_from([("GET",), ("POST", "GET")]),
    st.none() | st.sampled_from([("/a/**",), ("/a/b", "/c")]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(), ("10.0.0.0/8",), ("169.254.169.254/32", "10.1.2.3/32")]),
    st.none() | st.integers(1, 9),
)
DENIALS = st.builds(HostDenial, st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2).map(tuple), st.none() | PORTS)
NETWORKS = st.builds(
    Network, st.lists(RULES, min_size=1, max_size=3).map(tuple), st.lists(DENIALS, max_size=1).map(tuple)
)
PLACES = st.builds(
    Place, st.sampled_from(ASKED), st.sampled_from([80, 443, 22]), st.sampled_from(["GET", "POST"]),
    st.sampled_from(["/", "/a/b", "/c"]),
)  # fmt: skip


@given(NETWORKS, NETWORKS, PLACES)
def test_a_call_is_allowed_when_both_allow_it(own: Network, above: Network, place: Place) -> None:
    low = bounded(profile(own), ceiling(above))
    state = SessionState(Tier.TRUSTED)
    for call in calls_to_host(place):
        both = [Trust(profile(each)).judge(call, state).outcome for each in (own, above)]
        verdict = Trust(low).judge(call, state)
        assert (verdict.outcome is Outcome.ALLOW) == (set(both) == {Outcome.ALLOW})
        if both == [Outcome.ALLOW, Outcome.DENY]:
            assert verdict.reason == "trust.ceiling"


@given(NETWORKS, NETWORKS, st.sampled_from(ASKED), st.sampled_from(["10.1.2.3", "169.254.169.254", "198.51.100.7"]))
def test_an_address_is_dialled_when_both_permit_it(own: Network, above: Network, host: str, address: str) -> None:
    low = bounded_network(own, ceiling(above))
    assert low is not None
    rules = [HostRules(each) for each in (low, own, above)]
    for is_own in (False, True):
        found = [each.permits_address(host, ipaddress.ip_address(address), is_own=is_own) for each in rules]
        assert found[0] == (found[1] and found[2])
    for port in (80, 443):
        raw = [each.may_be_raw(host, port) for each in rules]
        assert raw[0] == (raw[1] and raw[2])
        opened = [each.intercepts(host, port) for each in rules]
        assert opened[0] == (opened[1] or opened[2])
    is_granted = next(iter(rules[1].grants(host)), None) is not None
    for way in (0, 1):
        bounds = [each.budget(host)[way] for each in rules]
        narrower = min((one for one in bounds[1:] if one is not None), default=None)
        assert bounds[0] == (narrower if is_granted else None), "what is out of reach spends nothing"

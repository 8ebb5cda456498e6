"""Compiled host rules."""

from __future__ import annotations

import ipaddress
import math

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.hostrules import HostRules, Hosts, information, is_odd
from gmcp_sandbox.policy.network import DnsLimits, HostDenial, HostRule, Network, Service

WEB = ((80, 80), (443, 443))


def ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text)


def rules(*allow: HostRule, services: tuple[Service, ...] = ()) -> HostRules:
    return HostRules(Network(allow, services=services))


def test_which_hosts_have_rules_about_requests() -> None:
    asked = HostRules(
        Network(
            (HostRule(("api.example.com",), WEB, methods=("GET",)), HostRule(("*",), ((80, 80),))),
            (HostDenial(("forge.example.com",), None, paths=("/admin/**",)),),
        )
    )
    assert asked.rules_requests("API.example.com.", 443)
    assert not asked.rules_requests("api.example.com", 8080)
    assert asked.rules_requests("forge.example.com", 80)
    assert not asked.rules_requests("other.example.com", 80)


def test_names_fold_and_stars_need_a_dot() -> None:
    hosts = Hosts(["Example.COM.", "*.example.net", "*"])
    assert hosts.covers("example.com") and hosts.covers("a.example.net") and hosts.covers("any.test")
    assert not hosts.covers("intranet") and not hosts.covers("10.0.0.1") and not hosts.covers("::1")


def test_a_star_does_not_cover_its_own_stem() -> None:
    assert not Hosts(["*.example.net"]).covers("example.net")
    assert not Hosts(["*.example.net"]).covers("evilexample.net")


def test_public_answers_need_no_entry_and_special_ones_do() -> None:
    asked = rules(HostRule(("git.example.com",), WEB, addresses=("10.0.0.0/8",)), HostRule(("*",), WEB))
    assert asked.permits_address("git.example.com", ip("10.1.2.3"), is_own=False)
    assert asked.permits_address("git.example.com", ip("93.184.215.14"), is_own=False)
    assert not asked.permits_address("git.example.com", ip("192.168.0.1"), is_own=False)
    assert not asked.permits_address("evil.example.org", ip("10.1.2.3"), is_own=False)
    assert not asked.permits_address("unknown", ip("93.184.215.14"), is_own=False)


def test_an_address_of_this_machine_must_be_named_itself() -> None:
    wide = HostRule(("a.example.com", "203.0.113.0/24"), WEB, addresses=("10.0.0.0/8",))
    exact = HostRule(("b.example.com", "203.0.113.5"), WEB, addresses=("10.0.0.5", "fd00::5/128"))
    asked = rules(wide, exact)
    assert not asked.permits_address("a.example.com", ip("10.0.0.5"), is_own=True)
    assert asked.permits_address("b.example.com", ip("10.0.0.5"), is_own=True)
    assert asked.permits_address("b.example.com", ip("fd00::5"), is_own=True)
    assert not asked.permits_address("b.example.com", ip("93.184.215.14"), is_own=True)
    assert asked.permits_address("203.0.113.5", ip("203.0.113.5"), is_own=True)
    assert not asked.permits_address("203.0.113.6", ip("203.0.113.6"), is_own=True)
    assert asked.permits_address("203.0.113.6", ip("203.0.113.6"), is_own=False)


def test_services_map_ports() -> None:
    asked = rules(services=(Service(80, 8080), Service(11434, 11434, raw=True)))
    assert asked.host_port("host.gmcp.internal", 80) == 8080
    assert asked.host_port("host.gmcp.internal", 8080) is None
    assert asked.host_port("example.com", 80) is None
    assert asked.may_be_raw("host.gmcp.internal", 11434) and not asked.may_be_raw("host.gmcp.internal", 80)


def test_rights_add_up_by_port() -> None:
    asked = rules(
        HostRule(("*.example.com",), WEB),
        HostRule(("a.example.com",), ((443, 443),), intercept=True),
        HostRule(("a.example.com",), ((22, 22),), raw=True),
    )
    assert asked.intercepts("a.example.com", 443) and not asked.intercepts("a.example.com", 80)
    assert not asked.intercepts("b.example.com", 443)
    assert asked.may_be_raw("a.example.com", 22) and not asked.may_be_raw("a.example.com", 443)


def test_the_larger_budget_holds() -> None:
    asked = rules(
        HostRule(("*.example.com",), WEB, bytes_up=10, bytes_down=20), HostRule(("a.example.com",), WEB, bytes_up=50)
    )
    assert asked.budget("a.example.com") == (50, None)
    assert asked.budget("b.example.com") == (10, 20)
    assert asked.budget("elsewhere.test") == (None, None)


def test_a_name_that_is_spelt_out_is_never_odd() -> None:
    name = "q" * 10 + "abcdefghijklmnopqrstuvwxyz0123456789" + ".example.com"
    limits = DnsLimits(label_chars=20)
    assert is_odd(rules(HostRule(("*.example.com",), WEB)).grants(name), name, limits)
    assert not is_odd(rules(HostRule(("*.example.com", name), WEB)).grants(name), name, limits)


@given(st.text(max_size=200))
def test_information_is_bounded_by_the_alphabet(text: str) -> None:
    assert 0 <= information(text) <= len(text) * math.log2(max(len(set(text)), 1)) + 1e-6


@given(st.text(max_size=60), st.ip_addresses())
def test_any_host_gets_an_answer(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    asked = rules(HostRule(("*", "10.0.0.0/8"), WEB))
    for one in (host, str(address)):
        assert not asked.permits_address(one, ip("127.0.0.1"), is_own=True)
        assert isinstance(asked.grants(one), list)

"""What an edited `[net]` changes while the agent runs, and what waits."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.hostrules import HostRules
from gmcp_sandbox.policy.netreload import in_force
from gmcp_sandbox.policy.network import DnsLimits, HostDenial, HostRule, Network, Service

WEB = ((443, 443),)
ONE, TWO = HostRule(("one.example.com",), WEB), HostRule(("two.example.com",), WEB)
OPENED = HostRule(("opened.example.com",), WEB, intercept=True, methods=("GET",))
rules = st.lists(st.sampled_from([ONE, TWO, OPENED, HostRule(("*",), WEB, raw=True)]), unique=True).map(tuple)
networks = st.builds(Network, allow=rules, max_flows=st.sampled_from([1, 512]), bytes_up=st.sampled_from([None, 9]))


def test_hosts_denials_and_services_are_taken_over_at_once():
    new = Network((TWO,), deny=(HostDenial(("*",)),), services=(Service(80, 8080),))
    assert in_force(Network((ONE,)), new) == new


def test_what_helpers_were_started_with_waits():
    began = Network((ONE,), max_flows=5, bytes_up=7, idle_seconds=3.0)
    new = Network((TWO,), max_flows=50, bytes_up=70, idle_seconds=30.0, dns=DnsLimits(names=9, per_second=1.0))
    found = in_force(began, new)
    assert found == msgspec.structs.replace(began, allow=(TWO,), dns=DnsLimits(per_second=1.0))


def test_a_section_that_is_gone_leaves_nothing_within_reach():
    found = in_force(Network((ONE,), services=(Service(80, 80),)), None)
    assert found is not None and not HostRules(found).grants("one.example.com")
    assert not HostRules(found).grants("host.gmcp.internal")


def test_no_network_comes_to_a_session_that_began_without_one():
    assert in_force(None, Network((ONE,))) is None


def test_rules_on_requests_that_nobody_would_see_grant_nothing():
    """Taken over as it stands, the grant would let TLS pass unopened."""
    found = in_force(Network((ONE,)), Network((ONE, OPENED)))
    assert found is not None and found.allow == (ONE,)
    assert in_force(Network((OPENED,)), Network((ONE, OPENED))) == Network((ONE, OPENED))


@given(networks, networks)
def test_no_host_is_granted_that_the_new_section_does_not_grant(began, new):
    found = in_force(began, new)
    assert found is not None and set(found.allow) <= set(new.allow)
    assert (found.max_flows, found.bytes_up) == (began.max_flows, began.bytes_up)


def test_a_ceiling_holds_at_once_and_what_it_wants_opened_is_out_of_reach_until_then():
    ceiling = Network((OPENED, TWO))
    found = in_force(Network((ONE,)), Network((HostRule(("*",), WEB),), above=ceiling))
    assert found is not None and found.above is not None
    assert found.above.allow == (TWO,)
    assert in_force(Network((ONE,), above=ceiling), Network((ONE,), above=ceiling)) == Network((ONE,), above=ceiling)

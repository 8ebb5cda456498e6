"""Bytes are counted, and what is spent is out of reach."""

from __future__ import annotations

from gmcp_sandbox.net.budgets import Budgets
from gmcp_sandbox.policy.hostrules import HostRules
from gmcp_sandbox.policy.network import HostRule, Network
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState

WEB = ((443, 443),)
SECTION = Network((HostRule(("*.example.com",), WEB, bytes_up=100), HostRule(("free.test",), WEB)), bytes_down=1000)


def budgets(then=None):
    state = SessionState(Tier.STANDARD)
    return Budgets(HostRules(SECTION), state, then), state


def test_a_host_s_budget_is_its_own():
    count, state = budgets()
    count("net.bytes_up", "a.example.com", 99)
    count("net.bytes_up", "b.example.com", 99)
    count("net.bytes_up", "free.test", 10**9)
    count("net.bytes_down", "a.example.com", 500)
    assert state.exhausted == frozenset() and state.epoch == 1
    count("net.bytes_up", "a.example.com", 1)
    assert state.exhausted == {"a.example.com"} and state.epoch == 2
    count("net.bytes_up", "a.example.com", 1)
    assert state.epoch == 2


def test_the_session_has_one_too():
    count, state = budgets()
    for host in ("a.example.com", "free.test"):
        count("net.bytes_down", host, 500)
    assert state.exhausted == {"*"}


def test_counts_are_passed_on():
    heard = []
    count, _state = budgets(lambda *counted: heard.append(counted))
    count("net.bytes_up", "free.test", 7)
    assert heard == [("net.bytes_up", "free.test", 7)]


def test_other_limits_hold_at_once_and_what_was_spent_stays_spent():
    count, state = budgets()
    count("net.bytes_up", "a.example.com", 60)
    count.use(HostRules(Network((HostRule(("a.example.com",), WEB, bytes_up=50),), bytes_down=1000)))
    count("net.bytes_up", "a.example.com", 1)
    assert state.exhausted == {"a.example.com"}


def test_a_host_that_is_granted_no_more_has_not_spent_its_budget():
    """It would stay out of reach when a later reload grants it again."""
    count, state = budgets()
    count.use(HostRules(Network((HostRule(("free.test",), WEB),))))
    count("net.bytes_up", "a.example.com", 10)
    assert state.exhausted == frozenset()

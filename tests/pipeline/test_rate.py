"""Buckets: steady rate, burst, and clocks that lie."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import SECRET
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.pipeline.rate import Rate
from gmcp_sandbox.policy.profile import RateLimit, Tier
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import READ, STAT, connect, mcp

STATE = SessionState(Tier.STANDARD)
SECOND = 1_000_000_000


def answers(rate, *times, asked=STAT):
    return [rate.judge(msgspec.structs.replace(asked, at_ns=at), STATE).outcome is Outcome.ALLOW for at in times]


def test_without_a_limit_everything_passes():
    assert all(answers(Rate(()), *[0] * 100))


def test_a_burst_then_the_steady_rate():
    rate = Rate([RateLimit((Tool.FS_STAT,), 1.0, 2)])
    assert answers(rate, 0, 0, 0) == [True, True, False]
    assert answers(rate, SECOND, SECOND) == [True, False]
    assert answers(rate, 100 * SECOND, 100 * SECOND, 100 * SECOND) == [True, True, False]


def test_a_limit_of_several_tools_is_one_bucket():
    rate = Rate([RateLimit((Tool.FS_STAT, Tool.FS_READ), 1.0, 1)])
    assert answers(rate, 0) == [True]
    assert answers(rate, 0, asked=READ) == [False]


def test_a_limit_of_a_label_leaves_others_alone():
    rate = Rate([RateLimit((Tool.FS_STAT,), 1.0, 1, ("secret",))])
    secret = msgspec.structs.replace(STAT, label=SECRET)
    assert answers(rate, 0, 0) == [True, True]
    assert answers(rate, 0, 0, asked=secret) == [True, False]


def test_a_refused_call_takes_no_token_of_the_other_limit():
    rate = Rate([RateLimit((Tool.FS_STAT, Tool.FS_READ), 1.0, 2), RateLimit((Tool.FS_STAT,), 1.0, 1)])
    assert answers(rate, 0, 0, 0) == [True, False, False]
    assert answers(rate, 0, 0, asked=READ) == [True, False]


def test_a_clock_that_steps_back_refills_nothing():
    rate = Rate([RateLimit((Tool.FS_STAT,), 1.0, 1)])
    assert answers(rate, 10 * SECOND, 0, 5 * SECOND, 10 * SECOND) == [True, False, False, False]
    assert answers(rate, 11 * SECOND) == [True]


@given(st.lists(st.integers(0, 20 * SECOND), max_size=60), st.integers(1, 5), st.sampled_from([0.5, 1.0, 3.0]))
def test_never_more_than_burst_and_rate(times, burst, per_second):
    passed = sum(answers(Rate([RateLimit((Tool.FS_STAT,), per_second, burst)]), *times))
    span = (max(times) - times[0]) / SECOND if times else 0
    assert passed <= burst + max(span, 0) * per_second + 1e-6


@pytest.mark.parametrize("burst", [1, 7])
def test_a_full_bucket_gives_its_burst(burst):
    assert sum(answers(Rate([RateLimit((Tool.FS_STAT,), 0.001, burst)]), *[0] * 20)) == burst


def test_a_limit_of_hosts_leaves_others_alone():
    rate = Rate([RateLimit((Tool.NET_CONNECT,), 1.0, 1, None, ("*.example.com",))])
    assert answers(rate, 0, 0, asked=connect("a.example.com")) == [True, False]
    assert answers(rate, 0, asked=connect("b.example.com")) == [False]
    assert answers(rate, 0, 0, asked=connect("example.org")) == [True, True]


def test_a_limit_of_one_tool_of_a_server():
    rate = Rate([RateLimit((Tool.MCP_CALL,), 1.0, 1, server="files", names=("read*",))])
    assert answers(rate, 0, 0, asked=mcp("{}", "files/read_x")) == [True, False]
    assert answers(rate, 0, 0, asked=mcp("{}", "files/stat")) == [True, True]
    assert answers(rate, 0, 0, asked=mcp("{}", "other/read")) == [True, True]


def test_a_limit_of_a_whole_server():
    rate = Rate([RateLimit((Tool.MCP_CALL,), 1.0, 1, server="files")])
    assert answers(rate, 0, asked=mcp("{}", "files/a")) == [True]
    assert answers(rate, 0, asked=mcp("{}", "files/b/c")) == [False]

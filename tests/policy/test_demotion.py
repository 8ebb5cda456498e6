"""Signals: what counts, what is in a row, what is due."""

from __future__ import annotations

import msgspec
import pytest

from gmcp_sandbox.calls.arguments import McpElicit, McpLog, McpRoots, McpSample
from gmcp_sandbox.calls.labels import OUTSIDE
from gmcp_sandbox.policy.demotion import Signals
from gmcp_sandbox.policy.profile import Demotion, Tier
from tests.pipeline.samples import READ

SECOND = 1_000_000_000
ROW = Demotion("denials_in_a_row", 3, Tier.LIMITED)
MANY = Demotion("denials", 3, Tier.LIMITED, 10)


def asked(seq, at=0, label=READ.label):
    return msgspec.structs.replace(READ, seq=seq, at_ns=at * SECOND, label=label)


def falls(signals, *calls):
    return [signals.denied(one) is not None for one in calls]


def test_denials_in_a_row():
    assert falls(Signals([ROW]), asked(1), asked(2), asked(3)) == [False, False, True]


def test_an_allowed_call_between_them_ends_the_row():
    assert falls(Signals([ROW]), asked(1), asked(2), asked(4), asked(5), asked(6)) == [False, False, False, False, True]


def test_looking_for_what_is_not_shown_neither_counts_nor_ends_the_row():
    signals = Signals([ROW, MANY])
    hidden = [asked(seq, label=OUTSIDE) for seq in range(1, 50)]
    assert not any(falls(signals, *hidden))
    assert falls(signals, asked(50), asked(51, label=OUTSIDE), asked(52), asked(53)) == [False, False, False, True]


def test_denials_within_a_time():
    assert falls(Signals([MANY]), asked(1, 0), asked(3, 5), asked(5, 9)) == [False, False, True]
    assert falls(Signals([MANY]), asked(1, 0), asked(3, 5), asked(5, 15)) == [False, False, False]


def test_of_several_that_are_due_the_deepest_fall_counts():
    signals = Signals([Demotion("injection", 1, Tier.LIMITED), Demotion("injection", 2, Tier.UNTRUSTED)])
    assert signals.hit(asked(1)).demotion.tier is Tier.LIMITED
    assert signals.hit(asked(2)).demotion.tier is Tier.UNTRUSTED


def test_without_demotions_nothing_is_due():
    signals = Signals([])
    assert signals.denied(asked(1)) is None and signals.hit(asked(2)) is None


@pytest.mark.parametrize(
    "args",
    [
        McpLog("files", "message", "{}"),
        McpSample("files", "request", "{}"),
        McpElicit("files", "request", "{}"),
        McpRoots("files", "request", "{}"),
    ],
)
def test_an_agent_does_not_pay_for_what_a_server_says_by_itself(args):
    signals = Signals([ROW, MANY])
    assert not any(falls(signals, *(msgspec.structs.replace(asked(seq), args=args) for seq in range(1, 50))))


def test_it_pays_for_its_own_answers_to_a_server():
    mine = [msgspec.structs.replace(asked(seq), args=McpSample("files", "reply", "{}")) for seq in (1, 2, 3)]
    assert falls(Signals([ROW]), *mine) == [False, False, True]

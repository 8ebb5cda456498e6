"""Principles: selectors together, denials first."""

from __future__ import annotations

import pytest

from gmcp_sandbox.calls.arguments import FsRename
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.pipeline.constitution import Constitution
from gmcp_sandbox.policy.profile import Rule, Tier
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import READ, STAT, call, connect, mcp

CLEAN = SessionState(Tier.STANDARD)
TAINTED = SessionState(Tier.STANDARD, frozenset({"secret", "private"}))


def answer(asked, *rules, state=CLEAN):
    verdict = Constitution(rules).judge(asked, state)
    return verdict.outcome, verdict.reason


def rule(id="r", effect="deny", **selectors):
    return Rule(id, "text", effect, **selectors)


ALLOWED = (Outcome.ALLOW, "constitution.ok")
DENIED = (Outcome.DENY, "constitution.r")


def test_no_rule_no_objection():
    assert answer(STAT) == ALLOWED


def test_a_rule_without_selectors_holds_for_everything():
    assert answer(STAT, rule()) == answer(connect("example.com"), rule()) == answer(mcp("{}"), rule()) == DENIED


@pytest.mark.parametrize(
    "selectors",
    [
        {"tools": (Tool.FS_READ,)},
        {"labels": ("secret",)},
        {"paths": ("*.c",)},
        {"hosts": ("example.com",)},
        {"taint": ("secret",)},
    ],
)
def test_one_selector_that_does_not_match_is_enough(selectors):
    assert answer(STAT, rule(**selectors)) == ALLOWED


def test_all_selectors_together():
    narrow = rule(tools=(Tool.FS_STAT,), labels=("workspace",), paths=("*.py",), taint=("secret", "other"))
    assert answer(STAT, narrow, state=TAINTED) == DENIED
    assert answer(STAT, narrow, state=CLEAN) == ALLOWED
    assert answer(READ, narrow, state=TAINTED) == ALLOWED


@pytest.mark.parametrize(("source", "target"), [("/w/a.py", "/w/hooks/x"), ("/w/hooks/x", "/w/a.py")])
def test_either_path_of_a_rename_matches(source, target):
    assert answer(call(Tool.FS_RENAME, source, FsRename(target)), rule(paths=("hooks/*",))) == DENIED


def test_paths_say_nothing_about_hosts_and_hosts_nothing_about_paths():
    assert answer(connect("example.com"), rule(paths=("*",))) == ALLOWED
    assert answer(STAT, rule(hosts=("*",))) == ALLOWED
    assert answer(connect("192.0.2.9"), rule(hosts=("192.0.2.0/24",))) == DENIED


def test_a_denial_wins_over_an_earlier_ask():
    assert answer(STAT, rule("first", "ask"), rule()) == DENIED
    assert answer(STAT, rule("first", "ask"), rule("second", "ask")) == (Outcome.ASK, "constitution.first")


def test_an_unknown_effect_is_refused_at_once():
    with pytest.raises(ValueError, match="effect"):
        Constitution([rule(effect="allow")])

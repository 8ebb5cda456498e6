"""Principles: selectors together, denials first."""

from __future__ import annotations

import pytest

from gmcp_sandbox.calls.arguments import FsDelete, FsRename
from gmcp_sandbox.calls.labels import SYSTEM
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.pipeline.constitution import Constitution
from gmcp_sandbox.policy.profile import Rule, RuleCount, Tier
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import EXEC, READ, STAT, call, connect, exec_of, mcp

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


# --- exceptions, command lines ---------------------------------------------------------------------------------------


def test_what_is_excepted_is_not_held_up():
    but_temporary = rule(labels=("workspace",), unless=("*.tmp",))
    assert answer(call(Tool.FS_DELETE, "/w/a.tmp", FsDelete("file")), but_temporary) == ALLOWED
    assert answer(call(Tool.FS_DELETE, "/w/a", FsDelete("file")), but_temporary) == DENIED


def test_a_move_is_excepted_when_both_of_its_paths_are():
    but_temporary = rule(labels=("workspace",), unless=("*.tmp",))
    assert answer(call(Tool.FS_RENAME, "/w/a.tmp", FsRename("/w/a")), but_temporary) == DENIED
    assert answer(call(Tool.FS_RENAME, "/w/a.tmp", FsRename("/w/b.tmp")), but_temporary) == ALLOWED


def test_hosts_may_be_excepted():
    but_one = rule(hosts=("*.example.com",), unless=("api.example.com",))
    assert answer(connect("www.example.com"), but_one) == DENIED
    assert answer(connect("api.example.com"), but_one) == ALLOWED


def test_command_lines():
    assert answer(exec_of("run", "--fast"), rule(argv=("run --fast",))) == DENIED
    assert answer(EXEC, rule(argv=("run --slow",))) == ALLOWED
    assert answer(READ, rule(argv=("*",))) == ALLOWED


def test_arguments():
    old = rule(tools=(Tool.FS_DELETE,), args=(("is_new", False), ("kind", "file")))
    assert answer(call(Tool.FS_DELETE, "/w/a", FsDelete("file")), old) == DENIED
    assert answer(call(Tool.FS_DELETE, "/w/a", FsDelete("dir")), old) == ALLOWED
    assert answer(call(Tool.FS_DELETE, "/w/a", FsDelete("file", is_new=True)), old) == ALLOWED


# --- conditions ------------------------------------------------------------------------------------------------------


def test_a_condition_is_one_more_selector():
    tainted = rule(tools=(Tool.FS_READ,), when='"secret" in session.taint && call.op == "open"')
    assert answer(READ, tainted, state=TAINTED) == DENIED
    assert answer(READ, tainted) == ALLOWED


@pytest.mark.parametrize("effect", ["deny", "ask", "demote"])
def test_a_condition_that_cannot_be_evaluated_denies_and_is_named(effect):
    broken = rule(effect=effect, tools=(Tool.PROC_EXEC,), when="call.argv[7] == 'x'", tier=None)
    verdict = Constitution([broken]).judge(EXEC, CLEAN)
    assert (verdict.outcome, verdict.reason) == DENIED
    assert verdict.detail == "its condition could not be evaluated"


# --- counts ----------------------------------------------------------------------------------------------------------

FEW = RuleCount("few", "calls", 60, at_least=2)


def delete(path="/w/a", at=0, label=READ.label):
    return call(Tool.FS_DELETE, path, FsDelete("file"), label, at_ns=at * 10**9)


def play(rules, *calls, state=None):
    """Judge calls in their order, counting those that are allowed; return the outcomes."""
    constitution, state = Constitution(rules), state or SessionState(Tier.STANDARD)
    state.counters.expect(constitution.windows)
    outcomes = []
    for one in calls:
        outcomes.append(constitution.judge(one, state).outcome.value)
        if outcomes[-1] == "allow":
            constitution.tally(one, state)
    return outcomes


def test_a_rule_holds_from_a_number_of_its_own_calls_on():
    few = rule(tools=(Tool.FS_DELETE,), labels=("workspace",), unless=("*.tmp",), counts=(FEW,))
    others = [delete("/w/a.tmp"), delete("/usr/x", label=SYSTEM)] * 3
    assert play([few], *others, delete(), delete(), delete(), delete(at=70)) == ["allow"] * 8 + ["deny", "allow"]


def test_a_count_of_a_tool_counts_every_allowed_call_of_it():
    many = RuleCount("many", "fs.delete", 60, at_least=2)
    held = rule(tools=(Tool.NET_CONNECT,), counts=(many,))
    assert play([held], connect("example.com"), delete(), delete("/w/b")) == ["allow"] * 3
    assert play([held], delete(), delete(), connect("example.com")) == ["allow", "allow", "deny"]


def test_different_objects_and_one_object():
    apart = rule(tools=(Tool.FS_DELETE,), counts=(RuleCount("n", "calls", 60, 2, distinct=True),))
    assert play([apart], delete("/w/a"), delete("/w/a"), delete("/w/b"), delete("/w/c"))[-2:] == ["allow", "deny"]
    same = rule(tools=(Tool.FS_DELETE,), counts=(RuleCount("n", "calls", 60, 2, by_object=True),))
    assert play([same], delete("/w/a"), delete("/w/b"), delete("/w/a"), delete("/w/a"))[-2:] == ["allow", "deny"]


def test_counts_in_a_condition():
    held = rule(tools=(Tool.FS_DELETE,), counts=(RuleCount("n", "calls", 60),), when="counts.n >= 2")
    assert play([held], delete(), delete(), delete()) == ["allow", "allow", "deny"]


def test_what_reads_a_counter_is_volatile_and_nothing_else_is():
    few = rule(tools=(Tool.FS_DELETE,), labels=("workspace",), counts=(FEW,))
    tainted = rule("s", tools=(Tool.FS_READ,), taint=("secret",))
    constitution = Constitution([few, tainted, rule("c", when="call.pid == 1")])
    assert constitution.is_volatile(delete())
    assert constitution.is_volatile(READ), "the process is no part of what is remembered"
    constitution = Constitution([few, rule("s", tools=(Tool.FS_READ,), when="'secret' in session.taint")])
    assert not constitution.is_volatile(delete("/usr/x", label=SYSTEM))
    assert not constitution.is_volatile(READ)


# --- demotion, foresight ---------------------------------------------------------------------------------------------


def test_a_demotion_allows_and_says_where_to_until_it_has_happened():
    constitution = Constitution([rule(effect="demote", tools=(Tool.FS_READ,), tier=Tier.LIMITED)])
    verdict = constitution.judge(READ, CLEAN)
    assert (verdict.outcome, verdict.reason) == (Outcome.ALLOW, "constitution.r")
    assert constitution.tier_after(verdict) is Tier.LIMITED
    assert constitution.tier_after(constitution.judge(READ, SessionState(Tier.LIMITED))) is None


def test_an_ask_wins_over_a_demotion():
    rules = [rule("d", "demote", tools=(Tool.FS_READ,), tier=Tier.LIMITED), rule("a", "ask", tools=(Tool.FS_READ,))]
    assert answer(READ, *rules) == (Outcome.ASK, "constitution.a")


def test_what_taint_narrows_is_known_by_tool_and_label():
    constitution = Constitution(
        [
            rule("a", tools=(Tool.FS_READ,), labels=("workspace",), taint=("secret",)),
            rule("b", tools=(Tool.NET_CONNECT,), taint=("private",)),
            rule("c", tools=(Tool.FS_STAT,), when="session.tier == 'limited'"),
            rule("d", tools=(Tool.FS_WRITE,), labels=("workspace",)),
        ]
    )
    always = (Tool.FS_STAT, "*")
    assert constitution.narrowed(CLEAN, CLEAN) == {always}
    assert constitution.narrowed(CLEAN, SessionState(Tier.STANDARD, frozenset({"secret"}))) == {
        always,
        (Tool.FS_READ, "workspace"),
    }
    assert constitution.narrowed(TAINTED, TAINTED) == {always}

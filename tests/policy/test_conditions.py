"""Conditions: what compiles, what it reads, what it says, and that nothing else comes out."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import FsRead, ProcExec
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.conditions import NAMES, Condition, ConditionError, Reads
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import CALLS, READ, call, connect, exec_of, mcp

STATE = SessionState(Tier.LIMITED, frozenset({"secret"}))


def says(text, asked=READ, *, state=STATE, **counts):
    return Condition(text, tuple(counts)).holds(asked, state, counts)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ('call.tool == "fs.read" && call.object.startsWith("/w/")', READ),
        ('call.label == "workspace" && call.op == "open"', READ),
        ('"secret" in session.taint && session.tier == "limited"', READ),
        ("call.port == 443 && call.argv == [] && call.target == ''", connect("example.com")),
        ('call.argv.exists(word, word.matches("^--fast$"))', exec_of("run", "--fast")),
        ("call.size == 3", call(Tool.FS_READ, "/w/a", FsRead("read"), content=b"abc")),
        ('call.object == "/w/\\\\xff"', call(Tool.FS_READ, "/w/\udcff", FsRead("open"))),
    ],
)
def test_what_an_expression_sees(text, asked):
    assert says(text, asked) is True
    assert says(f"!({text})", asked) is False


def test_counts_have_the_rules_own_names():
    assert says("counts.deleted > 3", deleted=4)
    assert not says("counts.deleted > 3", deleted=3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("call.tol == 'x'", "undeclared reference to 'call.tol'"),
        ("counts.nothing > 3", "undeclared reference"),
        ("call.port > 'a'", "found no matching overload"),
        ("call.tool", "yields string, not true or false"),
        ("1 +", "Syntax error"),
        ("", "Syntax error"),
        ("system('x')", "undeclared reference"),
        ("true &&\ncall.tol", "line 2, column 5"),
    ],
)
def test_what_has_no_meaning_is_refused_with_the_place(text, complaint):
    with pytest.raises(ConditionError, match=r"column|yields") as refusal:
        Condition(text)
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("call.tool == 'fs.read'", Reads(session=False, passing=False)),
        ("'x' in session.taint", Reads(session=True, passing=False)),
        ("session . tier == 'limited'", Reads(session=True, passing=False)),
        ("call.pid == 3", Reads(session=False, passing=True)),
        ("call.size > 3", Reads(session=False, passing=True)),
        ("counts.n > 3", Reads(session=False, passing=True)),
        ("true", Reads(session=False, passing=False)),
    ],
)
def test_what_is_read_is_known(text, reads):
    assert Condition(text, ("n",)).reads == reads


@pytest.mark.parametrize("text", ["1 / call.pid == 1", "call.argv[3] == 'x'", "call.object.matches('(')"])
def test_what_goes_wrong_says_nothing_of_the_call(text):
    with pytest.raises(ConditionError, match="could not be evaluated") as refusal:
        says(text, call(Tool.PROC_EXEC, "/w/TOKEN", ProcExec()) if "pid" not in text else _of_nobody())
    assert "TOKEN" not in str(refusal.value)


def _of_nobody():
    return msgspec.structs.replace(READ, pid=0)


def test_a_command_line_cannot_make_evaluation_long():
    deep = "call.argv.all(a, call.argv.all(b, call.argv.all(c, a + b + c != 'x')))"
    with pytest.raises(ConditionError):
        says(deep, exec_of(*["y"] * 300))


@given(st.text(max_size=60))
def test_any_text_compiles_or_is_refused(text):
    try:
        Condition(text)
    except ConditionError as refusal:
        assert str(refusal)


EVERYTHING = Condition(
    " && ".join(f"{name} == {name}" for name in sorted(NAMES)) + " && counts.n == 1",
    ("n",),
)


@given(CALLS)
def test_every_name_has_a_value_for_every_call(asked):
    assert EVERYTHING.holds(asked, STATE, {"n": 1})


@pytest.mark.parametrize(
    ("text", "arguments", "answer"),
    [
        ('call.args.path.startsWith("/etc")', '{"path":"/etc/x"}', True),
        ('has(call.args.path) && call.args.path == "/etc"', "{}", False),
        ("call.args.n > 5", '{"n":7.5}', True),
        ('call.args.to.exists(each, each.endsWith("@example.com"))', '{"to":["a@example.com"]}', True),
        ("call.args.deep.b == null", '{"deep":{"b":null}}', True),
        ("size(call.args) == 0", "{}", True),
        ('call.arguments == "{}"', "{}", True),
    ],
)
def test_arguments_of_mcp_calls(text, arguments, answer):
    assert Condition(text).holds(mcp(arguments), STATE, {}) is answer
    assert not Condition(text).reads.passing


def test_an_argument_that_is_not_there_or_too_large_says_nothing():
    for text, arguments in (("call.args.n > 5", "{}"), ("call.args.n > 5", '{"n":' + "9" * 30 + "}")):
        with pytest.raises(ConditionError):
            Condition(text).holds(mcp(arguments), STATE, {})
    assert Condition("size(call.args) == 0").holds(READ, STATE, {})

"""Messages as tool calls: what is judged is what is passed on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import ARGUMENTS
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.mcp.requests import METHODS, REVERSED, logged, reply, wanted, wanted_in_reverse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["name", "arguments", "uri", "cursor", "_meta", "ref", "argument", "level", "mode", "task"])
PARAMS = st.dictionaries(KEYS, VALUES, max_size=5)


@given(st.sampled_from(METHODS), PARAMS)
def test_any_request_is_one_call_with_or_without_a_fault(method, params):
    found = wanted("files", method, params)
    assert isinstance(found.args, ARGUMENTS[found.tool])
    assert (found.params is None) == (getattr(found.args, "fault", None) is not None)
    assert found.object.split("/")[0] == "files"
    assert found.params is None or set(found.params.get("_meta", {})) <= {"progressToken"}


@given(st.sampled_from(REVERSED), PARAMS)
def test_any_request_of_a_server_is_one_call(method, params):
    asked, answered = wanted_in_reverse("files", method, params), reply("files", method, params)
    for found, stage in ((asked, "request"), (answered, "reply")):
        assert isinstance(found.args, ARGUMENTS[found.tool]) and getattr(found.args, "stage", None) == stage
        assert found.params is None or "_meta" not in found.params


def test_what_is_judged_is_what_is_passed_on():
    found = wanted("files", "tools/call", {"name": "x", "arguments": {"b": 1, "a": 2}, "task": {"ttl": 1}, "more": 3})
    assert found.params == {"name": "x", "arguments": {"b": 1, "a": 2}}
    assert json.loads(found.args.arguments) == found.params["arguments"]
    assert found.args.arguments == '{"a":2,"b":1}'


def test_an_unknown_method_is_none():
    assert wanted("files", "tasks/list", {}) is None
    assert wanted_in_reverse("files", "tools/call", {}) is None
    assert reply("files", "tools/call", {}) is None


def test_what_brings_something_of_the_server_along():
    brings = {method: wanted("s", method, {"name": "x", "uri": "u", "level": "info"}).brings for method in METHODS}
    assert not brings["tools/list"] and not brings["logging/setLevel"] and not brings["resources/subscribe"]
    assert brings["tools/call"] and brings["resources/list"] and brings["prompts/get"]
    assert not reply("s", "roots/list", {"roots": []}).brings
    assert logged("s", {"data": 1}).brings


@pytest.mark.parametrize("token", [True, 1.5, "x" * 65, "ü", {}, [], 1 << 60])
def test_a_progress_token_carries_nothing_else(token):
    assert wanted("s", "tools/list", {"_meta": {"progressToken": token}}).params is None


def test_progress_tokens_of_the_usual_form():
    for token in (0, 7, "a-1"):
        assert wanted("s", "tools/list", {"_meta": {"progressToken": token}}).params["_meta"]["progressToken"] == token


def test_log_messages():
    found = logged("s", {"level": "info", "logger": "l", "data": {"a": 1}, "_meta": {}})
    assert found.tool is Tool.MCP_LOG and found.params == {"level": "info", "logger": "l", "data": {"a": 1}}
    assert logged("s", {"data": "\ud800"}).params is None

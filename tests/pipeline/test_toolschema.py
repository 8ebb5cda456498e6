"""Schemas of servers against arguments of agents: neither can hurt."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmcp_sandbox.pipeline.toolschema import SchemaFault, compile_schema


def schema(**more):
    return {"type": "object", **more}


def fault(arguments, **more):
    return compile_schema(schema(**more)).fault(arguments)


def test_what_fits_passes():
    properties = {"path": {"type": "string"}, "depth": {"type": "integer", "minimum": 1}}
    assert fault({"path": "/a", "depth": 1.0}, properties=properties, required=["path"]) is None
    assert fault({}) is None


def test_patterns_of_members_and_values():
    parts = {"patternProperties": {"^n_": {"type": "number"}}, "additionalProperties": False}
    assert fault({"n_a": 1}, **parts) is None
    assert fault({"n_a": "1"}, **parts) == "$.n_a: must be a number, is text"
    assert "unknown 'm_a'" in fault({"m_a": 1}, **parts)
    assert "must match the pattern ^a+$" in fault({"x": "b"}, properties={"x": {"pattern": "^a+$"}})


def test_a_pathological_pattern_is_harmless():
    assert fault({"x": "a" * 50_000 + "b"}, properties={"x": {"pattern": "^(a+)+$"}}) is not None


def test_a_pattern_that_cannot_be_checked_is_refused_or_left_out():
    whole = schema(properties={"mail": {"type": "string", "pattern": "^(?!\\.)x"}})
    with pytest.raises(SchemaFault, match="linear time"):
        compile_schema(whole)
    check = compile_schema(whole, leave_out_patterns=True)
    assert check.unchecked == ("^(?!\\.)x",)
    assert check.fault({"mail": "y"}) is None
    assert check.fault({"mail": 3}) is not None


def test_nothing_is_fetched():
    for target in ("http://127.0.0.1:1/x", "file:///etc/passwd", "other.json#/a"):
        with pytest.raises(SchemaFault, match="another document"):
            compile_schema(schema(properties={"a": {"$ref": target}}))


def test_a_reference_into_the_schema_itself_works():
    parts = {"$defs": {"name": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/name"}}}
    assert fault({"a": "x"}, **parts) is None
    assert fault({"a": 1}, **parts) is not None
    assert "cannot be applied" in fault({}, **{"$ref": "#/nowhere"})


def test_references_that_double_at_every_step_run_out_of_budget():
    steps = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)} | {"a40": {}}
    assert "takes too long" in fault({}, **{"$defs": steps, "$ref": "#/$defs/a0"})


def test_a_reference_to_itself_ends():
    assert "cannot be applied" in fault({}, **{"$ref": "#"})


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"type": "string"},
        {"type": "object", "properties": 3},
        {"type": "object", "$schema": "https://example.com/own"},
        {"type": "object", "x": "y" * 200_000},
        {"type": "object", "properties": {"a": {"$id": "https://example.com/a"}}},
    ],
)
def test_what_is_no_schema_of_an_object_is_refused(wrong):
    with pytest.raises(SchemaFault):
        compile_schema(wrong)


def test_older_dialects_are_known():
    old = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1, "exclusiveMinimum": True}},
    }
    assert compile_schema(old).fault({"a": 1}) is not None
    assert compile_schema(old).fault({"a": 2}) is None


def test_a_fault_quotes_no_value_and_is_printable():
    told = fault({"a\x1b[2J": {"secret": "hunter2"}}, additionalProperties={"type": "string"})
    assert "hunter2" not in told and told.isprintable()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(
    [
        "type",
        "properties",
        "items",
        "enum",
        "const",
        "pattern",
        "anyOf",
        "oneOf",
        "not",
        "required",
        "uniqueItems",
        "multipleOf",
        "minLength",
        "additionalProperties",
        "patternProperties",
        "$ref",
        "minimum",
        "contains",
    ]
)


@settings(max_examples=150)
@given(st.dictionaries(WORDS, VALUES, max_size=5), st.dictionaries(st.text(max_size=3), VALUES, max_size=3))
def test_any_schema_and_any_arguments_have_an_answer(parts, arguments):
    try:
        check = compile_schema({**parts, "type": "object"})
    except SchemaFault:
        return
    answer = check.fault(arguments)
    assert answer is None or answer.startswith("$")

"""Keywords in our own words say what the library's say."""

from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.pipeline.schemawords import Meter, SpentError
from gmcp_sandbox.pipeline.toolschema import compile_schema

LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, 2.0]) | st.text("ab", max_size=3)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=3)
)
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
PARTS = st.recursive(
    st.one_of(
        st.builds(lambda kind: {"type": kind}, KINDS | st.lists(KINDS, min_size=1, max_size=2, unique=True)),
        st.builds(lambda values: {"enum": values}, st.lists(LEAVES, min_size=1, max_size=3)),
        st.builds(lambda value: {"const": value}, VALUES),
        st.builds(lambda names: {"required": names}, st.lists(st.sampled_from("ab"), unique=True)),
        st.builds(lambda number: {"minimum": number, "exclusiveMaximum": number + 2}, st.integers(-2, 2)),
        st.builds(lambda number: {"minLength": number, "maxItems": number}, st.integers(0, 2)),
        st.builds(lambda number: {"maxLength": number, "minItems": number}, st.integers(0, 2)),
        st.builds(lambda number: {"maxProperties": number, "minProperties": 1}, st.integers(0, 2)),
        st.builds(lambda number: {"multipleOf": number, "exclusiveMinimum": 0}, st.sampled_from([1, 2, 0.5])),
        st.just({"uniqueItems": True}),
        st.just({"pattern": "^a"}),
    ),
    lambda inner: st.one_of(
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda parts: {"oneOf": parts}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda part: {"items": part}, inner),
        st.builds(lambda part: {"properties": {"a": part}, "additionalProperties": False}, inner),
        st.builds(lambda part: {"additionalProperties": part}, inner),
        st.builds(lambda part: {"patternProperties": {"^a": part}, "additionalProperties": False}, inner),
    ),
    max_leaves=4,
)


@given(PARTS, VALUES)
def test_the_same_answer_as_the_library(part, value):
    whole = {"type": "object", "properties": {"x": part}}
    ours = compile_schema(whole).fault({"x": value}) is None
    assert ours == jsonschema.Draft202012Validator(whole).is_valid({"x": value})


def test_a_budget_ends():
    meter = Meter(2)
    meter.spend(2)
    with pytest.raises(SpentError):
        meter.spend(1)

"""One text for one value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.canonical import DEEPEST, MOST, CanonicalError, canonical, digest_of, parse, parse_object

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_a_value_comes_back_as_it_was(value):
    text = canonical(value)
    assert parse(text) == value
    assert canonical(parse(text)) == text
    assert parse(text.encode()) == value


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_order_and_blanks_make_no_difference(value):
    other = json.dumps(dict(reversed(value.items())), indent=2)
    assert digest_of(parse(other)) == digest_of(value)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_gives_a_value_or_the_error(text):
    try:
        value = parse(text)
    except CanonicalError:
        return
    try:
        assert parse(canonical(value)) == value
    except CanonicalError as fault:
        assert "surrogate" in str(fault)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a":1,"a":2}', "twice"),
        ("NaN", "NaN"),
        ("[" * 100_000, "nested deeper|valid JSON"),
        ("[" * 5000 + "]" * 5000, "nested deeper"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested deeper"),
        ("1" * 5000, "not valid JSON"),
        (b"\xff", "UTF-8"),
        ("[1, 2", "at character 5"),
    ],
)
def test_what_cannot_be_judged_is_refused(text, why):
    with pytest.raises(CanonicalError, match=why):
        parse(text)


def test_bounds():
    assert parse("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(CanonicalError, match="more than"):
        canonical([0] * (MOST + 1))
    for value in ({1: 2}.keys(), float("inf"), "\ud800", object()):
        with pytest.raises(CanonicalError):
            canonical(value)


def test_an_object_is_wanted():
    with pytest.raises(CanonicalError, match="not a JSON object"):
        parse_object("[]")

"""Arguments of any shape as one text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.probe.flatten import LOOKED_AT, flat, spaced

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"to": "a", "cc": ["b", "c"]}, 'to "a", cc "b", "c"'),
        ({"force": True, "n": 3}, "force true, n 3"),
        ({"requests": [{"deleteSheet": {"id": 1}}, {"sort": {"id": 2}}]}, "requests delete Sheet id 1, sort id 2"),
        ({"purge": None, "all": "", "of": {}, "by": []}, "purge, all, of, by"),
        ({"input": {"command": "/bin/rm  -r 'x'"}}, 'input command "rm -r x"'),
        ("text", '"text"'),
        ([], ""),
    ],
)
def test_arguments_read_as_a_sentence(value, text):
    assert flat(value) == text


def test_no_argument_hides_another():
    assert 'last "seen"' in flat({"first": "a" * LOOKED_AT, "last": "seen"})


def test_many_long_arguments_hide_none_behind_them():
    long = {f"n{number}": "a" * LOOKED_AT for number in range(20)}
    assert 'last "seen"' in flat({**long, "last": "seen"})


def test_nesting_behind_a_long_argument_hides_nothing():
    deep: object = "seen"
    for _ in range(100):
        deep = [deep]
    assert '"seen"' in flat({"first": "a" * 8000, "last": deep})


def test_a_long_name_hides_no_other():
    assert 'last "seen"' in flat({"a" * LOOKED_AT: 1, "last": "seen"})


def test_names_of_deep_nesting_do_not_pile_up():
    deep: object = 1
    for _ in range(20_000):
        deep = {"step": deep}
    assert len(flat(deep)) < 300


def test_what_is_left_out_is_said():
    assert flat([{"k": "a" * 1000}] * 1000).endswith(", and more")


def test_any_depth_is_read():
    value: object = "found"
    for _ in range(20_000):
        value = [value]
    assert flat(value) == '"found"'


@given(JSON)
def test_any_value_is_answered(value):
    assert isinstance(flat(value), str)


def test_names_of_programs_as_words():
    assert spaced("deleteAll_usersNow") == "delete All users Now"

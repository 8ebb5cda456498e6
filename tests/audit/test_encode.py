from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.audit.encode import encode

TEXTS = st.text(st.characters(codec=None, categories=None), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_every_value_is_one_line_of_printable_ascii_and_comes_back(value):
    data = encode(value)
    assert all(0x20 <= byte < 0x7F for byte in data)
    assert json.loads(data) == _joined(value)


def _joined(value):
    """JSON cannot tell a pair of surrogates from the character that they stand for."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, list):
        return [_joined(item) for item in value]
    if isinstance(value, dict):
        return {_joined(key): _joined(item) for key, item in value.items()}
    return value


def test_bytes_that_are_not_utf8_become_lone_surrogates():
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert encode(name) == b'"caf\\udce9"'


def test_terminal_escapes_and_bidirectional_marks_are_escaped():
    assert encode("\x1b[2J\x7f\x9b\u202e") == b'"\\u001b[2J\\u007f\\u009b\\u202e"'

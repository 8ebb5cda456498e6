"""Every text in what a server sends."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.mcp.inspection import MASKED, Masks, changed, texts_in, without_hidden

VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "data", "mimeType"]), inner),
    max_leaves=8,
)


def test_texts_stand_in_many_places():
    blob = base64.b64encode(b"of bytes").decode()
    value = {
        "content": [
            {"type": "text", "text": "plain"},
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "u", "mimeType": "text/plain", "blob": blob}},
        ],
        "structuredContent": {"key": [1, "deep"]},
    }
    found = texts_in(value)
    assert {"plain", "of bytes", "u", "key", "deep"} <= set(found)
    assert "AAAA" not in found


def test_bytes_that_are_no_text_are_not_read():
    for data in ("!!!", base64.b64encode(b"\xff\xfe").decode()):
        assert data not in texts_in({"mimeType": "application/x", "blob": data})


def test_a_change_reaches_texts_that_are_encoded():
    value = {"mimeType": "text/plain", "blob": base64.b64encode(b"secret").decode(), "a": ["secret"]}
    left = changed(value, lambda text: text.replace("secret", "-"))
    assert left["a"] == ["-"] and base64.b64decode(left["blob"]) == b"-"


@given(VALUES)
def test_a_change_to_nothing_changes_nothing(value):
    assert changed(value, str) == value
    assert without_hidden(value)[0] == value or without_hidden(value)[1]


def test_hidden_characters():
    assert without_hidden({"a": ["x\u200by"]}) == ({"a": ["xy"]}, True)
    family = {"a": "👨\u200d👩\u200d👧 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"}
    assert without_hidden(family) == (family, False)


def test_masks():
    masks = Masks(["correct horse", "short", "correct horse battery"])
    assert masks.text("a correct horse battery b") == f"a {MASKED} b"
    assert masks.text("short") == "short"
    encoded = base64.b64encode(b"correct horse").decode()
    assert masks.value({"x": [f"Basic {encoded}"]})[1] is True
    assert encoded.rstrip("=") not in masks.text(encoded)
    assert masks.value({"x": 1}) == ({"x": 1}, False)

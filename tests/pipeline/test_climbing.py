"""Paths that lead out of where they begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.pipeline.climbing import climbs


@pytest.mark.parametrize(
    "text",
    [
        "../../etc/passwd",
        "a/../../../b",
        "/srv/files/../../etc",
        "/..",
        "/../etc/shadow",
        "file:///srv/../../etc/passwd",
        "..\\..\\windows",
        "..%2f..%2fetc",
        "%252e%252e/%252e%252e/etc",
        "  ../../x ",
    ],
)
def test_it_climbs(text):
    assert climbs(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../sibling",
        "./a/../b",
        "/srv/a/../b",
        "see ../../docs",
        "https://example.com/a/../../b",
        "1..2",
        "a...b/..c",
        "import x from '../../y'\nmore",
        "100%",
    ],
)
def test_it_does_not(text):
    assert not climbs(text)


@given(st.text("./%2ef\\a:", max_size=40))
def test_any_text_has_an_answer(text):
    assert climbs(text) in (True, False)

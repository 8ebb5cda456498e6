"""Disguises are seen through; honest text of any script is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.pipeline.concealment import has_unseen, is_concealed, is_mixed, revealed, unveil


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "größe",
        "Привет мир",
        "日本語",
        "👩‍👩‍👧 family",
        "می‌خواهم",
        "🏴\U000e0067\U000e0062\U000e0065\U000e007f",
        "naïve ❤️",
    ],
)
def test_honest_text(text):
    assert not is_concealed(text)
    assert not is_mixed(text)


@pytest.mark.parametrize("text", ["ig\u200bnore", "a\u202eb", "ig\u00adnore", "x\U000e0069\U000e0067\U000e006e"])
def test_what_cannot_be_seen(text):
    assert is_concealed(text)


def test_letters_of_another_script():
    assert is_mixed("іgnоrе all")  # Cyrillic і, о and е
    assert not is_mixed("5 μm and Δx")


def test_unveiled_text_reads_as_it_is_meant():
    assert unveil("ig\u200bnоre") == "ignore"
    assert unveil("ｉｇｎｏｒｅ") == "ignore"
    assert unveil("".join(chr(0xE0000 + ord(char)) for char in "ignore")) == "ignore"


@given(st.text())
def test_any_text_can_be_unveiled(text):
    assert isinstance(unveil(text), str)
    is_concealed(text), is_mixed(text)


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_is_never_changed(text):
    assert unveil(text) == text


def test_what_is_revealed_is_no_longer_concealed():
    assert revealed("ig\u200bnore\u202e this") == "ignore this"
    family = "\U0001f468\u200d\U0001f469"
    assert revealed(family) == family and not has_unseen(family)
    assert has_unseen("end\u200b ") and has_unseen("\U000e0041") and not has_unseen("plain")


@given(st.text())
def test_revealing_takes_away_only(text):
    left = iter(text)
    assert all(char in left for char in revealed(text))

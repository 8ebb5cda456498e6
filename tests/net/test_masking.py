"""Secrets in streams, cut at any place."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.masking import Finder, Masker

SECRETS = {b"abab": b"xyzw", b"abc": b"123", b"b" * 5: b"-----"}


def cut(data, places):
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.text(alphabet="abc-", max_size=80), st.lists(st.integers(0, 200), max_size=20))
def test_reads_make_no_difference(text, places):
    data = text.encode()
    masker = Masker(SECRETS)
    streamed = b"".join(masker.feed(part) for part in cut(data, places)) + masker.finish()
    assert len(streamed) == len(data)
    assert streamed == Masker(SECRETS).whole(data)
    assert not any(secret in streamed for secret in SECRETS)


@given(st.text(alphabet="abc-", max_size=80), st.lists(st.integers(0, 200), max_size=20))
def test_a_word_is_found_wherever_reads_cut_it(text, places):
    data = text.encode()
    finder = Finder((b"abab", b"cc"))
    found = [finder.is_in(part) for part in cut(data, places)]
    assert any(found) == (b"abab" in data or b"cc" in data)


def test_no_more_is_held_back_than_may_be_a_beginning():
    masker = Masker({b"secret": b"******"})
    assert masker.feed(b"event: 1\n\n") == b"event: 1\n\n"
    assert masker.feed(b"sec") == b""
    assert masker.feed(b"ond\n\n") == b"second\n\n"


def test_without_secrets_nothing_is_looked_at():
    assert Masker({}).feed(b"abc") == b"abc"
    assert not Finder(()).is_in(b"abc")


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="one length"):
        Masker({b"a": b"bc"})

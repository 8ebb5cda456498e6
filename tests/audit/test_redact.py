from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.audit.redact import (
    _PATTERNS,
    OBJECT_CHARS,
    VALUE_CHARS,
    WORDS_CHARS,
    redact,
    redact_json,
    redact_words,
    shorten,
)

SECRET = "hunter2hunter2hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"https://user:{SECRET}@example.com/x",
        f"https://{SECRET}@example.com/x",
        f"--password={SECRET}",
        f"PGPASSWORD={SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"Proxy-Authorization: Basic {SECRET}",
        f"Cookie: session={SECRET}; other={SECRET}",
        f"/search?q=1&access_token={SECRET}&page=2",
        f'{{"api_key":"{SECRET}"}}',
        f'{{"client_secret": "a b {SECRET}"}}',
        f"bearer {SECRET}",
        f"ghp_{SECRET}".replace("hunter", "HUNTER"),
        f"sk-{SECRET}",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
        f"eyJhbGciOiJIUzI1NiJ9.{SECRET}.{SECRET}",
    ],
)
def test_what_looks_like_a_credential_is_hidden(text):
    shown = redact(text)
    assert "[redacted]" in shown
    assert "hunter2" not in shown.lower()


@pytest.mark.parametrize(
    "text", ["/home/u/src/tokenizer.py", "--max-tokens=100", "https://example.com/a/b?page=2", "git commit -m message"]
)
def test_ordinary_words_stay(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    "words",
    [
        ["tool", "--password", SECRET],
        ["tool", "--api-key", SECRET],
        ["curl", "-u", f"name:{SECRET}"],
        ["curl", "-H", f"Authorization: token {SECRET}"],
        ["mysql", f"--password={SECRET}"],
    ],
)
def test_command_lines_hide_the_word_after_an_option_that_says_so(words):
    shown = redact_words(words)
    assert len(shown) == len(words)
    assert SECRET not in " ".join(shown)


def test_an_option_after_an_option_is_no_value():
    assert redact_words(["tool", "--password-stdin", "--verbose"]) == ["tool", "--password-stdin", "--verbose"]


def test_a_long_command_line_is_cut_and_says_so():
    shown = redact_words(["echo", *["x" * 4000] * 100])
    assert sum(map(len, shown)) < WORDS_CHARS + 200
    assert "[cut: " in shown[-1]


def test_many_words_are_cut_and_say_so():
    assert len(redact_words(["x"] * 100_000)) < 2000


def test_a_secret_at_the_edge_of_the_window_is_not_cut_in_two():
    padding = "password=" + "y" * 600 + " "
    text = padding * 20
    for shift in range(40):
        shown = redact("z" * shift + text + f"sk-{SECRET}" * 200)
        assert "hunter2" not in shown


@given(st.text(max_size=200))
def test_redacting_returns_text_for_any_text(text):
    assert isinstance(redact(text), str)
    assert isinstance(redact_words([text, text]), list)


@pytest.mark.parametrize(
    "part", ["eyJ-", "token", "://", "password", '"secret":"', "bearer ", "-----BEGIN ", "sk-", "a:"]
)
def test_hostile_repetition_is_bounded_in_what_it_returns(part):
    assert len(redact(part * 100_000)) < 2 * VALUE_CHARS + 200


def test_long_objects_keep_head_length_and_digest():
    path = "/" + "d/" * 10_000
    shown = shorten(path)
    assert shown.startswith(path[:OBJECT_CHARS])
    assert f"[cut: {len(path)} characters, blake3 " in shown
    assert shorten("/ws/a") == "/ws/a"


def test_members_with_telling_names_are_hidden_however_they_are_spelled():
    given_value = {
        "password": "hunter2",
        "apiKey": 12345,
        "auth_token": ["hunter2", {"x": "hunter2"}],
        "nested": json.dumps({"client_secret": "hunter2"}),
        "text": "Authorization: Bearer hunter2hunter2",
        "clientSecret": "hunter2",
        "max_tokens": 5,
        "secretary": "Ann",
        "user": "bob",
    }
    shown = redact_json(json.dumps(given_value))
    assert "hunter2" not in shown and "12345" not in shown
    left = json.loads(shown)
    assert (left["user"], left["max_tokens"], left["secretary"], left["apiKey"]) == ("bob", 5, "Ann", "[redacted]")


def test_what_is_no_json_or_too_long_is_redacted_as_text():
    assert redact_json("password=hunter2") == redact("password=hunter2")
    long = redact_json(json.dumps({"a": ["x" * 3000] * 400, "password": "hunter2"}))
    assert "[cut: " in long and len(long) < 2 * VALUE_CHARS
    assert redact_json("[" * 100_000).startswith("[")


@given(
    st.recursive(
        st.text(max_size=6), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["token", "a"]), inner)
    )
)
def test_any_json_has_a_form_for_records(value):
    assert len(redact_json(json.dumps(value), 64)) < 64 + 200


_FRAGMENTS = st.sampled_from(
    "password pwd= secret: Credential api_key=x API-KEY: access-token=abcdefgh session_id=1 Signature=aa token=zzzzzz "
    "Authorization:·x Set-Cookie:·a=b x-api-key=1 private-token:x Bearer·abcdefghij BASIC·abcdefghij "
    "https://ada:pw@example.com eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig ghp_aaaaaaaaaaaaaaaaaaaaaaaa "
    "github_pat_aaaaaaaaaaaaaaaaaaaaaa glpat-aaaaaaaaaaaaaaaaaaaa sk-aaaaaaaaaaaaaaaaaaaa xoxb-aaaaaaaaaaaa "
    "AKIAABCDEFGHIJKLMNOP AIzaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa npm_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
    "pypi-aaaaaaaaaaaaaaaaaaaa hf_aaaaaaaaaaaaaaaaaaaaaaaa -----BEGIN·RSA·PRIVATE·KEY-----x -----END "
    "plain words 1234 baſic·abcdefghij ſecret=hidden toKen=hidden".replace("·", "~").split()
).map(lambda word: word.replace("~", " "))


@given(st.lists(_FRAGMENTS | st.text(max_size=12), max_size=6).map(" ".join))
def test_a_pattern_is_left_out_only_where_it_has_nothing_to_find(text):
    seen = text
    for pattern, replacement, _parts in _PATTERNS:
        seen = pattern.sub(replacement, seen)
    assert redact(text) == seen


@given(_FRAGMENTS.map(str.swapcase) | _FRAGMENTS)
def test_that_holds_for_each_by_itself(text):
    seen = text
    for pattern, replacement, _parts in _PATTERNS:
        seen = pattern.sub(replacement, seen)
    assert redact(text) == seen

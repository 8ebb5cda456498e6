"""Globs: what they match, and that no name makes them slow or wrong."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.match import Glob, GlobError, compile_globs, compile_hosts, compile_names

NAMES = st.text(st.sampled_from("ab.*?[]!-^\\\n\udcff{}()|+$"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(lambda names: "/" + "/".join(names))
PARTS = st.one_of(st.just("**"), st.text(st.sampled_from("ab.*?"), min_size=1, max_size=5)).filter(
    lambda part: part not in (".", "..")
)
PATTERNS = st.tuples(st.sampled_from(["", "/"]), st.lists(PARTS, min_size=1, max_size=4)).map(
    lambda pair: pair[0] + "/".join(pair[1])
)


def slowly(parts: list[str], names: list[str]) -> bool:
    """Say the same by definition: a part takes a name, `**` any number of them (one at least when it is last)."""
    if not parts:
        return not names
    if parts[0] == "**":
        least = 1 if len(parts) == 1 else 0
        return any(slowly(parts[1:], names[count:]) for count in range(least, len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0].replace("**", "*")) and slowly(parts[1:], names[1:])


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        (".env", "/w/.env", True),
        (".env", "/w/a/b/.env", True),
        (".env", "/w/.env/x", False),
        ("*.pem", "/w/key.pem", True),
        ("*.pem", "/w/.pem", True),
        (".git/hooks/*", "/w/.git/hooks/pre-commit", True),
        (".git/hooks/*", "/w/.git/hooks/a/b", False),
        ("/etc/shadow*", "/etc/shadow-", True),
        ("/etc/shadow*", "/w/etc/shadow", False),
        ("/w/**", "/w/a/b", True),
        ("/w/**", "/w", False),
        ("/w/**/*.key", "/w/x.key", True),
        ("/w/**/*.key", "/w/a/b/x.key", True),
        ("a/**/b", "/x/a/b", True),
        ("a/**/b", "/x/a/1/2/b", True),
        ("**/b", "/b", True),
        ("[!a]x", "/bx", True),
        ("[!a]x", "/ax", False),
        ("[a-c]x", "/bx", True),
        (r"\*x", "/*x", True),
        (r"\*x", "/ax", False),
        ("?", "/\udcff", True),
        ("*", "/a\nb", True),
        ("id_rsa", "/w/id_rsa.pub", False),
    ],
)
def test_a_glob_matches_what_its_documentation_says(pattern: str, path: str, expected: bool) -> None:
    assert Glob(pattern).matches(path) is expected
    assert compile_globs([pattern])(path) is expected


@pytest.mark.parametrize("pattern", ["", "a//b", "a/", "../a", "a/./b", "[a", "a\\", "!a", "[b-a]", "a\0b"])
def test_a_glob_without_a_meaning_is_refused(pattern: str) -> None:
    with pytest.raises(GlobError):
        compile_globs([pattern])


@given(PATTERNS, PATHS)
def test_globs_agree_with_their_definition(pattern: str, path: str) -> None:
    parts = pattern.removeprefix("/").split("/")
    if not pattern.startswith("/") and parts[0] != "**":
        parts = ["**", *parts]
    assert Glob(pattern).matches(path) is slowly(parts, path[1:].split("/"))


@given(st.lists(PATTERNS, max_size=6), st.lists(PATHS, max_size=6))
def test_a_set_says_what_its_globs_say(patterns: list[str], paths: list[str]) -> None:
    predicate = compile_globs(patterns)
    for path in paths:
        assert predicate(path) is any(Glob(pattern).matches(path) for pattern in patterns)


def test_a_glob_of_many_stars_is_linear_in_the_name() -> None:
    hostile = "/" + "a" * 20_000 + "c"
    assert not compile_globs(["*a*a*a*a*a*a*a*a*a*a*b"])(hostile)
    assert not compile_globs(["x/" + "**/a*b/" * 10 + "y"])("/x" + "/aaab" * 2_000 + "/z")


def test_an_empty_set_matches_nothing() -> None:
    assert not compile_globs([])("/a")
    assert not compile_names([])("a")
    assert not compile_hosts([])("example.com")

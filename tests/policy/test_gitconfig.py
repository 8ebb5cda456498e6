"""Our reading of git-config syntax against git's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.policy.gitconfig import Entry, parse_git_config

PIECES = st.sampled_from(
    [
        *(b"[core]", b"[Core]", b'[a "B.c"]', b"[a.B]", b'[ "x"]', b'[a "q\\"\\\\z"]', b"[]", b"[a b]", b'[a"b"]'),
        *(b'[a "b" ]', b"\n", b"\r\n", b"\r", b" ", b"\t", b"=", b"Editor", b"fsMonitor", b"x", b"1", b"-", b"evil"),
        *(b"!sh", b"\xff", b'"', b"\\", b"\\\n", b"\\n", b"\\q", b"#", b";", b"editor = vi\n", b"pager=\n"),
        *(b"[alias]\nx = !y\n", b"\xef\xbb\xbf"),
    ]
)
CONTENTS = st.lists(PIECES, max_size=14).map(b"".join)


def listed(path: Path) -> tuple[bool, list[tuple[str, str | None]]]:
    """Return whether git accepts a file, and what it lists."""
    done = subprocess.run(["git", "config", "-f", str(path), "--list", "-z"], capture_output=True, check=False)
    pairs = [entry.partition("\n") for entry in done.stdout.decode("latin-1").split("\0")[:-1]]
    return done.returncode == 0, [(key, value if has else None) for key, has, value in pairs]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CONTENTS)
def test_what_git_lists_we_read_alike(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    is_accepted, pairs = listed(path)
    config = parse_git_config(content)
    ours = [(spelled(entry), entry.value) for entry in config.entries]
    if is_accepted:
        assert config.error is None
        assert [(key, squeezed(value)) for key, value in ours] == [(key, squeezed(value)) for key, value in pairs]
    else:
        assert config.error is not None
        assert [key for key, _value in ours][: len(pairs)] == [key for key, _value in pairs]


def spelled(entry: Entry) -> str:
    """Return the key as git lists it: one before any section has no dot."""
    return entry.variable if not entry.section and entry.subsection is None else entry.key


def squeezed(value: str | None) -> str | None:
    """Blanks inside of a value: git before 2.45 writes each as a space."""
    return None if value is None else value.replace("\t", " ").replace("\r", " ")


@given(st.binary(max_size=300))
def test_no_bytes_raise(content: bytes) -> None:
    parse_git_config(content)


@pytest.mark.parametrize(
    ("content", "key", "value"),
    [
        (b'[filter "L.F"]\n\tclean = git-lfs clean -- %f\n', "filter.L.F.clean", "git-lfs clean -- %f"),
        (b"[core]\neditor = a\\\n b # c\n", "core.editor", "a b"),
        (b'[core]\neditor = "a # b" ; c', "core.editor", "a # b"),
        (b"\xef\xbb\xbf[core]\r\nbare\r\n", "core.bare", None),
        (b"[core] x = 1", "core.x", "1"),
    ],
)
def test_forms(content: bytes, key: str, value: str | None) -> None:
    (entry,) = parse_git_config(content).entries
    assert (entry.key, entry.value) == (key, value)


def test_entries_before_an_error_are_kept() -> None:
    config = parse_git_config(b"[core]\nfsmonitor = evil\n<<<<<<< HEAD\n")
    assert [entry.key for entry in config.entries] == ["core.fsmonitor"]
    assert config.error is not None


def test_a_value_of_empty_continuations_takes_no_square_of_its_length() -> None:
    count = 60_000  # with a square it is minutes
    (entry,) = parse_git_config(b"[a]\nb = " + b"\\\n " * count + b"c").entries
    assert entry.value == "c"

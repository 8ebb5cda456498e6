"""Content for a person to judge: what it shows is what is there, and it steers no terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.cli.difference import shown_content


def test_lines_are_shown_with_their_length_before_them() -> None:
    assert shown_content(b"one\n\ttwo\n", False) == "  9 bytes:\n  | one\n  | \\x09two"


def test_what_is_not_shown_is_said() -> None:
    shown = shown_content(b"line\n" * 203, True).splitlines()
    assert shown.count("  | line") == 200
    assert shown[-2:] == ["  … 3 more lines", "  … and more that is not shown here"]
    assert "more" not in shown_content(b"line\n" * 200, False)


def test_nothing_hides_behind_another_end_of_line() -> None:
    shown = shown_content(b"rm -rf /\recho harmless\x0b\xe2\x80\xa8\xff\x1b[8m", False)
    assert shown.splitlines()[1] == "  | rm -rf /\\x0decho harmless\\x0b\\u2028\\xff\\x1b[8m"


def test_no_content_has_no_lines() -> None:
    assert shown_content(b"", False) == "  0 bytes:"


@given(st.binary(max_size=300), st.booleans())
def test_every_line_is_printable_and_different_contents_look_different(content: bytes, is_cut: bool) -> None:
    shown = shown_content(content, is_cut)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert shown_content(content + b"x", is_cut) != shown

"""Content for a person to judge: what it shows is what is there, and it steers no terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.cli.difference import shown_change, shown_content
from gmcp_sandbox.cli.terminal import visible


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


# ---------------------------------------------------------------------------------------------------------- the change


def test_a_change_is_a_unified_diff() -> None:
    before = b"".join(b"line %d\n" % number for number in range(1, 21))
    after = before.replace(b"line 10\n", b"line ten\nand more\n").replace(b"line 20\n", b"")
    assert shown_change(before, after).splitlines()[1:] == [
        "  @@ -7,7 +7,8 @@",
        *(f"   line {number}" for number in (7, 8, 9)),
        "  -line 10",
        "  +line ten",
        "  +and more",
        *(f"   line {number}" for number in (11, 12, 13)),
        "  @@ -17,4 +18,3 @@",
        *(f"   line {number}" for number in (17, 18, 19)),
        "  -line 20",
    ]


def test_a_line_without_its_end_is_another_line() -> None:
    assert shown_change(b"a\nb", b"a\nb\n").splitlines()[1:] == [
        "  @@ -1,2 +1,2 @@", "   a", "  -b", "  \\ no end of line", "  +b",
    ]  # fmt: skip
    assert shown_change(b"", b"x\n").splitlines()[1:] == ["  @@ -0,0 +1,1 @@", "  +x"]
    assert shown_change(b"x\n", b"").splitlines()[1:] == ["  @@ -1,1 +0,0 @@", "  -x"]


def test_no_line_of_a_file_can_look_like_ours() -> None:
    shown = shown_change(b"", b"\\ no end of line\n@@ -1 +1 @@\rx\x1b[8m\n").splitlines()
    assert shown[2:] == ["  +\\\\ no end of line", "  +@@ -1 +1 @@\\x0dx\\x1b[8m"]


def test_a_long_change_is_cut_and_says_so() -> None:
    shown = shown_change(b"", b"x\n" * 500).splitlines()
    assert len(shown) == 202
    assert shown[-1] == "  … 301 more lines of this change"
    (line,) = shown_change(b"", b"y" * 3000 + b"\n").splitlines()[2:]
    assert line == "  +" + "y" * 2000 + "… 1000 more characters"


def test_one_changed_line_of_a_huge_file_is_found() -> None:
    before = b"".join(b"%d\n" % number for number in range(100_000))
    shown = shown_change(before, before.replace(b"\n50000\n", b"\nchanged\n")).splitlines()
    assert shown[1] == "  @@ -49998,7 +49998,7 @@"
    assert shown[5:7] == ["  -50000", "  +changed"]


def test_content_made_to_be_slow_is_shown_as_replaced() -> None:
    """Lines that all occur everywhere make a comparison quadratic or worse."""
    before, after = (b"".join(b"%d\n" % (number * step % 997) for number in range(50_000)) for step in (1, 3))
    shown = shown_change(before, after).splitlines()
    assert shown[1].startswith("  @@ -2,")
    assert shown[2].startswith("  -")


@given(st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\xff\n", b"d"]), max_size=12), st.binary(max_size=40))
def test_applying_what_is_shown_gives_what_would_be(lines: list[bytes], tail: bytes) -> None:
    before, after = b"".join(lines), b"".join(reversed(lines)) + tail
    shown = shown_change(before, after).split("\n")
    assert all(line.isprintable() for line in shown)
    kept = [line[3:] for line in shown[1:] if line[2] in " +" and not line.startswith("  @@")]
    gone = [line[3:] for line in shown[1:] if line[2] in " -" and not line.startswith("  @@")]
    if before != after and len(lines) < 4 and b"\n" not in tail:  # all of it is context
        assert kept == [visible(line) for line in _split(after)]
        assert gone == [visible(line) for line in _split(before)]


def _split(content: bytes) -> list[str]:
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    return lines[:-1] if lines[-1] == "" else lines

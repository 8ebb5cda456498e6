from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.cli.terminal import Painter, columns, visible

ANY_NAME = st.binary(max_size=40).map(lambda name: name.decode("utf-8", "surrogateescape")) | st.text(max_size=40)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/plain path", "/plain path"),
        ("größe", "größe"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb", "a\\x0ab"),
        ("back\\slash", "back\\\\slash"),
        ("caf\udce9", "caf\\xe9"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u200b", "\\u200b"),
    ],
)
def test_what_could_steer_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY_NAME)
def test_any_name_becomes_one_printable_line(name: str) -> None:
    assert visible(name).isprintable()
    visible(name).encode("utf-8")


@given(ANY_NAME, ANY_NAME)
def test_different_names_stay_different(first: str, second: str) -> None:
    assert (visible(first) == visible(second)) == (first == second)


@pytest.mark.parametrize(
    ("when", "stream", "environ", "is_coloured"),
    [
        ("auto", Terminal(), {}, True),
        ("auto", io.StringIO(), {}, False),
        ("auto", Terminal(), {"NO_COLOR": "1"}, False),
        ("auto", Terminal(), {"NO_COLOR": ""}, True),
        ("auto", Terminal(), {"TERM": "dumb"}, False),
        ("always", io.StringIO(), {"NO_COLOR": "1"}, True),
        ("never", Terminal(), {}, False),
    ],
)
def test_colour_where_it_is_wanted(when: str, stream: io.StringIO, environ: dict[str, str], is_coloured: bool) -> None:
    painted = Painter(stream, when, environ).paint("DENY", "red")
    assert (painted != "DENY") == is_coloured
    assert "DENY" in painted


def test_columns_are_aligned() -> None:
    assert columns([("a", "bb", "c"), ("aaa", "b", "long text")]) == ["a    bb  c", "aaa  b   long text"]


def test_no_rows_are_no_lines() -> None:
    assert columns([]) == []

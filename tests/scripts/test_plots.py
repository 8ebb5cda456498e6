"""Plots: well-formed, to scale, with words for all that they show."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.plotlib.dots import Plot, Row
from scripts.plotlib.lines import Axis, Series, plot

SVG = "{http://www.w3.org/2000/svg}"


def drawn(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)


def words(root: ElementTree.Element) -> list[str | None]:
    return [each.text for each in root.iter(f"{SVG}text")]


def circles(root: ElementTree.Element, radius: str) -> list[float]:
    """Return where along the axis marks of a size lie, without the one of the legend."""
    return [float(each.attrib["cx"]) for each in root.iter(f"{SVG}circle") if each.attrib["r"] == radius][1:]


def test_a_row_has_a_mark_for_each_value_and_a_bar_for_its_aim() -> None:
    rows = [Row("one", {"a": 1.0, "b": 100.0}, aim=10.0), Row("two", {"b": 10.0})]
    root = drawn(Plot("Title", "µs", ["a", "b"], rows).draw())
    assert {"Title", "µs", "a", "b", "aim", "one", "two"} <= set(words(root))
    first, last = circles(root, "4.5"), circles(root, "6.5")
    bars = [float(each.attrib["x"]) + 1.5 for each in root.iter(f"{SVG}rect") if each.attrib["class"] == "ink"]
    assert len(first) == 1
    assert last[0] - last[1] == pytest.approx(last[1] - first[0], abs=0.2)
    assert bars[1] == pytest.approx(last[1], abs=0.2)


def test_without_aims_nothing_is_said_of_them() -> None:
    assert "aim" not in words(drawn(Plot("Title", "µs", ["a"], [Row("one", {"a": 1.0})]).draw()))


def test_one_is_named_where_it_means_something_and_always_in_the_picture() -> None:
    root = drawn(Plot("Title", "times native", ["a"], [Row("one", {"a": 40.0})], one="native").draw())
    named = next(each for each in root.iter(f"{SVG}text") if each.text == "native")
    ticks = {each.text: each.attrib["x"] for each in root.iter(f"{SVG}text")}
    assert named.attrib["x"] == ticks["1"]


@pytest.mark.parametrize("rows", [[], [Row("one", {})], [Row("one", {"a": 0.0})], [Row("one", {"a": 1.0}, aim=-1.0)]])
def test_what_has_no_place_on_the_axis_is_refused(rows: list[Row]) -> None:
    with pytest.raises(ValueError, match="nothing above zero"):
        Plot("Title", "µs", ["a"], rows).draw()


@given(st.lists(st.floats(1e-6, 1e12), min_size=1, max_size=8), st.text(max_size=8))
def test_any_values_are_drawn_in_the_frame_and_in_their_order(values: list[float], more: str) -> None:
    name = "".join(each for each in more if each.isprintable()) + '<&"'
    root = drawn(Plot(name, "µs", ["a"], [Row(f"{name}{value}", {"a": value}) for value in values]).draw())
    places = circles(root, "6.5")
    assert words(root)[0] == name
    assert all(190 <= place <= 736 for place in places)
    assert [place for _, place in sorted(zip(values, places, strict=True))] == sorted(places)


def test_lines_are_drawn_with_their_names() -> None:
    series = [Series("up", [(0, 0), (1, 1)], marked=True), Series("down", [(0, 1), (1, 0)], dashed=True)]
    root = drawn(plot("Title", Axis("x"), Axis("y", 0, 5), series))
    assert {"Title", "x", "y", "up", "down"} <= set(words(root))
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    assert not any(math.isnan(float(each.attrib["cx"])) for each in root.iter(f"{SVG}circle"))

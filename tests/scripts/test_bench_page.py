"""The benchmarks' page: made of results and explanations alone, and the committed one is such a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from scripts.benchlib.explanations import COMMITTED, Explanation, Explanations
from scripts.benchlib.page import PAGE, RESULTS, SECTIONS, render, write
from scripts.benchlib.report import ITEMS, Samples, as_json, from_json, is_met

ABOUT: dict[str, Any] = {
    "date": "2026-01-02",
    "command": "scripts/bench --write",
    "rounds": 3,
    "sizes": {"count": 200, "starts": 300, "mib": 64},
    "profile": "default",
    "revision": "0123456789ab",
    "host": {
        "kernel": "6.1",
        "machine": "x86_64",
        "processor": "",
        "cores": 2,
        "memory_gib": 8,
        "system": "Example 1",
        "python": "3.13.0",
        "user": "root",
    },
    "peers": {"bwrap": "bubblewrap 0.9"},
    "load": [0.25, 1.0],
}
NONE = Explanations(())
EXPLAINED = Explanations((Explanation("Names", ("lookup", "lookup missing"), "py-spy", "Two\nlines."),))


def results(**sandbox: float) -> dict[str, Any]:
    """Return results of these items, each 10 natively and 11 in bubblewrap."""
    samples = Samples()
    for item, value in sandbox.items():
        name = item.replace("_", " ")
        samples.values[name] = {"native": [10.0], "bwrap": [11.0], "sandbox": [value]}
    return as_json(samples, ABOUT)


def everything() -> dict[str, Any]:
    samples = Samples()
    for name in ITEMS:
        samples.values[name] = {"native": [1.0, 2.0, 9.0], "bwrap": [2.0], "sandbox": [4000.0]}
    return as_json(samples, ABOUT)


def test_every_item_has_one_section() -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(ITEMS)


def test_a_page_shows_medians_and_times_native() -> None:
    page = render(results(lookup=5.0), NONE)[PAGE]
    assert "| **lookup**<br>stat of a file, for the first time | µs | 10.0 | 11.0 (1.10×) | **5.00** (0.50×) |" in page
    assert "| lookup | ≤ 20 µs | 5.00 µs | met |" in page
    assert "Why aims are missed" not in page


def test_a_page_names_machine_command_and_peers() -> None:
    page = render(results(lookup=5.0), NONE)[PAGE]
    assert "Written by `scripts/bench --write` on 2026-01-02" in page
    assert "| machine | 2 cores, x86_64, 8 GiB |" in page
    assert "| peers | bubblewrap 0.9 |" in page
    assert "bubblewrap: all namespaces, no seccomp filter." in page.replace("\n", " ")


def test_a_missed_aim_has_its_explanation() -> None:
    page = render(results(lookup=90.0, exec=300.0), EXPLAINED)[PAGE]
    assert "| lookup | ≤ 20 µs | 90.0 µs | **missed** |" in page
    assert "| exec | ≤ 150 µs added | 290 µs added | **missed** |" in page
    reasons = page.partition("## Why aims are missed")[2]
    assert "### Names\n\nlookup: 90.0 µs, aim ≤ 20 µs.\n\nTwo\nlines.\n\nFound by: py-spy" in reasons
    assert "### Not explained yet\n\nexec." in reasons


def test_an_explanation_of_what_is_met_is_left_out() -> None:
    assert "### Names" not in render(results(lookup=5.0, exec=300.0), EXPLAINED)[PAGE]


def test_writing_tells_what_nothing_explains(tmp_path: Path) -> None:
    findings = write(tmp_path, results(lookup=90.0, exec=300.0), EXPLAINED)
    assert findings == ["exec is missed, and explanations.toml does not say why"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [PAGE, "operations.svg", RESULTS, "work.svg"]


def test_written_results_make_the_same_page_again() -> None:
    once = render(everything(), EXPLAINED)
    assert render(json.loads(once[RESULTS]), EXPLAINED) == once


def test_every_plot_is_well_formed_and_shows_its_items() -> None:
    drawn = {name: text for name, text in render(everything(), NONE).items() if name.endswith(".svg")}
    assert sorted(drawn) == ["operations.svg", "starts.svg", "throughput.svg", "work.svg"]
    words = {each.text for text in drawn.values() for each in ElementTree.fromstring(text).iter() if each.text}
    assert set(ITEMS) - {"exec /bin/true"} <= words
    assert {"native", "bwrap", "sandbox", "aim", "milliseconds", "microseconds", "times native"} <= words


# ----------------------------------------------------------------------------------------------------- explanations

ONE = """
[[explanation]]
title = "Names"
items = ["lookup"]
profile = "py-spy"
text = '''
Two
lines.
'''
"""


def test_explanations_are_read_in_their_order() -> None:
    found = Explanations.parse(ONE + ONE.replace('"lookup"', '"exec", "write"')).found
    assert [each.items for each in found] == [("lookup",), ("exec", "write")]
    assert found[0] == Explanation("Names", ("lookup",), "py-spy", "Two\nlines.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "nothing but"),
        ("explanation = 1", "nothing but"),
        ("[explanation]", "nothing but"),
        ("explanation = [1]", "has title, items"),
        (ONE.replace("title", "name"), "has title, items"),
        (ONE + "more = 1", "has title, items"),
        (ONE.replace('["lookup"]', '"lookup"'), "list of names"),
        (ONE.replace('["lookup"]', "[]"), "list of names"),
        (ONE.replace('["lookup"]', "[1]"), "list of names"),
        (ONE.replace('"py-spy"', '" "'), "not empty"),
        (ONE.replace('"lookup"', '"look"'), "'look' is not measured"),
        (ONE + ONE, "'lookup' is explained twice"),
        ("[[", "."),
    ],
)
def test_explanations_that_are_none_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        Explanations.parse(text)


def test_a_file_that_is_refused_is_named(tmp_path: Path) -> None:
    file = tmp_path / "explanations.toml"
    with pytest.raises(ValueError, match=r"explanations\.toml: "):
        Explanations.read(file)
    file.write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"explanations\.toml: "):
        Explanations.read(file)


# ---------------------------------------------------------------------------------------------------- what is committed


def test_the_committed_page_is_that_of_its_results_and_explanations() -> None:
    expected = render(json.loads((COMMITTED / RESULTS).read_text(encoding="utf-8")), Explanations.read())
    found = {path.name: path.read_text(encoding="utf-8") for path in COMMITTED.iterdir() if path.suffix != ".toml"}
    assert found == expected, f"scripts/bench --from {COMMITTED.name}/{RESULTS} --write brings it up to date"


def test_the_committed_results_are_complete_and_every_missed_aim_is_explained() -> None:
    samples = from_json(json.loads((COMMITTED / RESULTS).read_text(encoding="utf-8")))
    assert list(samples.items) == list(ITEMS)
    missed = [name for name in ITEMS if is_met(name, samples) is False]
    assert Explanations.read().lacking(missed) == []

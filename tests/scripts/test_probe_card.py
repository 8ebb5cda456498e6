"""The model card: what is measured stands between its marks, for the model that is shipped beside it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from scripts.probe.rows import DANGEROUS, SAFE, command, row_of
from scripts.probe.tables import BEGIN, END, by_tool, write

MODEL = Path(__file__).resolve().parents[2] / "model"
PARTS = ("Against baselines", "hardest third", "By tool", "ordinary program starts", "four configurations", "### α")


def test_the_measured_part_goes_between_the_marks_and_nothing_else_changes(tmp_path):
    card = tmp_path / "card.md"
    card.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    for _ in range(2):
        write(card, {"One": ["| a |"], "Two": ["b", "c"]})
        text = card.read_text(encoding="utf-8")
        assert text == f"before\n{BEGIN}\n\n### One\n\n| a |\n\n### Two\n\nb\nc\n\n{END}\nafter\n"


def test_a_card_without_marks_is_refused(tmp_path):
    card = tmp_path / "card.md"
    card.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="no marks"):
        write(card, {})


def test_each_line_counts_once_by_tool():
    rows = [row_of(command(text, label), "test") for text, label in (("ls", SAFE), ("rm -rf ~", DANGEROUS))]
    table = by_tool([(rows, np.array([-1.0, 2.0]), 0.5), (rows, np.array([9.0, 9.0]), 0.5)])
    assert table[2:] == ["| proc.exec (few) | 2 | 1 | 1.000 | 1.000 | 0.000 | 1.000 |"]


def test_the_shipped_card_has_every_part_and_its_plots():
    text = (MODEL / "MODEL_CARD.md").read_text(encoding="utf-8")
    measured = text.partition(BEGIN)[2].partition(END)[0]
    assert all(part in measured for part in PARTS)
    for name in ("alpha", "reliability", "roc"):
        assert f"({name}.svg)" in measured
        assert ElementTree.parse(MODEL / f"{name}.svg").getroot().tag.endswith("svg")

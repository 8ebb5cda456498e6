from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.monitor.idrange import ROOT_RANGE_BASE, ROOT_RANGE_LENGTH, gives_root_range

LAST = ROOT_RANGE_BASE + ROOT_RANGE_LENGTH


@pytest.mark.parametrize(
    ("first", "count", "gives"),
    [
        (0, 4294967295, True),
        (ROOT_RANGE_BASE, ROOT_RANGE_LENGTH, True),
        (ROOT_RANGE_BASE, ROOT_RANGE_LENGTH - 1, False),
        (ROOT_RANGE_BASE + 1, ROOT_RANGE_LENGTH, False),
        (0, LAST, True),
        (0, LAST - 1, False),
        (0, 1, False),
    ],
)
def test_the_whole_range_or_none(first: int, count: int, gives: bool) -> None:
    assert gives_root_range(f"  {first}  100000  {count}\n") is gives


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert gives_root_range(text) in (True, False)

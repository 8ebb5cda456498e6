"""What `scripts/bench net-long` makes of its samples; the run itself is made by hand."""

from __future__ import annotations

import json

import pytest

from scripts.benchlib.netlong import Memory, read_memory, verdict

ROLLUP = """\
55d0c0000000-7ffe00000000 ---p 00000000 00:00 0    [rollup]
Rss:              102400 kB
Shared_Clean:      30720 kB
Private_Clean:     20480 kB
Private_Dirty:     51200 kB
Private_Hugetlb:       0 kB
"""


def test_memory_is_read_in_mib():
    assert read_memory(ROLLUP) == Memory(100.0, 70.0)


@pytest.mark.parametrize(
    ("residents", "status"),
    [
        ([90] * 9, 0),
        ([60, 80, 90, 90, 90, 90, 91, 91, 91], 0),
        ([90, 90, 90, 96, 96, 96, 102, 102, 102], 1),
        ([151] * 9, 1),
    ],
)
def test_small_and_steady_is_what_is_wanted(residents, status, tmp_path, capsys):
    samples = [(float(n), {"supervisor": Memory(mib, mib)}) for n, mib in enumerate(residents)]
    assert verdict(samples, tmp_path / "samples.json") == status
    assert ("met" in capsys.readouterr().out) is (status == 0)
    assert len(json.loads((tmp_path / "samples.json").read_text())) == 9


def test_too_few_samples_are_no_success(capsys):
    assert verdict([]) == 1
    assert "too few" in capsys.readouterr().err

"""The pieces of `scripts/bench` about logs, small."""

from __future__ import annotations

import os
from pathlib import Path

from scripts.benchlib import records, tailing


def test_a_log_is_written_verified_and_asked(tmp_path: Path) -> None:
    lines = records.measure(tmp_path, 3000)
    assert [line.split("  ")[0] for line in lines] == ["write", "verify", "index, once", *["query by path"] * 3]
    assert "aim ≥ 200,000" in lines[1]
    assert "the last 100" in lines[-1]


def test_the_ratio_of_pairs_is_shown_as_what_it_costs() -> None:
    line = tailing._line("time", [1.01, 1.02, 1.03, 1.04])
    assert line.startswith("tail attached, time        +2.5 %   aim ≤ +3 %")


def test_a_family_is_a_process_and_what_it_started() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(read, 1)
        os._exit(0)
    try:
        assert {os.getpid(), child} <= set(tailing._family(os.getpid()))
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)

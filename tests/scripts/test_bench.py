from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.benchlib.command import GROUPS, main
from scripts.benchlib.inside import measure
from scripts.benchlib.report import ITEMS, Samples, as_json, is_met, table
from scripts.benchlib.worlds import World, base_python, prepare


def samples(item: str, **medians: float) -> Samples:
    made = Samples()
    for world, value in medians.items():
        made.add(world, {item: [value * 0.5, value, value * 9]})
    return made


def test_every_item_is_measured_by_one_group() -> None:
    measured = [item for items in GROUPS.values() for item in items]
    assert sorted(measured) == sorted(ITEMS)


@pytest.mark.parametrize(
    ("item", "medians", "met"),
    [
        ("lookup", {"native": 2, "sandbox": 20}, True),
        ("lookup", {"native": 2, "sandbox": 21}, False),
        ("lookup", {"native": 2}, None),
        ("python later", {"bwrap": 10, "sandbox": 12}, True),
        ("python later", {"bwrap": 10, "sandbox": 13}, False),
        ("python later", {"native": 10, "sandbox": 13}, None),
        ("read system again", {"native": 1000, "sandbox": 700}, True),
        ("read system again", {"native": 1000, "sandbox": 699}, False),
        ("write", {"native": 1000, "sandbox": 1}, None),
    ],
)
def test_aims_are_held_against_the_medians(item: str, medians: dict[str, float], met: bool | None) -> None:
    assert is_met(item, samples(item, **medians)) is met


def test_the_table_names_what_was_missed() -> None:
    lines = table(samples("launch /bin/true", native=1, bwrap=5, sandbox=250))
    assert lines[1].split() == [
        "launch",
        "/bin/true",
        "ms",
        "1.00",
        "5.00",
        "250",
        "250.00×",
        "50.00×",
        "≤",
        "120",
        "ms",
        "MISSED",
    ]


def test_json_holds_medians_and_all_values() -> None:
    answer = json.loads(json.dumps(as_json(samples("lookup", native=2.0), rounds=3)))
    assert answer["items"]["lookup"]["median"] == {"native": 2.0, "bwrap": None, "sandbox": None}
    assert answer["items"]["lookup"]["values"] == {"native": [1.0, 2.0, 18.0]}


def test_the_files_script_measures_every_item_of_its_group(tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(1 << 20))
    world = World("native", (), tmp_path)
    directory = prepare(world, 0, 3)
    measured = measure_in(directory, tmp_path / "large.bin")
    assert sorted(measured) == sorted(GROUPS["files"])
    assert all(value > 0 for value in measured.values())


def measure_in(directory: Path, system_file: Path) -> dict[str, float]:
    here = Path.cwd()
    try:
        return measure(str(directory), str(system_file), 3)
    finally:
        os.chdir(here)


@pytest.mark.needs("program:bash", "program:git")
def test_the_programs_script_measures_every_item_of_its_group(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    script = Path(__file__).resolve().parents[2] / "scripts" / "benchlib" / "programs.sh"
    done = subprocess.run(["bash", str(script), base_python(), str(tmp_path)], check=True, capture_output=True)
    measured = json.loads(done.stdout)
    assert sorted(measured) == sorted(GROUPS["programs"])
    assert [len(measured[item]) for item in GROUPS["programs"]] == [1, 5, 1, 1]


def test_groups_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == list(GROUPS)


def test_it_starts_as_a_program() -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "bench"
    done = subprocess.run([sys.executable, str(script), "--help"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("usage: scripts/bench")

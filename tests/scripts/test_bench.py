from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from scripts.benchlib.command import GROUPS, main
from scripts.benchlib.inside import measure
from scripts.benchlib.peers import PEERS
from scripts.benchlib.projects import ARCHIVE, ARCHIVED_FILES, archive, c_sources, repository, static_program
from scripts.benchlib.report import ITEMS, WORLDS, Samples, aim_value, as_json, from_json, is_met, table
from scripts.benchlib.rounds import MAKERS, RUNS
from scripts.benchlib.starts import start_us
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
        ("exec", {"native": 500, "sandbox": 650}, True),
        ("exec", {"native": 500, "sandbox": 651}, False),
        ("exec", {"sandbox": 1}, None),
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
    answer = json.loads(json.dumps(as_json(samples("lookup", native=2.0), {"rounds": 3})))
    assert answer["rounds"] == 3
    assert answer["items"]["lookup"]["median"] == {"native": 2.0}
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


@pytest.mark.parametrize(
    ("item", "medians", "value"),
    [
        ("lookup", {"sandbox": 99}, 20),
        ("python later", {"native": 1, "bwrap": 10}, 12),
        ("python later", {"native": 1}, None),
        ("exec", {"native": 500}, 650),
        ("read system again", {"native": 1000}, 700),
        ("write", {"native": 1000}, None),
    ],
)
def test_an_aim_is_a_value_in_the_unit_of_its_item(item: str, medians: dict[str, float], value: float | None) -> None:
    assert aim_value(item, samples(item, **medians)) == value


def test_every_group_but_the_core_is_run_in_worlds() -> None:
    assert set(RUNS) == set(GROUPS) - {"pipeline"}
    assert set(MAKERS) <= set(RUNS)
    assert set(PEERS) == set(WORLDS) - {"native", "sandbox"}


@pytest.mark.parametrize(
    "results",
    [
        None,
        [],
        {},
        {"items": {"lookup": {}}},
        {"items": {"lookup": {"values": {"native": []}}}},
        {"items": {"lookup": {"values": {"native": ["x"]}}}},
        {"items": {"lookup": {"values": {"elsewhere": [1.0]}}}},
        {"items": {"elsewhere": {"values": {"native": [1.0]}}}},
    ],
)
def test_what_is_no_result_is_refused(results: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(results)


def test_a_file_of_results_is_shown_without_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(as_json(samples("lookup", native=2.0, sandbox=10.0), {})))
    assert main(["--from", str(file)]) == 0
    assert capsys.readouterr().out.splitlines() == table(samples("lookup", native=2.0, sandbox=10.0))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "/nonexistent/results.json"], "cannot read /nonexistent/results.json"),
        (["--only", "lookup", "--write"], "leave --only out"),
        (["--rounds", "0"], "at least 1"),
        (["--only", "nothing"], "invalid choice"),
    ],
)
def test_mistakes_on_the_command_line_are_named(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert said in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ what is worked on


@pytest.mark.needs("program:bash")
def test_a_program_is_timed_in_its_directory(tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "benchlib" / "timed.sh"
    words = ["bash", str(script), str(tmp_path), "touch", "here"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert float(done.stdout) > 0
    assert (tmp_path / "here").exists()


@pytest.mark.needs("program:bash")
def test_a_program_that_fails_has_no_time(tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "benchlib" / "timed.sh"
    done = subprocess.run(["bash", str(script), str(tmp_path), "false"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.needs("program:gcc")
def test_the_smallest_program_starts_and_ends(tmp_path: Path) -> None:
    static_program(tmp_path / "nothing")
    assert start_us(str(tmp_path / "nothing"), 3) > 0


def test_a_program_that_fails_is_no_start() -> None:
    with pytest.raises(ChildProcessError, match="status"):
        start_us("/bin/false", 1)


@pytest.mark.needs("program:git")
def test_the_repository_is_clean_and_of_its_size(tmp_path: Path) -> None:
    repository(tmp_path, 12, 3)
    words = ["git", "-C", str(tmp_path)]
    done = subprocess.run([*words, "ls-files"], check=True, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 12
    assert len({line.split("/")[0] for line in done.stdout.splitlines()}) == 3
    status = subprocess.run([*words, "status", "--porcelain"], check=True, capture_output=True, text=True)
    assert status.stdout == ""


def test_sources_and_archive_are_there(tmp_path: Path) -> None:
    c_sources(tmp_path)
    archive(tmp_path)
    assert len(list(tmp_path.glob("*.c"))) == 25
    with tarfile.open(tmp_path / ARCHIVE) as made:
        assert len(made.getnames()) == ARCHIVED_FILES

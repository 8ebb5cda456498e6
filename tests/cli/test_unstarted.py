"""Why a program did not start: what a new user tries, and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmcp_sandbox.cli.unstarted import Reason, explain
from tests.cli.launches import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def explained(place: Place, code: int, *words: str, profile: str = "default", **environ: str) -> Reason:
    prepared = place.prepare("-p", profile, "--", *words)
    within = str(place.work).encode()
    prepared = type(prepared)(
        **{name: getattr(prepared, name) for name in prepared.__struct_fields__}
        | {"program": type(prepared.program)(prepared.program.argv, prepared.program.environment, within)}
    )
    return explain(prepared, code, "7f3a", place.environ | environ)


def test_a_program_that_nobody_has(place: Place) -> None:
    reason = explained(place, 127, "no-such-program")
    assert "no-such-program" in reason.what and "on this machine neither" in reason.cause


def test_a_program_of_this_machine_that_the_view_does_not_show(place: Place) -> None:
    tools = place.home / "tools"
    tools.mkdir()
    (tools / "mytool").write_text("#!/bin/sh\n")
    (tools / "mytool").chmod(0o755)
    reason = explained(place, 127, "mytool", PATH=str(tools))
    assert str(tools / "mytool") in reason.cause and "'default' hides" in reason.cause
    assert reason.hint == "gmcp-sandbox help profiles"


def test_a_program_beside_that_was_named_without_its_path(place: Place) -> None:
    (place.work / "run.sh").write_text("")
    reason = explained(place, 127, "run.sh", "a b")
    assert reason.hint == "gmcp-sandbox exec -- ./run.sh 'a b'"


def test_a_missing_file(place: Place) -> None:
    assert str(place.work) in explained(place, 127, "./nothing").cause


def test_a_file_of_the_host_that_is_not_shown(place: Place) -> None:
    hidden = place.home / "hidden"
    hidden.write_text("")
    assert "is not shown by the profile 'default'" in explained(place, 127, str(hidden)).cause


def test_a_script_whose_interpreter_is_missing(place: Place) -> None:
    (place.work / "orphan").write_text("#!/no/such/interpreter -x\nrest\n")
    assert "/no/such/interpreter -x" in explained(place, 127, "./orphan").cause


def test_a_directory(place: Place) -> None:
    assert explained(place, 126, ".").what == ". is a directory"


def test_a_script_that_is_not_executable(place: Place) -> None:
    (place.work / "a b.sh").write_text("#!/bin/bash\n")
    reason = explained(place, 126, "./a b.sh")
    assert reason.hint == "chmod +x './a b.sh', or: gmcp-sandbox exec -- /bin/bash './a b.sh'"


def test_a_text_that_is_marked_as_a_program(place: Place) -> None:
    (place.work / "notes").write_text("hello")
    (place.work / "notes").chmod(0o755)
    assert "names no interpreter" in explained(place, 126, "./notes").cause


def test_a_program_that_the_profile_denies(place: Place) -> None:
    (place.work / "tool").write_text("#!/bin/sh\n")
    (place.work / "tool").chmod(0o755)
    reason = explained(place, 126, "./tool", profile="strict")
    assert "'strict' does not let it run" in reason.cause and "gmcp-sandbox why 7f3a" in reason.hint


@pytest.mark.parametrize("code", [126, 127])
def test_a_fifo_in_the_place_of_a_program_keeps_nobody_waiting(place: Place, code: int) -> None:
    import os

    os.mkfifo(place.work / "pipe", 0o755)
    assert explained(place, code, "./pipe").what

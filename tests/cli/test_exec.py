"""The front's own part of `exec`: words, the supervisor that waits, and how the end is told. Whole runs: tests/e2e."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gmcp_sandbox.cli import exec as exec_command
from gmcp_sandbox.cli.exec import _conclude, _start_supervisor, _tell
from gmcp_sandbox.cli.main import build_parser, main
from gmcp_sandbox.proc.channel import Channel
from tests.children import in_child
from tests.cli.launches import Place, words_of_exec
from tests.deadline import within

ENDED = {
    "code": 3,
    "error": "",
    "hint": "",
    "reason": "exited",
    "allowed": 10,
    "denied": 2,
    "unseen": 0,
    "probe": None,
}


def test_what_follows_the_program_is_the_programs() -> None:
    args = build_parser("exec").parse_args(["exec", "-p", "strict", "agent.py", "--task", "x", "-p", "y", "--"])
    assert (args.profile, args.command) == ("strict", ["agent.py", "--task", "x", "-p", "y", "--"])


def test_a_double_dash_ends_our_own_options() -> None:
    args = words_of_exec("--name", "coder", "--", "--odd-program", "--help")
    assert (args.name, args.command) == ("coder", ["--odd-program", "--help"])


def test_defaults_are_the_chosen_profile_and_this_directory() -> None:
    args = words_of_exec("true")
    assert (args.profile, args.workspace, args.name, args.dry_run, args.json_status) == (
        None, None, None, False, None,
    )  # fmt: skip


def test_a_mistake_starts_nothing_and_leaves_no_session(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in place.environ.items():
        monkeypatch.setenv(name, value)

    def front() -> list[object]:
        status = main(["exec", "-w", str(place.work), "missing.py"])
        line_is_closed = os.waitpid(-1, 0)[1]  # the supervisor got no orders
        return [status, line_is_closed, os.path.exists(place.environ["XDG_STATE_HOME"])]

    with within(30):
        assert in_child(front) == [127, 0, False]


def test_the_supervisor_ends_with_a_front_that_gives_no_orders() -> None:
    def front() -> int:
        _start_supervisor().close()
        return os.waitpid(-1, 0)[1]

    with within(30):
        assert in_child(front) == 0


def test_the_supervisor_ends_with_a_front_that_is_killed() -> None:
    alive, held = os.pipe()

    def front() -> None:
        line: Any = _start_supervisor()
        assert line.fileno() >= 0
        os.kill(os.getpid(), signal.SIGKILL)

    with within(30):
        with pytest.raises(AssertionError, match="ended with -9"):
            in_child(front)
        os.close(held)
        assert os.read(alive, 1) == b""  # the supervisor had inherited the other end, too
    os.close(alive)


def concluded(final: dict[str, Any] | None, *, fd: int | None = None) -> int:
    return _conclude(words_of_exec(*([] if fd is None else ["--json-status", str(fd)]), "true"), "0123abcd", final)


def test_a_normal_end_is_one_line_and_the_agents_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert concluded(ENDED) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "10 allowed, 2 denied · no probe model · gmcp-sandbox audit show 0123abcd"


def test_probing_is_told_apart_from_denial(capsys: pytest.CaptureFixture[str]) -> None:
    concluded(ENDED | {"unseen": 7})
    assert "2 denied, 7 not in the view ·" in capsys.readouterr().err


def test_a_fault_is_told_with_cause_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert concluded({"code": 125, "error": "no mount", "cause": "an old kernel", "hint": "a new one"}) == 125
    assert capsys.readouterr().err == "error: no mount\n  cause: an old kernel\n  try:   a new one\n"


def test_silence_of_the_supervisor_is_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert concluded(None) == 125
    err = capsys.readouterr().err
    assert err.startswith("error: the supervisor ended without a word")
    assert "gmcp-sandbox audit verify 0123abcd" in err


def test_the_end_is_told_as_json_where_it_shall_be(capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    concluded(ENDED | {"kind": "final"}, fd=writer)
    os.close(writer)
    with open(reader, "rb") as file:
        (line,) = file.read().splitlines()
    assert json.loads(line) == {"event": "end", "session": "0123abcd", **ENDED}
    capsys.readouterr()


def test_without_a_descriptor_nothing_is_told() -> None:
    _tell(None, {"event": "start"})


@pytest.mark.needs("sandbox")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_are_not_taken_by_our_own_lines(place: Place, closed: str) -> None:
    """A line of ours at 0 would be read as the agent's input, and one at 2 written to as its stderr."""
    command = f'exec "$@" {closed}'
    script = "cat; echo out; echo err >&2; exit 4"
    words = [sys.executable, "-m", "gmcp_sandbox", "exec", "-w", str(place.work), "--", "/bin/sh", "-c", script]
    ended = subprocess.run(
        ["/bin/sh", "-c", command, "sh", *words],
        env=place.environ | {"PYTHONPATH": str(Path(exec_command.__file__).parents[2])},
        input=b"",
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 4
    assert ended.stdout == (b"" if ">&- " in f"{closed} ".replace("2>&-", "") else b"out\n")


def test_a_line_of_ours_is_no_descriptor_of_programs() -> None:
    ours, theirs = Channel.pair()
    assert not os.get_inheritable(ours.fileno())
    ours.close()
    theirs.close()

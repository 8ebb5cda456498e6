"""Everything that ends a session, with a real agent under a real file system; and the words for it."""

from __future__ import annotations

import errno
import os
import select
import signal
from collections.abc import Callable

import pytest

from gmcp_sandbox import kernel
from gmcp_sandbox.cli.services import _ending, _read_again
from gmcp_sandbox.monitor.session import Ending
from tests.children import in_child
from tests.cli.launches import Place, Served

needs_sandbox = pytest.mark.needs("sandbox")
Start = Callable[..., Served]
WAITING = ("--", "/bin/sh", "-c", "echo ready; exec sleep 1000")


@pytest.mark.parametrize(
    ("message", "reason", "code"),
    [
        ({"kind": "exit", "status": 0}, "exited", 0),
        ({"kind": "exit", "status": 7 << 8}, "exited", 7),
        ({"kind": "exit", "status": 255 << 8}, "exited", 255),
        ({"kind": "exit", "status": 9}, "signalled", 137),
        ({"kind": "exit", "status": 11 | 0x80}, "signalled", 139),  # with a core dump
        ({"kind": "not_executed", "errno": errno.ENOENT}, "not_executed", 127),
        ({"kind": "not_executed", "errno": errno.EACCES}, "not_executed", 126),
        ({"kind": "not_executed", "errno": errno.ENOEXEC}, "not_executed", 126),
        ({"kind": "failed", "what": "cannot do it", "cause": "", "hint": "doctor"}, "failed", 125),
        ({"kind": "never heard of"}, "failed", 125),
    ],
)
def test_what_process_1_says_becomes_an_ending(message: dict[str, object], reason: str, code: int) -> None:
    ending = _ending(message)
    assert (ending.reason, ending.code) == (reason, code)


def test_a_failed_step_keeps_its_words() -> None:
    message: dict[str, object] = {"kind": "failed", "what": "cannot do it", "cause": "", "hint": "doctor"}
    assert _ending(message) == Ending("failed", 125, "cannot do it", "doctor")


def test_a_missing_program_is_told_by_the_reason() -> None:
    assert _ending({"kind": "not_executed", "errno": errno.ENOENT}).error == (
        "the program was not found in the view: No such file or directory"
    )


def test_a_file_is_read_again_from_its_start() -> None:
    fd = os.open("/proc/self/mountinfo", os.O_RDONLY)
    first = _read_again(fd)
    assert first == _read_again(fd)
    assert b" / " in first
    os.close(fd)


@needs_sandbox
@pytest.mark.parametrize(
    ("script", "reason", "code"),
    [("exit 7", "exited", 7), ("kill -TERM $$", "signalled", 143), ("exit 0", "exited", 0)],
)
def test_the_agents_end_is_the_sessions(served: Start, script: str, reason: str, code: int) -> None:
    final = served("--", "/bin/sh", "-c", script).final()
    assert (final["reason"], final["code"], final["error"]) == (reason, code, "")
    assert final["allowed"] > 0


@needs_sandbox
def test_a_program_that_is_not_there_ends_with_127(served: Start) -> None:
    final = served("--", "/usr/bin/no-such-program").final()
    assert (final["reason"], final["code"]) == ("not_executed", 127)


@needs_sandbox
def test_a_stop_ends_it_and_leaves_no_process(served: Start) -> None:
    session = served(*WAITING)
    session.until(b"ready")
    family = session.family()
    os.kill(session.pid, signal.SIGTERM)
    assert (session.final()["reason"], session.final()["code"]) == ("stopped", 143)
    session.read_to_the_end()
    assert len(family) >= 3


@needs_sandbox
def test_the_fronts_end_ends_it(served: Start) -> None:
    session = served(*WAITING)
    session.until(b"ready")
    session.report.close()
    assert (session.final()["reason"], session.final()["code"]) == ("front_gone", 129)
    session.read_to_the_end()


@needs_sandbox
def test_the_death_of_process_1_ends_it(served: Start) -> None:
    session = served(*WAITING)
    session.until(b"ready")
    first = session.first
    os.kill(first, signal.SIGKILL)
    final = session.final()
    assert (final["reason"], final["code"]) == ("failed", 125)
    session.read_to_the_end()


@needs_sandbox
def test_the_time_limit_ends_it(served: Start, place: Place) -> None:
    session = served("-p", place.profile("[limits]\nwall_seconds = 1\n"), *WAITING)
    final = session.final()
    assert (final["reason"], final["code"]) == ("time_limit", 124)
    assert "limit of 1 second" in final["error"]


@needs_sandbox
def test_a_log_that_is_full_ends_it(served: Start, place: Place) -> None:
    script = "echo ready; while :; do for i in 1 2 3 4 5 6 7 8 9; do : > a$i$$; rm a$i$$; done; $0 -c :; done"
    session = served("-p", place.profile("[limits]\nlog_bytes = 131072\n"), "--", "/bin/sh", "-c", script, "/bin/sh")
    final = session.final()
    assert (final["reason"], final["code"]) == ("failed", 125)
    assert "log" in final["error"]
    assert "log_bytes" in final["hint"]


@needs_sandbox
@pytest.mark.root
def test_a_mount_that_appears_in_the_view_ends_it(served: Start) -> None:
    session = served(*WAITING)
    session.until(b"ready")
    first = session.first

    while not session.holds(f"/proc/{first}/mountinfo"):
        select.select([], [], [], 0.01)

    def intrude() -> None:
        user, mount = (os.open(f"/proc/{first}/ns/{name}", os.O_RDONLY) for name in ("user", "mnt"))
        kernel.setns(user, kernel.CLONE_NEWUSER)
        kernel.setns(mount, kernel.CLONE_NEWNS)
        kernel.mount(b"none", b"/dev/shm", None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_NOSUID)

    in_child(intrude)
    assert (session.final()["reason"], session.final()["code"]) == ("view_changed", 125)

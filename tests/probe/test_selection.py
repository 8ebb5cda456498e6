"""What is probed."""

from __future__ import annotations

import msgspec
import pytest

from gmcp_sandbox.calls.arguments import (
    FsCreate,
    FsDelete,
    FsRead,
    FsRename,
    FsSetattr,
    FsStat,
    FsWrite,
    NetConnect,
    ProcExec,
)
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import NETWORK, PRIVATE, SCRATCH, SYSTEM, WATCHED, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.profile import ProbePolicy
from gmcp_sandbox.probe.question import Surroundings
from gmcp_sandbox.probe.selection import BURST, BURST_NS, Selection

SECOND = 1_000_000_000


def call(tool, object, args, label, at=0):
    return ToolCall(1, at, "s", "a", 1, tool, object, args, label)


def selection(**policy):
    return Selection(ProbePolicy(**policy), Surroundings("/w", "/home/u", shown=frozenset({"/home/u/.gitconfig"})))


READ, OPEN, DELETE = FsRead("open"), FsWrite("open"), FsDelete("file")


@pytest.mark.parametrize(
    ("asked", "is_wanted"),
    [
        (call(Tool.PROC_EXEC, "/usr/bin/git", ProcExec(("git", "push")), SYSTEM), True),
        (call(Tool.PROC_EXEC, "/usr/bin/git", ProcExec(), SYSTEM), False),
        (call(Tool.PROC_EXEC, "/w/.git/hooks/pre-push", ProcExec(), WATCHED), True),
        (call(Tool.PROC_EXEC, "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", ProcExec(("cc1", "a.c")), SYSTEM), False),
        (call(Tool.PROC_EXEC, "/usr/libexec/gcc/x86_64-linux-gnu/13/collect2", ProcExec(("ld",)), SYSTEM), False),
        (call(Tool.PROC_EXEC, "/usr/bin/x86_64-linux-gnu-as", ProcExec(("as", "a.s")), SYSTEM), False),
        (call(Tool.PROC_EXEC, "/usr/bin/x86_64-linux-gnu-ld.bfd", ProcExec(("ld", "a.o")), SYSTEM), False),
        (call(Tool.PROC_EXEC, "/usr/bin/x86_64-linux-gnu-gcc-12", ProcExec(("gcc", "a.c")), SYSTEM), True),
        (call(Tool.PROC_EXEC, "/usr/bin/git", ProcExec(("git", "reset", "--hard"), "/w"), SYSTEM), False),
        (call(Tool.PROC_EXEC, "/usr/bin/git", ProcExec(("git", "reset", "--hard"), "/w"), WATCHED), True),
        (call(Tool.PROC_EXEC, "/w/git", ProcExec(("git", "reset", "--hard"), "/w"), WORKSPACE), True),
        (call(Tool.PROC_EXEC, "/tmp/rm", ProcExec(("rm", "-f", "x"), "/w"), SCRATCH), True),
        (call(Tool.PROC_EXEC, "/usr/bin/bas", ProcExec(("bas",)), SYSTEM), True),
        (call(Tool.PROC_EXEC, "/usr/lib/gcc/../../bin/rm", ProcExec(("rm", "x")), SYSTEM), True),
        (call(Tool.PROC_EXEC, "/w/usr/bin/as", ProcExec(("as", "x")), WORKSPACE), True),
        (call(Tool.PROC_EXEC, "/usr/bin/as", ProcExec(("as", "x")), WATCHED), True),
        (call(Tool.NET_CONNECT, "example.com", NetConnect(443), NETWORK), True),
        (call(Tool.FS_STAT, "/w/.envrc", FsStat("lookup"), WATCHED), False),
        (call(Tool.FS_READ, "/w/a", READ, WORKSPACE), False),
        (call(Tool.FS_READ, "/usr/lib/x", READ, SYSTEM), False),
        (call(Tool.FS_READ, "/tmp/x", READ, SCRATCH), False),
        (call(Tool.FS_READ, "/home/u/.gitconfig", READ, PRIVATE), False),
        (call(Tool.FS_READ, "/home/u/.netrc.old", READ, PRIVATE), True),
        (call(Tool.FS_READ, "/w/AGENTS.md", READ, WATCHED), True),
        (call(Tool.FS_WRITE, "/w/a", OPEN, WORKSPACE), False),
        (call(Tool.FS_WRITE, "/w/.envrc", OPEN, WATCHED), True),
        (call(Tool.FS_WRITE, "/tmp/a", OPEN, SCRATCH), True),
        (call(Tool.FS_DELETE, "/w/a", DELETE, WORKSPACE), False),
        (call(Tool.FS_DELETE, "/home/u/x", DELETE, PRIVATE), True),
        (call(Tool.FS_RENAME, "/w/a", FsRename("/w/b"), WORKSPACE), False),
        (call(Tool.FS_RENAME, "/w/.envrc", FsRename("/w/b"), WATCHED), True),
        (call(Tool.FS_CREATE, "/tmp/a", FsCreate("file"), SCRATCH), False),
        (call(Tool.FS_SETATTR, "/tmp/a", FsSetattr("chmod", mode=0o755), SCRATCH), False),
    ],
)
def test_the_list_of_the_design(asked, is_wanted):
    assert selection().wants(asked) is is_wanted


def test_a_profile_may_name_its_own_tools():
    only = selection(tools=(Tool.MCP_CALL,))
    assert not only.wants(call(Tool.PROC_EXEC, "/usr/bin/git", ProcExec(), SYSTEM))


@pytest.mark.parametrize(
    ("tool", "args"), [(Tool.FS_DELETE, DELETE), (Tool.FS_RENAME, FsRename("/w/z")), (Tool.FS_WRITE, OPEN)]
)
def test_a_burst_of_changes_is_wanted_by_class(tool, args):
    some = selection()
    calls = [call(tool, f"/w/src/{number}", args, WORKSPACE, at=number) for number in range(BURST + 5)]
    wanted = [some.wants(each) for each in calls]
    assert wanted == [False] * BURST + [True] * 5
    assert all(map(some.by_class, calls))


def test_changes_that_take_their_time_are_no_burst():
    some = selection()
    calls = [call(Tool.FS_DELETE, f"/w/src/{n}", DELETE, WORKSPACE, at=n * SECOND // 10) for n in range(BURST * 3)]
    assert not any(map(some.wants, calls))


def test_a_clock_that_steps_back_begins_a_new_window():
    some = selection()
    for number in range(BURST):
        some.wants(call(Tool.FS_DELETE, f"/w/src/{number}", DELETE, WORKSPACE, at=BURST_NS))
    assert not some.wants(call(Tool.FS_DELETE, "/w/src/x", DELETE, WORKSPACE, at=0))


def test_writes_to_an_open_file_are_not_counted():
    some = selection()
    asked = call(Tool.FS_WRITE, "/w/big", FsWrite("write"), WORKSPACE)
    assert not any(some.wants(asked) for _ in range(BURST * 2))


def test_scratch_goes_by_class_and_other_places_by_name():
    some = selection()
    assert some.by_class(call(Tool.FS_WRITE, "/tmp/a", OPEN, SCRATCH))
    assert not some.by_class(call(Tool.FS_WRITE, "/w/.envrc", OPEN, WATCHED))
    assert not some.by_class(call(Tool.PROC_EXEC, "/tmp/a", ProcExec(), SCRATCH))


def test_the_users_own_command_is_not_asked_about_and_only_once():
    words = ("python3", "/w/agent.py")
    one = Selection(ProbePolicy(), Surroundings("/w", "/home/u", command=words))
    run = call(Tool.PROC_EXEC, "/usr/bin/python3", ProcExec(argv=words), SYSTEM)
    assert [one.wants(run), one.wants(run)] == [False, True]


def test_a_command_line_that_the_agent_makes_look_like_the_users_is_asked_about():
    words = ("sh", "-c", "true")
    one = Selection(ProbePolicy(), Surroundings("/w", "/home/u", command=words))
    other = call(Tool.PROC_EXEC, "/usr/bin/sh", ProcExec(argv=("sh", "-c", "false")), SYSTEM)
    assert one.wants(other)
    assert one.wants(call(Tool.PROC_EXEC, "/usr/bin/sh", ProcExec(argv=words), SYSTEM))


SCRIPT = ("./tool", "-x")
BY_ENV = ProcExec(("/usr/bin/env", "bash", *SCRIPT), "/w", None, "./tool")


def by_env(some, pid=7):
    asked = call(Tool.PROC_EXEC, "/usr/bin/env", BY_ENV, SYSTEM)
    assert not some.wants(msgspec.structs.replace(asked, pid=pid))


def start(words, path="/usr/bin/bash", label=SYSTEM, pid=7):
    return msgspec.structs.replace(call(Tool.PROC_EXEC, path, ProcExec(words, "/w"), label), pid=pid)


def test_what_env_starts_for_a_script_was_asked_about_with_the_script():
    some = selection()
    by_env(some)
    assert not some.wants(start(("bash", *SCRIPT)))
    assert some.wants(start(("bash", *SCRIPT)))


@pytest.mark.parametrize(
    "other",
    [
        start(("bash", "./tool", "-y")),
        start(("bash", "-c", "id")),
        start(("bash", *SCRIPT), pid=8),
        start(("bash", *SCRIPT), "/w/bin/bash", WORKSPACE),
    ],
)
def test_what_env_starts_otherwise_is_asked_about(other):
    some = selection()
    by_env(some)
    assert some.wants(other)


def test_a_start_that_env_was_told_of_outside_of_a_script_is_asked_about():
    some = selection()
    assert some.wants(start(("env", "bash", *SCRIPT), "/usr/bin/env"))
    assert some.wants(start(("bash", *SCRIPT)))


def test_many_scripts_at_once_are_forgotten_and_asked_about():
    some = selection()
    for pid in range(1000):
        by_env(some, pid)
    assert some.wants(start(("bash", *SCRIPT), pid=0))
    assert not some.wants(start(("bash", *SCRIPT), pid=999))


def by_first_line(*words, interprets="./tool"):
    return call(
        Tool.PROC_EXEC, f"/usr/bin/{words[0].rpartition('/')[2]}", ProcExec(words, "/w", None, interprets), SYSTEM
    )


@pytest.mark.parametrize(
    "words",
    [
        ("/bin/rm", "-rf", "./tool", "docs"),
        ("/bin/rm", "./tool", "docs"),
        ("/usr/bin/env", "rm", "./tool", "docs"),
        ("/usr/bin/perl", "-eunlink<*>", "./tool"),
        ("/usr/bin/env", "-S rm -rf", "./tool"),
        ("/usr/bin/env",),
        ("/bin/sh", "-c", "./tool"),
        ("/bin/bash", "-euc", "./tool"),
        ("/usr/bin/perl", "-we", "./tool"),
    ],
)
def test_a_first_line_that_names_what_does_something_to_the_script_is_asked_about(words):
    assert selection().wants(by_first_line(*words))


@pytest.mark.parametrize(
    "words",
    [
        ("/bin/sh", "./tool", "-x"),
        ("/bin/bash", "-eu", "./tool"),
        ("/usr/bin/env", "python3", "./tool"),
        ("/usr/bin/perl", "-w", "./tool"),
    ],
)
def test_an_interpreter_is_not_asked_about_again_after_its_script(words):
    assert not selection().wants(by_first_line(*words))


def test_env_in_a_first_line_lends_its_leave_to_interpreters_alone():
    some = selection()
    assert some.wants(by_first_line("/usr/bin/env", "rm", "./tool"))
    assert some.wants(call(Tool.PROC_EXEC, "/usr/bin/rm", ProcExec(("rm", "-r", "./tool"), "/w"), SYSTEM))

"""What breaks around a session: a full or read-only disk, few descriptors, a log taken away, kills at each step.

Each ends in an error that says what failed, or goes on; nothing hangs, and nothing happens that is not in the log.
"""

from __future__ import annotations

import os
import time

import pytest

from gmcp_sandbox.audit.verify import State, verify
from tests.e2e.harness import Process, read_records, wait_until
from tests.e2e.test_crashes import Scene, _check_log, _gmcp_children

BUSY = """
import os, sys
print("ready", flush=True)
for number in range(100000):
    try:
        with open(f"made-{number}", "w") as file:
            file.write(os.urandom(400).hex())
        if number % 50 == 49:
            for each in range(number - 49, number + 1):
                os.unlink(f"made-{each}")
    except OSError:
        break
"""
WITHOUT_GATE = 'extends = "default"\nname = "faults"\ndescription = "No gate."\n[probe]\ntools = ["mcp.call"]\n'


def _made_without_record(sandbox, log):
    """Return the files that are there and that no record allowed."""
    records = read_records(log)
    allowed = {each["object"] for each in records if each.get("tool") == "fs.create" and each["outcome"] == "allow"}
    return [path.name for path in sandbox.workspace.glob("made-*") if str(path) not in allowed]


def _in_small_space(sandbox, options):
    """Return the words that put a file system of its own over the state directory, for this command alone."""
    kept = sandbox.base / "kept"
    script = f'mount -t tmpfs -o uid={sandbox.uid},{options} none "{sandbox.state}"; "$@"; code=$?; '
    script += f'cp -r "{sandbox.state}" "{kept}"; exit $code'
    return ("unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"), kept


@pytest.mark.root
@pytest.mark.trick("filling the disk that the log lies on", stops="no record, no effect; the session ends")
def test_a_full_disk_below_the_log_ends_the_session(sandbox):
    outer, kept = _in_small_space(sandbox, "size=400k")
    result = _run(sandbox, "/usr/bin/python3", "-c", BUSY, outer=outer)
    assert result.code == 125, result.err
    assert "No space left" in result.err or "is the disk full" in result.err
    assert "Traceback" not in result.err
    (log,) = (kept / "gmcp-sandbox" / "sessions").iterdir()
    assert verify(str(log)).state is not State.BROKEN
    assert _made_without_record(sandbox, log) == []


@pytest.mark.root
@pytest.mark.parametrize("options", ["ro", "size=4k", "nr_inodes=3"])
def test_a_state_directory_that_takes_nothing_starts_nothing(sandbox, options):
    outer, _ = _in_small_space(sandbox, options)
    result = _run(sandbox, "touch", "made-0", outer=outer)
    assert result.code == 125, result.err
    assert result.err.startswith("error:") and "Traceback" not in result.err
    assert not (sandbox.workspace / "made-0").exists()


@pytest.mark.parametrize("count", [12, 32])
def test_few_descriptors_end_in_an_error_or_do(sandbox, count):
    outer = ("/bin/sh", "-c", f'ulimit -n {count}; exec "$@"', "sh")
    result = _run(sandbox, "touch", "made-0", outer=outer)
    assert result.code in (0, 1, 125, 126, 127), result.err  # 1: the agent's own, which has few, too
    assert "Traceback" not in result.err
    assert (result.code == 0) == (sandbox.workspace / "made-0").exists()
    if result.code == 125:
        assert result.err.startswith("error:"), result.err


def test_a_log_that_may_not_grow_ends_the_session(sandbox):
    outer = ("/bin/sh", "-c", 'ulimit -f 400; exec "$@"', "sh")
    result = _run(sandbox, "/usr/bin/python3", "-c", BUSY, outer=outer)
    assert result.code == 125, result.err
    assert "cannot write the audit log" in result.err and "Traceback" not in result.err
    assert verify(str(result.log)).state is not State.BROKEN
    assert _made_without_record(sandbox, result.log) == []


def _run(sandbox, *argv, outer):
    return sandbox.exec(*argv, profile=sandbox.profile(WITHOUT_GATE), outer=outer, is_whole=False)


@pytest.mark.parametrize("what", ["removed", "renamed", "cut"])
@pytest.mark.trick("removing, renaming or cutting the log of a running session", stops="noticed; the session ends")
def test_a_log_that_is_taken_away_ends_the_session(sandbox, what):
    with sandbox.start("-p", sandbox.profile(WITHOUT_GATE), "--", "/usr/bin/python3", "-c", BUSY) as running:
        running.read_until(b"ready")
        log = running.log / "audit.jsonl"
        if what == "removed":
            log.unlink()
        elif what == "renamed":
            log.rename(log.with_name("audit.jsonl.1"))
        else:
            os.truncate(log, 100)
        result = running.end(20)
    assert result.code == 125, result.err
    assert "while the session ran" in result.err and "Traceback" not in result.err, result.err


STEPS = range(5)
"""The supervisor and what comes after it: gate, stage, process 1, the agent, whatever there is."""


@pytest.mark.parametrize("number", STEPS)
def test_a_kill_of_each_process_as_soon_as_it_is_there(sandbox, number):
    with sandbox.start("-p", sandbox.profile(WITHOUT_GATE), "--", "/bin/sh", "-c", "echo ready; sleep 1000") as running:
        wait_until(lambda: len(_below(running)) > number or b"ready" in _peek(running), f"process {number}")
        family = _below(running)
        if number >= len(family):
            return  # there are not that many; the agent runs, so all were there
        scene = Scene(running)
        family[number].kill()
        result = running.end(15)
        wait_until(scene.all_is_gone, "the end of all", 5)
    assert result.code in (125, 137), result.err
    assert "Traceback" not in result.err
    _check_log(result.log)


def _below(running):
    """Return the session's processes in the order of their start."""
    found = [each for each in running.family() if not each.is_gone]
    return sorted(found, key=lambda each: (each.started, each.pid))


def _peek(running):
    import select

    if select.select([running.process.stdout], [], [], 0)[0]:
        running.seen += os.read(running.process.stdout.fileno(), 4096)
    return running.seen


@pytest.mark.parametrize("number", range(2))
def test_a_kill_while_the_session_ends(sandbox, number):
    with sandbox.start("-p", sandbox.profile(WITHOUT_GATE), "--", "/bin/sh", "-c", "echo bye") as running:
        running.read_until(b"bye")
        scene = Scene(running)
        living = [each for each in scene.family if not each.is_gone]
        if number < len(living):
            living[number].kill()
        result = running.end(15)
        wait_until(scene.all_is_gone, "the end of all", 5)
    assert result.code in (0, 125, 137), result.err
    assert "Traceback" not in result.err
    _check_log(result.log)


def test_a_supervisor_that_stands_still_is_killed_with_everything(sandbox):
    """SIGSTOP is no death: the front waits, its user's Ctrl-C and then SIGKILL end all of it."""
    with sandbox.start("-p", sandbox.profile(WITHOUT_GATE), "--", "/bin/sh", "-c", "echo ready; sleep 1000") as running:
        running.read_until(b"ready")
        scene = Scene(running)
        _gmcp_children(running)[0].kill(19)
        began = time.monotonic()
        running.process.kill()
        running.process.wait(10)
        running.supervisor.kill()
        scene.check(began)
    assert all(isinstance(each, Process) for each in scene.family)

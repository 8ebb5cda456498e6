"""Whoever is killed, and whenever: the agent is gone, nothing is left behind, the log verifies to its last record."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import time
import weakref
from contextlib import suppress
from pathlib import Path

import pytest

from gmcp_sandbox.audit.verify import State, verify
from tests.e2e.harness import AGENTS, Hung, Process, descendants, namespaces_in_use, ticks, wait_until

KILLS = int(os.environ.get("GMCP_KILLS", "12"))
WITHIN = 5.0
"""Seconds until all must be gone. The product promises one, which a busy machine cannot hold; the tests print it."""


def _mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


def _own_namespaces() -> set[str]:
    return set(Process(os.getpid(), 0).namespaces.values())


def _pins(family: list[Process]) -> list[int]:
    """Hold the namespaces: else one that another test makes could get the number of one that has ended."""
    pins = []
    for process in family:
        for name in process.namespaces:
            with suppress(OSError):
                pins.append(os.open(f"/proc/{process.pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC))
    return pins


def _close(pins: list[int]) -> None:
    for pin in pins:
        os.close(pin)


class Scene:
    """What is there before a kill, to be compared with what is there after it."""

    def __init__(self, running):
        self.running = running
        self.mounts = _mounts()
        self.family = running.family()
        self.namespaces = {name for each in self.family for name in each.namespaces.values()}
        if running.sandbox.mode == "user":  # the front's own mount namespace is the test's, not the product's
            self.namespaces -= set(Process(running.process.pid, 0).namespaces.values())
        self.namespaces -= _own_namespaces()
        self.until = ticks() + 10  # what a dying agent has just started counts, too
        weakref.finalize(self, _close, _pins(self.family))

    def all_is_gone(self):
        return all(process.is_gone for process in self.family) and not self.namespaces & namespaces_in_use(self.until)

    def check(self, began):
        """Everything but the front ends in time; then nothing of it is left."""
        try:
            wait_until(self.all_is_gone, "the end of all processes and namespaces", WITHIN - (time.monotonic() - began))
        except Hung as fault:
            left = [process for process in self.family if not process.is_gone]
            used = self.namespaces & namespaces_in_use(self.until)
            raise Hung(f"{fault}: left are {left}, in use {used}") from None
        took = time.monotonic() - began
        assert _mounts() == self.mounts
        return took


def _check_log(log, *, is_whole=False):
    if log is not None and (log / "audit.jsonl").exists():
        found = verify(str(log))
        assert found.state is not State.BROKEN, found
        assert not is_whole or found.state is State.WHOLE, found


@pytest.mark.trick("kill of the supervisor at a random moment", stops="parent-death signals, end of process 1")
@pytest.mark.parametrize("number", range(KILLS))
def test_kill_of_the_supervisor_at_a_random_moment(sandbox, number):
    moment = random.Random(f"{sandbox.mode} {number}").uniform(0, 1.3)
    sandbox.write("agent.py", (AGENTS / "restless.py").read_bytes())
    with sandbox.start("--", "agent.py") as running:
        wait_until(lambda: _gmcp_children(running), "a supervisor")
        select.select([], [], [], moment)
        children = _gmcp_children(running)
        assert children, running.end(5)
        scene = Scene(running)
        began = time.monotonic()
        children[0].kill()
        print(f"killed after {moment:.3f} s, gone after {scene.check(began):.3f} s")
        result = running.end(10)
    assert result.code == 125, result.err
    assert "error:" in result.err and "gmcp_sandbox/" not in result.err  # a dying agent may well say something
    _check_log(result.log)


def _gmcp_children(running):
    """Return the front's own children; the first is the supervisor, as long as the front lives."""
    return [child for child in descendants(running.process.pid) if _parent(child.pid) == running.process.pid]


def _parent(pid):
    with suppress(OSError, ValueError):
        text = Path(f"/proc/{pid}/stat").read_text()
        return int(text[text.rindex(")") + 2 :].split()[1])
    return -1


PENDING = {
    "read": "fd = os.open('big', os.O_RDONLY); say(); os.read(fd, 4096)",
    "open": "say(); os.open('big', os.O_RDONLY)",
    "write": "fd = os.open('other', os.O_WRONLY | os.O_CREAT); say(); os.write(fd, b'x')",
    "list": "say(); os.listdir('folder')",
    "exec": "say(); os.execv('./program', ['program'])",
    "page fault": (
        "fd = os.open('big', os.O_RDONLY); view = mmap.mmap(fd, 1 << 20, prot=mmap.PROT_READ); say(); view[700000]"
    ),
    "page fault on code": (
        "library = ctypes.CDLL('./library.so'); fd = os.open('library.so', os.O_RDONLY); "
        "os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED); say(); library.getpid(); os.listdir('folder')"
    ),
    "lock in the kernel": "say(); os.rename('big', 'moved')",
}
PREPARE = "import ctypes, mmap, os, sys\ndef say():\n    os.write(1, b'ready'); os.read(0, 1)\n"


@pytest.mark.parametrize("what", PENDING)
def test_kill_of_the_supervisor_while_a_request_is_pending(sandbox, what):
    sandbox.write("big", bytes(1 << 20))
    sandbox.write("folder/file", "")
    sandbox.write("program", "#!/bin/sh\nexit 0\n", 0o755)
    sandbox.write("library.so", _any_library())
    with sandbox.start("--", "python3", "-c", PREPARE + PENDING[what], stdin=subprocess.PIPE) as running:
        running.read_until(b"ready")
        supervisor = running.supervisor
        scene = Scene(running)
        supervisor.kill(signal.SIGSTOP)  # from now on every request stays pending
        running.send(b"x")
        wait_until(lambda: _waits_for_fuse(scene.family), "a pending request")
        began = time.monotonic()
        supervisor.kill()
        scene.check(began)
        result = running.end(10)
    assert result.code == 125, result.err
    _check_log(result.log)


def _any_library() -> bytes:
    for path in ("/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"):
        if os.path.exists(path):
            return Path(path).read_bytes()
    raise AssertionError("no C library found")


def _waits_for_fuse(family):
    """True when some thread below waits for an answer of the file system (proc(5), wchan)."""
    for process in family:
        with suppress(OSError):
            for task in os.listdir(f"/proc/{process.pid}/task"):
                where = Path(f"/proc/{process.pid}/task/{task}/wchan").read_text()
                if "fuse" in where or where == "request_wait_answer" or _is_in_disk_wait(process.pid, task):
                    return True
    return False


def _is_in_disk_wait(pid, task):
    text = Path(f"/proc/{pid}/task/{task}/stat").read_text()
    return text[text.rindex(")") + 2 :].startswith("D")


def _title(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def test_kill_of_the_agent(sandbox):
    with sandbox.start("--", "sh", "-c", "sleep 1000 & echo ready; wait") as running:
        running.read_until(b"ready")
        scene = Scene(running)
        agent = next(each for each in scene.family if _title(each.pid).startswith("sh "))
        agent.kill()
        result = running.end(10)
        wait_until(scene.all_is_gone, "the end of all", 2)
    assert result.code == 137, result.err
    _check_log(result.log, is_whole=True)


def test_kill_of_the_front(sandbox):
    sandbox.write("agent.py", (AGENTS / "restless.py").read_bytes())
    with sandbox.start("--", "agent.py") as running:
        running.read_until(b"ready")
        log = running.log
        scene = Scene(running)
        running.process.kill()
        running.process.wait()
        wait_until(scene.all_is_gone, "the end of all", 3)
    _check_log(log, is_whole=True)
    assert _mounts() == scene.mounts


def _killed(sandbox, choose):
    """Kill one process of a session whose agent waits; return what the session said."""
    script = "import os, time; os.write(1, b'ready'); time.sleep(1000)"
    with sandbox.start("--", "python3", "-c", script) as running:
        running.read_until(b"ready")
        scene = Scene(running)
        choose(scene.family).kill()
        result = running.end(10)
        wait_until(scene.all_is_gone, "the end of all", 2)
    _check_log(result.log, is_whole=True)
    return result


def _titled(title):
    return lambda family: next(each for each in family if _title(each.pid).startswith(title))


@pytest.mark.parametrize(
    "choose", [lambda family: family[1], _titled("gmcp-init")], ids=["the set-up process", "process 1"]
)
def test_kill_of_what_holds_the_namespaces(sandbox, choose):
    result = _killed(sandbox, choose)
    assert result.code == 125, result.err
    assert "error:" in result.err


def test_kill_of_the_exec_gate(sandbox):
    """The agent ends with its tracer; whichever of the two ends is told first, the session has failed."""
    result = _killed(sandbox, _titled("gmcp-gate"))
    assert (result.code, "the exec gate ended" in result.err) == (125, True), result.err


def test_a_stopped_front_stops_no_file_system(sandbox):
    script = "echo ready; i=0; while :; do i=$((i+1)); echo $i > count; done"
    with sandbox.start("--", "sh", "-c", script) as running:
        running.read_until(b"ready")
        running.process.send_signal(signal.SIGSTOP)
        count = sandbox.workspace / "count"
        first = wait_until(lambda: count.exists() and count.read_text(), "a first count")
        wait_until(lambda: count.read_text() not in ("", first), "a later count")
        running.process.send_signal(signal.SIGCONT)
        running.process.terminate()
        assert running.end(10).code == 143


def test_the_next_session_clears_up_after_a_crash(sandbox):
    with sandbox.start("--", "sh", "-c", "echo ready; exec sleep 1000") as running:
        running.read_until(b"ready")
        running.supervisor.kill()
        crashed = running.end(10).log
    assert sandbox.command("ps").text == ""
    assert "crashed" in sandbox.command("ps", "--all").text
    assert sandbox.command("audit", "verify", crashed.name).code == 0
    assert sandbox.exec("true").code == 0
    assert not (crashed / "scratch").exists()


@pytest.mark.trick("an agent that fills its memory file system hurts nobody", stops="bounded tmpfs")
def test_an_agent_that_fills_its_memory_file_system_hurts_nobody(sandbox):
    profile = sandbox.profile('name = "x"\nextends = "default"\n[limits]\nscratch_bytes = "8MiB"\nshm_bytes = "1MiB"\n')
    script = """
    head -c 20M /dev/zero > /tmp/full; echo $?; head -c 5M /dev/zero > /dev/shm/full; echo $?
    rm /tmp/full; echo ok > /tmp/a; cat /tmp/a
    """
    result = sandbox.exec("bash", "-c", script, profile=profile)
    assert result.text.split() == ["1", "1", "ok"]
    assert result.err.count("No space left on device") == 2


FORK_WITHOUT_END = """
import os
for number in range(200):
    try:
        if os.fork() == 0:
            os.read(0, 1)
            os._exit(0)
    except OSError as error:
        print(error.errno, number < 200)
        break
"""


@pytest.mark.trick("an agent that forks without end is bounded", stops="control groups, or rlimits")
def test_an_agent_that_forks_without_end_is_bounded(sandbox):
    profile = sandbox.profile('name = "x"\nextends = "default"\n[limits]\nprocesses = 60\n')
    script = FORK_WITHOUT_END
    with sandbox.start("-p", profile, "--", "python3", "-c", script, stdin=subprocess.PIPE) as running:
        result = running.end(30)
    if sandbox.mode == "user" or result.text:
        assert result.text.split() == ["11", "True"]


def test_hung_is_said():
    with pytest.raises(Hung, match="not within"):
        wait_until(lambda: False, "nothing", 0.01)

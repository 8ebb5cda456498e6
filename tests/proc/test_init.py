"""Process 1: orphans, signals, stops, failed programs, standard descriptors."""

from __future__ import annotations

import errno
import os
import select
import signal

import pytest

from gmcp_sandbox.proc import init
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.stdio import Stdio
from tests.children import fork
from tests.proc.sandbox_run import launched, on_terminal, read_until, run

pytestmark = pytest.mark.needs("userns")
PYTHON = "/usr/bin/python3"


def shell(script: str):
    return run("/bin/sh", "-c", script)


class Pipes:
    """Standard descriptors of an agent, with a pipe for its output."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        identity = Identity.of_caller()
        if identity.is_root:
            os.fchown(writer, identity.base_uid, identity.base_gid)
        ends = (os.open("/dev/null", os.O_RDONLY), writer, os.dup(writer))
        self.stdio = Stdio(ends, (None, None, None))

    def close(self) -> None:
        os.close(self.reader)


@pytest.fixture
def pipes():
    made = Pipes()
    yield made
    made.close()


# ------------------------------------------------------------------------------------------------------------- orphans


def test_a_double_fork_leaves_no_zombie() -> None:
    script = """
for i in 1 2 3 4 5; do (true &) ; done
n=0
while [ $n -lt 1000 ] && grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do n=$((n+1)); done >/dev/null
[ $n -lt 1000 ]
"""
    assert shell(script).code == 0


def test_an_orphan_belongs_to_process_1() -> None:
    script = """
import os
if os.fork() == 0:
    middle = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == middle:
        pass
    print(os.getppid(), flush=True)
    os._exit(0)
os.wait()
os.close(1)
while [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]:
    pass
"""
    assert run(PYTHON, "-I", "-c", script).out == "1\n"


def test_what_is_left_behind_dies_with_the_agent(pipes: Pipes) -> None:
    script = "setsid sh -c 'trap \"\" HUP TERM; echo left; exec sleep 1000' & read -r x </dev/null; exec 2>&1; exit 5"
    with launched(["/bin/sh", "-c", f"{script}"], pipes.stdio) as running:
        assert running.exit_code() == 5
        while os.read(pipes.reader, 100):
            pass  # the end of the file: nobody holds the other end any more


def test_many_orphans_are_all_reaped_while_the_agent_runs() -> None:
    script = """
import os
for _ in range(200):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
def zombies():
    found = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found += open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
            except OSError:
                pass
    return found
while zombies():
    pass
print("none")
"""
    assert run(PYTHON, "-I", "-c", script).out == "none\n"


# ------------------------------------------------------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT])
def test_a_signal_of_the_front_reaches_the_agent(pipes: Pipes, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo caught; exit 42' {name}; echo ready; while :; do :; done"
    with launched(["/bin/bash", "-c", script], pipes.stdio) as running:
        read_until(pipes.reader, b"ready\n")
        running.front.send("signal", signal=int(number))
        assert running.exit_code() == 42


def test_a_signal_reaches_the_whole_group(pipes: Pipes) -> None:
    script = "echo ready; (exec sleep 1000); echo child: $?; exit 3"
    with launched(["/bin/bash", "-c", f"trap : TERM; {script}"], pipes.stdio) as running:
        read_until(pipes.reader, b"ready\n")
        running.front.send("signal", signal=int(signal.SIGTERM))
        text = b""
        while b"child:" not in text:  # the child may have been too young for the first one
            if not select.select([pipes.reader], [], [], 0.05)[0]:
                running.front.send("signal", signal=int(signal.SIGTERM))
            else:
                text += os.read(pipes.reader, 100)
        assert running.exit_code() == 3
        assert b"child: 143" in text


def test_a_signal_that_ends_the_agent_is_its_status(pipes: Pipes) -> None:
    with launched(["/bin/sh", "-c", "echo ready; exec sleep 1000"], pipes.stdio) as running:
        read_until(pipes.reader, b"ready\n")
        running.front.send("signal", signal=int(signal.SIGTERM))
        assert running.exit_code() == -signal.SIGTERM


def test_the_agent_starts_with_ordinary_dispositions_and_no_mask() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    ignored = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        status = shell("cat /proc/self/status").out
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGUSR1, ignored)
    for name in ("SigBlk", "SigIgn", "SigCgt", "SigPnd"):
        assert f"{name}:\t0000000000000000" in status


def test_the_front_may_go_and_the_agent_runs_on(pipes: Pipes) -> None:
    with launched(["/bin/sh", "-c", "echo ready; sleep 0.1; exit 6"], pipes.stdio) as running:
        running.front.close()
        assert running.exit_code() == 6


# --------------------------------------------------------------------------------------------------------------- stops


def test_ctrl_z_is_told_to_the_front_and_continuing_continues() -> None:
    script = "while read -r word; do echo got $word; done; exit 8"
    with on_terminal("/bin/sh", "-c", script) as (running, master):
        for word in (b"one", b"two", b"three"):
            os.write(master, word + b"\n")
            read_until(master, b"got " + word)
            os.write(master, b"\x1a")
            assert running.front.expect("stopped")[0]["signal"] == signal.SIGTSTP
            running.front.send("signal", signal=int(signal.SIGCONT))
            running.front.expect("continued")
        os.write(master, b"\x04")
        assert running.exit_code() == 8


def test_without_a_terminal_nobody_is_told_of_a_stop(pipes: Pipes) -> None:
    script = "echo ready; kill -STOP $$; exit 9"
    with launched(["/bin/sh", "-c", script], pipes.stdio) as running:
        running.until("started")
        while not select.select([running.supervisor.fileno()], [], [], 0.05)[0]:
            running.front.send("signal", signal=int(signal.SIGCONT))  # until one came after the stop
        assert running.exit_code() == 9
        assert running.front.receive() is None


def test_the_agent_controls_its_terminal() -> None:
    with on_terminal("/bin/bash", "-c", "tty; echo /dev/pts/*; test -t 0 -a -t 1 -a -t 2 && echo all") as (_, master):
        assert b"/dev/pts/0\r\n/dev/pts/0 /dev/pts/ptmx\r\nall\r\n" in read_until(master, b"all\r\n")


def test_ctrl_c_on_the_terminal_is_a_signal() -> None:
    with on_terminal("/bin/sh", "-c", "echo ready; exec sleep 1000") as (running, master):
        read_until(master, b"ready")
        os.write(master, b"\x03")
        assert running.exit_code() == -signal.SIGINT


# ------------------------------------------------------------------------------------------------------ failed programs


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("/usr/bin/missing", errno.ENOENT),
        ("missing", errno.ENOENT),
        ("/usr/bin/env/x", errno.ENOENT),
        ("/etc/passwd", errno.EACCES),
        ("/usr", errno.EACCES),
        ("/" + "x" * 300, errno.ENAMETOOLONG),
    ],
)
def test_a_program_that_cannot_run_is_told_by_its_errno(path: str, failure: int) -> None:
    assert run(path).messages[-1] == {"kind": "not_executed", "errno": failure}


def test_too_many_arguments_are_told_by_their_errno() -> None:
    assert run("/bin/true", "x" * (1 << 20)).messages[-1] == {"kind": "not_executed", "errno": errno.E2BIG}


# ------------------------------------------------------------------------------------------------- standard descriptors


def test_only_0_1_and_2_are_open_and_they_are_pipes() -> None:
    script = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))); print(*map(os.isatty, range(3)))"
    ran = run(PYTHON, "-I", "-c", script)
    assert ran.out == "[0, 1, 2, 3]\nFalse False False\n"  # 3 is the listing's own


@pytest.mark.parametrize("kept", [3, 4, 7])
def test_every_descriptor_but_one_is_closed(kept: int) -> None:
    pid = fork()
    if pid == 0:
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(3, 12):
            os.dup2(null, number)
        init._close_all_but(kept)
        os._exit([number for number in range(3, 64) if _is_open(number)] != [kept])
    assert os.waitpid(pid, 0)[1] == 0


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_the_names_of_process_1_say_nothing_of_the_host() -> None:
    ran = shell("tr '\\0' ' ' </proc/1/cmdline; cat /proc/1/comm; ls -l /proc/1/exe 2>&1 | grep -c denied")
    assert ran.out.split() == ["gmcp-init", "gmcp-init", "1"]

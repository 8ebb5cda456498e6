"""On a terminal: size, keys, colours, job control; and the user's terminal is as it was afterwards."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from contextlib import contextmanager

import pytest

from tests.e2e.harness import Hung, Process, wait_until


class Screen:
    """The user's end of a terminal."""

    def __init__(self, running, master, terminal):
        self.running = running
        self.master = master
        self.terminal = terminal
        self.shown = b""

    def type(self, keys):
        os.write(self.master, keys)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, marker, seconds=30):
        """Return all that is shown once the marker is, and forget it."""
        deadline = time.monotonic() + seconds
        while marker not in self.shown:
            if not select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Hung(f"waiting for {marker!r}; shown: {self.shown!r}")
            self.shown += os.read(self.master, 65536)
        shown, self.shown = self.shown, b""
        return shown

    def end(self, seconds=30):
        """Return the exit status; what is shown meanwhile is read, else the front could not end."""
        deadline = time.monotonic() + seconds
        while self.running.process.poll() is None:
            if time.monotonic() > deadline:
                raise Hung(f"no end; shown: {self.shown!r}")
            if select.select([self.master], [], [], 0.01)[0]:
                self.shown += os.read(self.master, 65536)
        while select.select([self.master], [], [], 0)[0]:
            self.shown += os.read(self.master, 65536)
        return self.running.process.returncode


@contextmanager
def on_a_terminal(sandbox, *command, size=(33, 99), options=(), **how):
    master, terminal = pty.openpty()
    try:
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal, **how}
        with sandbox.start(
            *options, "--", *command, env={"TERM": "xterm-256color"}, has_terminal=True, **streams
        ) as running:
            yield Screen(running, master, terminal)
    finally:
        os.close(master)
        os.close(terminal)


def _is_stopped(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"


def _wait_for_stop(pid):
    wait_until(lambda: _is_stopped(pid), "a stopped process")


def test_size_and_its_changes(sandbox):
    script = "trap 'stty size' WINCH; trap 'exit 7' INT; stty size; echo ready; while :; do sleep 0.05; done"
    with on_a_terminal(sandbox, "bash", "-c", script) as screen:
        assert b"33 99\r\n" in screen.until(b"ready")
        screen.resize(50, 120)
        screen.until(b"50 120")
        screen.type(b"\x03")
        assert screen.end() == 7


def test_colours_and_names(sandbox):
    script = (
        "test -t 0 && test -t 1 && test -t 2 && printf '\\033[31mred\\033[0m\\n'; "
        "tty; ls -l $(tty) | cut -c1; echo x > /dev/tty"
    )
    with on_a_terminal(sandbox, "bash", "-c", script) as screen:
        assert screen.end() == 0
        assert b"\x1b[31mred\x1b[0m\r\n/dev/pts/0\r\nc\r\nx\r\n" in screen.shown


def test_ctrl_c_reaches_the_agent(sandbox):
    script = "trap 'echo caught; exit 42' INT; echo ready; while :; do sleep 0.05; done"
    with on_a_terminal(sandbox, "bash", "-c", script) as screen:
        screen.until(b"ready")
        screen.type(b"\x03")
        assert screen.end() == 42
        assert b"caught" in screen.shown


def test_ctrl_backslash_and_end_of_file(sandbox):
    with on_a_terminal(sandbox, "sh", "-c", "echo ready; cat; echo after; exec sleep 1000") as screen:
        screen.until(b"ready")
        screen.type(b"typed\n\x04")
        screen.until(b"after")
        screen.type(b"\x1c")
        assert screen.end() == 131


def test_ctrl_z_stops_the_front_and_continuing_it_continues_the_agent(sandbox):
    script = """
    echo ready
    while read -r -t 0.05 line || [ $? -gt 128 ]; do [ "$line" = q ] && exit 6; done
    """
    with on_a_terminal(sandbox, "bash", "-c", script) as screen:
        screen.until(b"ready")
        assert termios.tcgetattr(screen.terminal)[3] & termios.ICANON == 0
        for _ in range(2):
            screen.type(b"\x1a")
            front = screen.running.process.pid
            _wait_for_stop(front)
            assert termios.tcgetattr(screen.terminal)[3] & termios.ICANON
            assert not screen.running.supervisor.is_gone
            assert not _is_stopped(screen.running.supervisor.pid)
            os.kill(front, signal.SIGCONT)
            wait_until(lambda: termios.tcgetattr(screen.terminal)[3] & termios.ICANON == 0, "a raw terminal")
        screen.type(b"q\n")
        assert screen.end() == 6


def test_the_terminal_is_as_it_was(sandbox):
    with on_a_terminal(sandbox, "sh", "-c", "stty raw -echo; read x; exit 3") as screen:
        before = termios.tcgetattr(screen.terminal)
        wait_until(lambda: termios.tcgetattr(screen.terminal) != before, "a raw terminal")
        screen.type(b"\n")
        screen.type(b"\r")
        screen.end()
        assert termios.tcgetattr(screen.terminal) == before


def test_the_terminal_is_as_it_was_after_the_supervisor_was_killed(sandbox):
    with on_a_terminal(sandbox, "sh", "-c", "echo ready; exec sleep 1000") as screen:
        before = termios.tcgetattr(screen.terminal)
        screen.until(b"ready")
        screen.running.supervisor.kill()
        assert screen.end() == 125
        assert termios.tcgetattr(screen.terminal) == before
        assert b"error:" in screen.shown


def test_the_window_that_closes_ends_the_session(sandbox):
    with on_a_terminal(sandbox, "sh", "-c", "echo ready; exec sleep 1000") as screen:
        screen.until(b"ready")
        family = screen.running.family()
        os.kill(screen.running.process.pid, signal.SIGHUP)
        screen.end()
        wait_until(lambda: all(process.is_gone for process in family), "the end", 5)


@pytest.mark.parametrize("piped", ["stdin", "stdout", "stderr"])
def test_one_stream_is_no_terminal(sandbox, piped):
    script = "for n in 0 1 2; do test -t $n && echo $n; done > tty-numbers; stty -F /dev/tty size; exit 5"
    with open(os.devnull, "r+b") as null, on_a_terminal(sandbox, "bash", "-c", script, **{piped: null}) as screen:
        assert screen.end() == 5
    numbers = (sandbox.workspace / "tty-numbers").read_text().split()
    assert numbers == [str(n) for n, name in enumerate(("stdin", "stdout", "stderr")) if name != piped and n != 1]


def test_interactive_programs_work(sandbox):
    with on_a_terminal(sandbox, "bash", "--norc", "-i") as screen:
        screen.until(b"bash-")
        screen.type(b"(echo star''ted; sleep 1000) | cat\n")
        screen.until(b"started")
        screen.type(b"\x1a")
        screen.until(b"Stopped")
        screen.type(b"jobs; kill %1; echo $((40 + 2))-\n")
        screen.until(b"42-")
        front = screen.running.process.pid
        assert not _is_stopped(front)
        screen.type(b"stty size\n")
        screen.until(b"33 99")
        screen.type(b"exit 8\n")
        assert screen.end() == 8


def test_large_output_on_a_terminal(sandbox):
    with on_a_terminal(sandbox, "bash", "-c", "seq 200000; echo done") as screen:
        shown = screen.until(b"done", 60)
        assert screen.end() == 0
    assert shown.replace(b"\r", b"").split(b"\n")[:-1][:200000][-1] == b"200000"
    assert Process.of(screen.running.process.pid) is None

"""The front, in a process of its own between real pipes and terminals; the test is the user, the agent and the
supervisor."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.relay import Relay
from gmcp_sandbox.proc.stdio import Stdio
from tests.children import fork
from tests.proc.sandbox_run import read_until

FIVE_MB = bytes(range(256)) * 20_000


class Front:
    """A running front.

    Attributes:
        user: The user's ends of 0, 1 and 2.
        agent: The agent's ends of its pipes; None where there is a terminal.
        terminal, slave: The user's terminal, where there is one.
    """

    def __init__(self, terminals: tuple[bool, bool, bool]) -> None:
        self.terminal: Any = None
        self.slave: Any = None
        if any(terminals):
            self.terminal, self.slave = pty.openpty()
            fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
        self.user: list[int] = []
        self.agent: list[Any] = []
        theirs: list[int] = []
        inside: list[int | None] = []
        places: tuple[list[Any], ...] = (self.user, theirs, inside, self.agent)
        for ends in (self._ends(number, is_terminal) for number, is_terminal in enumerate(terminals)):
            for place, fd in zip(places, ends, strict=True):
                place.append(fd)
        self.line, agent_line = Channel.pair()
        self.supervisor, supervisor_line = Channel.pair()
        self._report, report = os.pipe()
        self._is_over = False
        self.pid = fork()
        if self.pid == 0:
            self._take_places(theirs)
            stdio = Stdio((None, None, None), (inside[0], inside[1], inside[2]))
            self._be(Relay(stdio, agent_line, supervisor_line), report)
        for each in {*theirs, *inside, report} - {None, self.slave}:
            os.close(each or 0)
        agent_line.close()
        supervisor_line.close()

    def _ends(self, number: int, is_terminal: bool) -> tuple[Any, Any, Any, Any]:
        """Return four ends for one descriptor: user ─ front's own 0, 1 or 2 ─ front ─ agent."""
        if is_terminal:
            return self.terminal, self.slave, None, None
        outer, inner = os.pipe(), os.pipe()
        flow = 1 if number == 0 else 0  # bytes go outer → inner at 0, inner → outer at 1 and 2
        return outer[flow], outer[1 - flow], inner[flow], inner[1 - flow]

    def _take_places(self, theirs: list[int]) -> None:
        """In the child: lead a session on the terminal, and have these at 0, 1 and 2, but nothing of the test's."""
        os.setsid()
        if self.slave is not None:
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        for number, fd in enumerate(theirs):
            os.dup2(fd, number)
        for fd in {self.terminal, self.slave, *self.user, *theirs, *self.agent} - {None, 0, 1, 2}:
            os.close(fd)
        self.line.close()
        self.supervisor.close()

    @staticmethod
    def _be(relay: Relay, report: int) -> None:
        try:
            os.write(report, json.dumps(relay.run()).encode())
        except Exception as error:  # noqa: BLE001 - told to the test
            os.write(report, json.dumps(type(error).__name__).encode())
        finally:
            os._exit(0)

    def close_agent(self) -> None:
        for number, fd in enumerate(self.agent):
            if fd is not None:
                os.close(fd)
                self.agent[number] = None

    def end(self, **final: Any) -> Any:
        """Let the supervisor say its last word (none: no word) and end, as the agent has; return what the front
        returns."""
        if final:
            self.supervisor.send("final", **final)
        self.supervisor.close()
        self.close_agent()
        return self.result()

    def result(self) -> Any:
        with open(self._report, "rb", closefd=False) as file:
            text = file.read()
        os.waitpid(self.pid, 0)
        self._is_over = True
        return json.loads(text)

    def close(self) -> None:
        if not self._is_over:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.close_agent()
        for fd in {*self.user, self.terminal, self.slave, self._report} - {None}:
            try:
                os.close(fd)
            except OSError:
                pass  # the test has closed it
        self.line.close()
        self.supervisor.close()


@contextmanager
def front(stdin: bool = False, stdout: bool = False, stderr: bool = False) -> Iterator[Front]:
    """Run a front whose named descriptors are a terminal."""
    made = Front((stdin, stdout, stderr))
    try:
        yield made
    finally:
        made.close()


def read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class Beside(threading.Thread):
    """Something that goes on while the test does something else; `join` returns its result."""

    def __init__(self, action: Any, *args: Any) -> None:
        super().__init__(daemon=True)
        self._action, self._args = action, args
        self.returned: Any = None
        self.start()

    def run(self) -> None:
        self.returned = self._action(*self._args)

    def result(self) -> Any:
        self.join(20)
        assert not self.is_alive()
        return self.returned


# --------------------------------------------------------------------------------------------------------------- pipes


def test_bytes_pass_both_ways_and_stay_apart() -> None:
    with front() as run:
        os.write(run.user[0], b"to the agent \x00\xff")
        assert os.read(run.agent[0], 100) == b"to the agent \x00\xff"
        os.write(run.agent[1], b"out")
        os.write(run.agent[2], b"err")
        assert (os.read(run.user[1], 100), os.read(run.user[2], 100)) == (b"out", b"err")
        assert run.end(code=3) == {"kind": "final", "code": 3}


def test_the_end_of_the_input_passes_and_output_goes_on() -> None:
    with front() as run:
        os.write(run.user[0], b"all")
        os.close(run.user[0])
        assert read_all(run.agent[0]) == b"all"
        os.write(run.agent[1], b"after")
        assert os.read(run.user[1], 100) == b"after"
        assert run.end(code=0)["code"] == 0


@pytest.mark.parametrize("number", [1, 2])
def test_5_mb_of_output_come_whole_to_a_reader_that_starts_late(number: int) -> None:
    with front() as run:
        writer = Beside(write_all, run.agent[number], FIVE_MB)
        while not select.select([run.user[number]], [], [], 1)[0]:
            pass
        read = os.read(run.user[number], 1)  # a slow reader at first: everything is full and waits
        other = 3 - number
        os.write(run.agent[other], b"not held up")
        assert os.read(run.user[other], 100) == b"not held up"
        reader = Beside(read_all, run.user[number])
        writer.result()
        assert run.end(code=0)["code"] == 0
        assert read + reader.result() == FIVE_MB


def test_5_mb_of_input_come_whole() -> None:
    with front() as run:
        reader = Beside(read_all, run.agent[0])
        write_all(run.user[0], FIVE_MB)
        os.close(run.user[0])
        assert reader.result() == FIVE_MB
        assert run.end(code=0)["code"] == 0


def test_output_that_is_on_its_way_when_the_supervisor_ends_still_arrives() -> None:
    with front() as run:
        os.write(run.agent[1], b"x" * 60_000)
        run.supervisor.send("final", code=0)
        run.supervisor.close()
        os.write(run.agent[1], b"y")
        run.close_agent()
        assert read_all(run.user[1]) == b"x" * 60_000 + b"y"
        assert run.result()["code"] == 0


def test_a_reader_that_goes_away_is_told_to_the_agent() -> None:
    with front() as run:
        os.close(run.user[1])
        with pytest.raises(BrokenPipeError):
            for _ in range(1000):
                os.write(run.agent[1], bytes(4096))
        os.write(run.agent[2], b"still here")
        assert os.read(run.user[2], 100) == b"still here"
        assert run.end(code=1)["code"] == 1


def test_an_agent_that_reads_nothing_more_does_not_hold_up_its_output() -> None:
    with front() as run:
        os.close(run.agent[0])
        run.agent[0] = None
        os.write(run.user[0], b"nobody wants this")
        os.write(run.agent[1], b"out")
        assert os.read(run.user[1], 100) == b"out"
        assert run.end(code=0)["code"] == 0


def test_a_full_input_does_not_hold_up_the_end() -> None:
    with front() as run:
        os.set_blocking(run.user[0], False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(run.user[0], bytes(65536))
        assert run.end(code=7)["code"] == 7


# ---------------------------------------------------------------------------------------------------------- supervisor


def test_a_supervisor_that_ends_without_a_word_is_none() -> None:
    with front() as run:
        assert run.end() is None


def test_notices_go_to_stderr_and_are_not_the_last_word() -> None:
    with front() as run:
        run.supervisor.send("notice", text="gmcp-sandbox: DENY fs.read /x (trust)")
        assert os.read(run.user[2], 200) == b"gmcp-sandbox: DENY fs.read /x (trust)\n"
        run.supervisor.send("final", code=4)
        run.supervisor.send("notice", text="late")
        assert run.end()["code"] == 4


def test_the_longest_notice_arrives() -> None:
    text = "\N{GRINNING FACE}" * 4096
    with front() as run:
        run.supervisor.send("notice", text=text)
        assert read_until(run.user[2], b"\n").decode() == text + "\n"
        assert run.end(code=0)["code"] == 0


def test_a_notice_that_nobody_reads_ends_nothing() -> None:
    with front() as run:
        os.close(run.user[2])
        run.supervisor.send("notice", text="unread")
        os.write(run.agent[1], b"on")
        assert os.read(run.user[1], 10) == b"on"
        assert run.end(code=0)["code"] == 0


# ------------------------------------------------------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_signals_pass_to_the_agent_and_do_not_end_the_front(number: signal.Signals) -> None:
    with front() as run:
        os.write(run.agent[1], b"x")
        os.read(run.user[1], 1)  # it is under way
        os.kill(run.pid, number)
        assert run.line.expect("signal")[0]["signal"] == number
        os.kill(run.pid, number)
        assert run.line.expect("signal")[0]["signal"] == number
        assert run.end(code=0)["code"] == 0


def test_a_signal_after_the_agents_end_is_no_fault() -> None:
    with front() as run:
        os.write(run.agent[1], b"x")
        os.read(run.user[1], 1)
        run.line.close()
        os.kill(run.pid, signal.SIGINT)
        assert run.end(code=0)["code"] == 0


# ------------------------------------------------------------------------------------------------------------ terminal


def settings(fd: int) -> list[Any]:
    return termios.tcgetattr(fd)


def size_of(fd: int) -> tuple[int, int]:
    return struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))[:2]


@contextmanager
def on_terminal(**which: bool) -> Iterator[tuple[Front, int]]:
    """A front on a terminal whose agent has one, too; yields it with the agent's side, ready."""
    with front(**which) as run:
        master, inner = pty.openpty()
        try:
            attributes = settings(inner)
            attributes[1] &= ~termios.OPOST
            attributes[3] &= ~termios.ECHO
            termios.tcsetattr(inner, termios.TCSANOW, attributes)
            run.line.send("terminal", fds=(master,))
            os.close(master)
            os.write(inner, b"ready")
            shown = 1 if which.get("stdout") else 2 if which.get("stderr") else 0
            read_until(run.user[shown], b"ready")
            yield run, inner
        finally:
            os.close(inner)


ALL = {"stdin": True, "stdout": True, "stderr": True}


def is_raw(fd: int) -> bool:
    return not settings(fd)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


def finish(run: Front, inner: int, **final: Any) -> Any:
    """End it all, the agent's terminal included (the caller's close of `inner` is of a copy's number)."""
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, inner)
    os.close(null)
    return run.end(**final)


def test_keys_and_output_pass_as_they_are() -> None:
    with on_terminal(**ALL) as (run, inner):
        attributes = settings(inner)
        attributes[3] &= ~(termios.ICANON | termios.ISIG)
        attributes[0] &= ~termios.ICRNL
        termios.tcsetattr(inner, termios.TCSANOW, attributes)
        os.write(run.terminal, b"\x03\x1a\x04\x1c\r\xff")
        assert read_until(inner, b"\xff") == b"\x03\x1a\x04\x1c\r\xff"
        os.write(inner, b"\x1b[31mred\n\xff")
        assert read_until(run.terminal, b"\xff") == b"\x1b[31mred\n\xff"
        assert finish(run, inner, code=0)["code"] == 0


def test_the_size_of_the_window_is_copied_at_the_start_and_when_it_changes() -> None:
    with on_terminal(**ALL) as (run, inner):
        assert size_of(inner) == (33, 99)
        fcntl.ioctl(run.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))  # SIGWINCH to the front
        while size_of(inner) != (50, 120):
            select.select([], [], [], 0.01)
        assert finish(run, inner, code=0)["code"] == 0


def test_the_terminal_is_raw_while_it_runs_and_as_it_was_afterwards() -> None:
    with on_terminal(**ALL) as (run, inner):
        assert is_raw(run.slave)
        assert finish(run, inner, code=0)["code"] == 0
        assert not is_raw(run.slave)


@pytest.mark.parametrize("fault", ["no word", "garbage"])
def test_the_terminal_is_as_it_was_after_a_fault(fault: str) -> None:
    with front(**ALL) as run:
        before = settings(run.slave)
        master, inner = pty.openpty()
        run.line.send("terminal", fds=(master,))
        os.close(master)
        os.write(inner, b"ready")
        read_until(run.terminal, b"ready")
        assert settings(run.slave) != before
        if fault == "garbage":
            run.supervisor._sock.send(b"\xff not JSON")
            assert run.result() == "UnicodeDecodeError"
            os.close(inner)
        else:
            os.close(inner)
            assert run.end() is None
        assert settings(run.slave) == before


def test_a_stop_stops_the_front_on_a_cooked_terminal_and_continuing_continues() -> None:
    with on_terminal(**ALL) as (run, inner):
        for _ in range(2):
            run.line.send("stopped", signal=int(signal.SIGTSTP))
            _, status = os.waitpid(run.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            assert not is_raw(run.slave)
            fcntl.ioctl(run.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 30, 0, 0))
            os.kill(run.pid, signal.SIGCONT)
            assert run.line.expect("signal")[0]["signal"] == signal.SIGCONT
            select.select([], [], [], 0.05)
            assert not is_raw(run.slave), "a Ctrl-Z that is typed now, the SIGCONT would take back"
            run.line.send("continued")
            while not is_raw(run.slave) or size_of(inner) != (20, 30):
                select.select([], [], [], 0.01)
        assert finish(run, inner, code=0)["code"] == 0


def test_a_terminal_that_is_only_written_to_keeps_its_keys() -> None:
    """With a pipe as input nobody reads the keys: on a raw terminal Ctrl-C would be dead."""
    with on_terminal(stdout=True, stderr=True) as (run, inner):
        assert not is_raw(run.slave)
        assert size_of(inner) == (33, 99)
        os.write(run.terminal, b"\x03")
        assert run.line.expect("signal")[0]["signal"] == signal.SIGINT
        os.write(run.user[0], b"piped")
        assert os.read(run.agent[0], 10) == b"piped"
        assert finish(run, inner, code=0)["code"] == 0


def test_a_terminal_that_is_only_read_from_shows_what_the_agents_terminal_shows() -> None:
    with on_terminal(stdin=True) as (run, inner):  # `ready` came to the terminal, and to neither pipe
        assert not select.select(run.user[1:], [], [], 0)[0]
        os.write(run.terminal, b"typed\r")
        assert read_until(inner, b"\n") == b"typed\n"
        assert finish(run, inner, code=0)["code"] == 0


def test_a_notice_on_a_raw_terminal_starts_a_new_line() -> None:
    with on_terminal(**ALL) as (run, inner):
        run.supervisor.send("notice", text="told")
        assert read_until(run.terminal, b"\n") == b"told\r\n"
        assert finish(run, inner, code=0)["code"] == 0


def test_a_lot_of_output_on_a_terminal_comes_whole() -> None:
    with on_terminal(**ALL) as (run, inner):
        data = b"0123456789abcdef" * 20_000 + b"!"
        writer = Beside(write_all, inner, data)
        assert read_until(run.terminal, b"!") == data
        writer.result()
        assert finish(run, inner, code=0)["code"] == 0


# ----------------------------------------------------------------------------------------------------------- questions

QUESTION = {
    "id": 7,
    "agent": "coder",
    "tool": "fs.delete",
    "object": "/ws/a",
    "arguments": {},
    "reasons": [["constitution", "constitution.ask-me", "a person decides"]],
    "patterns": [],
}
INVITATION = b"[a/d, then Enter] "


def answer_of(run: Front) -> dict[str, Any]:
    return run.supervisor.expect("answer")[0]


def test_what_was_typed_for_the_agent_before_the_question_took_answers_is_no_answer() -> None:
    """The agent says "type a, then Enter" and raises its question at the moment when the user does."""
    with on_terminal(**ALL) as (run, inner):
        run.supervisor.send("ask", question=QUESTION)
        read_until(run.terminal, b"d  deny")
        os.write(run.terminal, b"a\r")
        read_until(run.terminal, INVITATION)
        os.write(run.terminal, b"d\r")
        assert answer_of(run) == {"kind": "answer", "id": 7, "allow": False, "pattern": None}
        assert finish(run, inner, code=0)["code"] == 0


@contextmanager
def at_once(run: Front) -> Iterator[None]:
    """Let the front find all that happens meanwhile in one look."""
    os.kill(run.pid, signal.SIGSTOP)
    os.waitpid(run.pid, os.WUNTRACED)
    yield
    os.kill(run.pid, signal.SIGCONT)


def test_a_key_that_comes_together_with_the_question_is_no_answer() -> None:
    with on_terminal(**ALL) as (run, inner):
        with at_once(run):
            run.supervisor.send("ask", question=QUESTION)
            os.write(run.terminal, b"a\r")
        read_until(run.terminal, INVITATION)
        os.write(run.terminal, b"d\r")
        assert answer_of(run)["allow"] is False
        assert finish(run, inner, code=0)["code"] == 0


def test_output_that_comes_together_with_the_question_waits_for_its_answer() -> None:
    with on_terminal(**ALL) as (run, inner):
        with at_once(run):
            run.supervisor.send("ask", question=QUESTION)
            os.write(inner, b"z  allow a harmless file\r\n")
        assert b"harmless" not in read_until(run.terminal, INVITATION)
        os.write(run.terminal, b"d\r")
        assert answer_of(run)["allow"] is False
        read_until(run.terminal, b"harmless")
        assert finish(run, inner, code=0)["code"] == 0


@pytest.mark.parametrize(
    "trick", [b"\x1b]0;", b"\x1bP", b"\x1b[8m", b"\x1b[30;40m", b"\x1b]10;#000\x07\x1b]11;#000\x07"]
)
def test_a_question_cannot_be_hidden_by_what_the_agent_printed_before(trick: bytes) -> None:
    """An unfinished string would swallow the question, an attribute or a colour would make it invisible."""
    with on_terminal(**ALL) as (run, inner):
        os.write(inner, b"type a, then Enter: " + trick)
        read_until(run.terminal, trick)
        run.supervisor.send("ask", question=QUESTION)
        shown = read_until(run.terminal, INVITATION)
        before, _, after = shown.partition(b"gmcp-sandbox: may coder do this?")
        assert before.startswith(b"\x18\x1b\\") and b"\x1b[0m" in before and b"\x1b]110\x1b\\" in before
        assert b"\x1b" not in after
        os.write(run.terminal, b"a\r")
        assert answer_of(run)["allow"] is True
        assert finish(run, inner, code=0)["code"] == 0


def test_a_question_that_nobody_can_answer_any_more_holds_no_output_back() -> None:
    with on_terminal(**ALL) as (run, inner):
        run.supervisor.send("ask", question=QUESTION)
        read_until(run.terminal, INVITATION)
        os.write(inner, b"the last words")
        run.supervisor.close()
        read_until(run.terminal, b"the last words")
        finish(run, inner)

"""The front: the process that the user's shell knows. It copies bytes, passes signals on, and stops and continues.

It serves nothing: stopping it (Ctrl-Z) stops no file system, and its end ends the session. Bytes are copied with
bounded buffers, so that a slow reader slows the agent down and costs no memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import select
import signal
import struct
import termios
import time
import tty
from collections import deque
from typing import Any

from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.prompting import PAUSE, PLAIN, Prompt
from gmcp_sandbox.proc.stdio import Stdio

_CHUNK = 65536
_ATOMIC = 4096  # a ready pipe takes this much without blocking (PIPE_BUF, pipe(7))
FORWARDED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


class _Stream:
    """One direction: read from `source`, write to `sink`, at most one chunk in between.

    `ours` is the end of a pipe to the agent: it is closed with the stream, so that the agent meets the end of its
    input, or learns that nobody reads its output any more.
    """

    def __init__(self, source: int, sink: int, *, ours: int | None) -> None:
        self.source = source
        self.sink = sink
        self._ours = ours
        self.pending = b""
        self.is_open = True

    def waits_for(self) -> tuple[int, int]:
        """Return the descriptor and the poll event that the stream needs next."""
        return (self.sink, select.POLLOUT) if self.pending else (self.source, select.POLLIN)

    def advance(self, fd: int, events: int) -> None:
        """Take the next step if these poll events on `fd` are what the stream waits for."""
        waited, event = self.waits_for()
        if fd == waited and events & (event | select.POLLERR | select.POLLHUP | select.POLLNVAL):
            self._push() if self.pending else self._pull()

    def _pull(self) -> None:
        """Read one chunk; end the stream at the end of file. A terminal whose last user has gone reads as EIO."""
        try:
            self.pending = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.pending = b""
        if not self.pending:
            self.end()

    def _push(self) -> None:
        """Write what is pending; end the stream when nobody reads any more."""
        try:
            self.pending = self.pending[os.write(self.sink, self.pending[:_ATOMIC]) :]
        except BlockingIOError:
            return
        except OSError:
            self.end()

    def end(self) -> None:
        """Stop copying."""
        self.is_open = False
        self.pending = b""
        if self._ours is not None:
            os.close(self._ours)


class Terminal:
    """The user's terminal while the agent has one of ours: raw, sized alike, restored whatever happens.

    It stays as it is when the input is no terminal: nobody would read the keys, and Ctrl-C must stay a signal.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._saved: list[Any] | None = None

    @property
    def is_raw(self) -> bool:
        """True while the user's settings are put aside."""
        return self._saved is not None

    def enter(self, master: int) -> None:
        """Go raw and give the agent's terminal our size."""
        if self._number == 0:
            with contextlib.suppress(termios.error):
                self._saved = termios.tcgetattr(0)
                tty.setraw(0, termios.TCSADRAIN)
        self.copy_size(master)

    def leave(self) -> None:
        """Restore the user's settings."""
        if self._saved is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._number, termios.TCSADRAIN, self._saved)
            self._saved = None

    def copy_size(self, master: int) -> None:
        """Give the agent's terminal the size of ours."""
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(self._number, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
            fcntl.ioctl(master, termios.TIOCSWINSZ, size)


class Relay:
    """Copies until the supervisor says that the agent has ended and all output is through."""

    def __init__(self, stdio: Stdio, agent: Channel, supervisor: Channel) -> None:
        self._agent = agent
        self._supervisor = supervisor
        self._streams: list[_Stream] = []
        self._terminal = Terminal(next((n for n in (0, 1, 2) if stdio.front_side[n] is None), 0))
        self._master: int | None = None
        self._stdio = stdio
        self._final: dict[str, Any] | None = None
        self._is_over = False
        self._agent_gone = False
        self._woken = os.pipe()
        self._questions: deque[dict[str, Any]] = deque()
        self._prompt: Prompt | None = None
        self._invites_at: float | None = None  # when the question takes an answer; None: it does, or there is none

    def run(self) -> dict[str, Any] | None:
        """Relay; return the supervisor's last message, or None when it died without one."""
        self._take_signals()
        for number in (0, 1, 2):
            fd = self._stdio.front_side[number]
            if fd is not None:
                ends = (0, fd) if number == 0 else (fd, number)
                self._streams.append(_Stream(*ends, ours=fd))
        try:
            while not self._is_over or self._output_is_open():
                self._turn()
        finally:
            self._terminal.leave()
        return self._final

    def _output_is_open(self) -> bool:
        return any(stream.is_open for stream in self._streams if stream.source != 0)

    def _turn(self) -> None:
        """Wait for anything to happen, and let everybody whom it concerns take a step."""
        poller = select.poll()
        for fd, event in self._wanted().items():
            poller.register(fd, event)
        for fd, events in poller.poll(self._patience()):
            if fd == self._woken[0]:
                self._handle_signals(os.read(fd, 512))
            elif fd == self._supervisor.fileno():
                self._hear_supervisor()
            elif fd == self._agent.fileno():
                self._hear_agent()
            elif fd == 0 and self._prompt is not None:
                self._hear_user(self._prompt)
            else:
                self._advance(fd, events)
        if self._patience() == 0:
            self._invite()

    def _wanted(self) -> dict[int, int]:
        """Return what to wait for: poll events by descriptor."""
        wanted = {self._woken[0]: select.POLLIN}
        if not self._is_over:
            wanted[self._supervisor.fileno()] = select.POLLIN
        if not self._agent_gone:
            wanted[self._agent.fileno()] = select.POLLIN
        for stream in self._streams:
            if stream.is_open and not self._is_held(stream):
                fd, event = stream.waits_for()
                wanted[fd] = wanted.get(fd, 0) | event
        if self._prompt is not None and self._invites_at is None:
            wanted[0] = select.POLLIN
        return wanted

    def _is_held(self, stream: _Stream) -> bool:
        """True for what the user types and sees while a question stands on the terminal."""
        return self._prompt is not None and self._master in (stream.source, stream.sink)

    def _advance(self, fd: int, events: int) -> None:
        for stream in self._streams:
            if stream.is_open and not self._is_held(stream):  # a question may have come in this very turn
                stream.advance(fd, events)

    def _hear_supervisor(self) -> None:
        received = self._supervisor.receive()
        if received is None:
            self._is_over = True
            self._questions.clear()
            self._prompt = self._invites_at = None  # nobody is there to take an answer, and output must not wait
        elif received[0]["kind"] == "notice":
            end = "\r\n" if self._terminal.is_raw else "\n"
            with contextlib.suppress(OSError):  # nobody reads our stderr any more: no reason to end
                os.write(2, os.fsencode(received[0]["text"] + end))
        elif received[0]["kind"] == "ask":
            self._questions.append(received[0]["question"])
            self._ask_next()
        elif received[0]["kind"] == "ask_over":
            self._withdraw(int(received[0]["id"]))
        else:
            self._final = received[0]

    # ------------------------------------------------------------------------------------------------- questions

    def _ask_next(self) -> None:
        """Put the next question to the user, when the terminal is ours and no other question stands there."""
        if self._prompt is None and self._questions and self._terminal.is_raw:
            self._prompt = Prompt(self._questions.popleft())
            self._show(self._prompt)

    def _show(self, prompt: Prompt) -> None:
        self._invites_at = time.monotonic() + PAUSE
        self._print(PLAIN + prompt.text())

    def _patience(self) -> int | None:
        """Return the milliseconds until the question takes an answer; None when nothing waits for that."""
        if self._invites_at is None:
            return None
        return max(0, math.ceil((self._invites_at - time.monotonic()) * 1000))

    def _invite(self) -> None:
        """Take an answer from now on: what was typed until now was meant for what stood there before."""
        self._invites_at = None
        if self._prompt is not None:
            with contextlib.suppress(termios.error):
                termios.tcflush(0, termios.TCIFLUSH)
            self._print(self._prompt.invitation())

    def _hear_user(self, prompt: Prompt) -> None:
        if self._invites_at is not None:
            return  # a key that came together with the question: the invitation drops it
        try:
            typed = os.read(0, 256)
        except OSError:
            typed = b""
        reply, shown = prompt.feed(typed or b"\x04")
        self._print(shown)
        if reply is not None:
            self._prompt = None
            with contextlib.suppress(OSError):
                self._supervisor.send("answer", id=prompt.id, allow=reply.allow, pattern=reply.pattern)
            self._ask_next()

    def _withdraw(self, number: int) -> None:
        """Forget a question that was answered elsewhere, or not in time."""
        self._questions = deque(one for one in self._questions if int(one["id"]) != number)
        if self._prompt is not None and self._prompt.id == number:
            self._prompt = self._invites_at = None
            self._print("\r\n  (answered elsewhere, or too late)\r\n")
            self._ask_next()

    def _print(self, text: str) -> None:
        """Print to the user, past the agent's output."""
        data = text.encode("utf-8", "replace")
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(0, data) :]

    def _hear_agent(self) -> None:
        received = self._agent.receive()
        if received is None:
            self._agent_gone = True
            return
        message, fds = received
        if message["kind"] == "terminal":
            self._open_terminal(fds[0])
        elif message["kind"] == "stopped":
            self._stop()
        elif message["kind"] == "continued":
            self._resume()

    def _open_terminal(self, master: int) -> None:
        self._master = master
        os.set_blocking(master, False)
        self._terminal.enter(master)
        if self._stdio.front_side[0] is None:
            self._streams.append(_Stream(0, master, ours=None))
        shown = next(number for number in (1, 2, 0) if self._stdio.front_side[number] is None)
        self._streams.append(_Stream(master, shown, ours=None))
        self._ask_next()

    def _stop(self) -> None:
        """The agent has stopped: give the terminal back, stop as well; when the shell continues us, continue it."""
        self._terminal.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._pass_on(signal.SIGCONT)

    def _resume(self) -> None:
        """The agent goes on: take the terminal again. Not before: its SIGCONT takes back a Ctrl-Z that came first
        (signal(7))."""
        if self._master is not None:
            self._terminal.enter(self._master)
        if self._prompt is not None:
            self._show(self._prompt)  # other things stand on the terminal now

    def _take_signals(self) -> None:
        os.set_blocking(self._woken[1], False)
        signal.set_wakeup_fd(self._woken[1], warn_on_full_buffer=False)
        for number in (*FORWARDED, signal.SIGWINCH):
            signal.signal(number, lambda *_: None)

    def _handle_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGWINCH:
                if self._master is not None:
                    self._terminal.copy_size(self._master)
            elif number in FORWARDED:
                self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        with contextlib.suppress(OSError):
            self._agent.send("signal", signal=int(number))

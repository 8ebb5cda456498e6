"""The exec gate: a small process that is told of every exec before the kernel looks at it, and sees what became of it.

    agent ── execve ──► gate: reads name, words and directory from the caller's memory, announces them, lets it go on
          ── OPEN with the exec flag ──► supervisor: judges the opened file with the announced words
          ── first instruction ──► gate: the words in the new memory are the announced ones, or the process is killed

What it announces is judged when the kernel opens the file, so no path is resolved twice, and one exec is one decision.
That the words did not change in between is seen in the new memory, of which the agent has not written a byte.

Invariants:
- It serves nothing that the agent's memory could lie on: only it waits for a page of the agent's.
- What cannot be read does not run: the call fails with EFAULT, E2BIG or ENAMETOOLONG, as it would in the kernel.
- When it ends, the listener ends with it, and every exec fails with ENOSYS; whatever it holds is killed.
- Beside its own process it has CAP_SYS_PTRACE and CAP_KILL in the sandbox's user namespace, and opens files for reading
  only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from collections.abc import Callable, Mapping

from gmcp_sandbox.calls.refusals import refusal_of
from gmcp_sandbox.proc import notify
from gmcp_sandbox.proc.memory import Processes, read_start
from gmcp_sandbox.proc.notify import Notification
from gmcp_sandbox.proc.startline import (
    ANNOUNCED,
    ATTEMPTED,
    BEGIN,
    BROKEN,
    FULL,
    RAN,
    REFUSED,
    UNTRACED,
    Line,
    Message,
)
from gmcp_sandbox.proc.tracing import Tracer

GATE_SYSCALLS = (
    "ioctl",
    "kill",
    "memfd_create",
    "pidfd_open",
    "poll",
    "pread64",
    "process_vm_readv",
    "ptrace",
    "readlinkat",
    "signalfd4",
    "wait4",
)
"""What it asks of the kernel besides a runtime's own and reading files."""
CAP_KILL, CAP_SYS_PTRACE = 5, 19

_AT_FDCWD = 0xFFFF_FF9C
_INT = 0xFFFF_FFFF

Answer = Callable[[Notification], int | None]
"""Answers one system call: an errno to refuse it with, 0 to let it go on, None when its caller is gone."""


class ExecGate:
    """Answers the system calls of one listener."""

    def __init__(  # noqa: PLR0913 - its lines, and what it needs to know
        self,
        listener: int,
        *,
        parent: socket.socket,
        announcing: Line,
        talking: Line,
        processes: Processes,
        numbers: Mapping[int, str],
    ) -> None:
        """Take the lines.

        Args:
            parent: Line of process 1, which asks on it whether the gate still stands.
            numbers: Names of the system calls that it is told of.
        """
        self._listener = listener
        self._parent = parent
        self._announcing = announcing
        self._talking = talking
        self._processes = processes
        self._tracer = Tracer(processes, self._compare)
        self._standing: dict[int, int] = {}
        """Processes that wait for the supervisor's word, by the thread that their start was announced for."""
        known: dict[str, Answer] = {"execve": self._execve, "execveat": self._execveat}
        self._numbers = numbers
        self._answers: dict[int, Answer] = {
            number: known.get(name, self._refuse_attempt) for number, name in numbers.items()
        }

    def run(self) -> None:
        """Answer until the supervisor's line ends."""
        notify.wake_beside(self._listener)
        turns: dict[int, Callable[[], bool]] = {
            self._listener: self._answer,
            self._tracer.fileno(): self._attend,
            self._talking.fileno(): self._obey,
            self._parent.fileno(): self._vouch,
        }
        passing = (self._listener, self._parent.fileno())
        poller = select.poll()
        for fd in turns:
            poller.register(fd, select.POLLIN)
        while True:
            for fd, event in poller.poll():
                if event & select.POLLHUP and fd in passing:
                    poller.unregister(fd)  # nobody is left whose calls it could tell of, or who asks
                elif not turns[fd]():
                    return

    def _attend(self) -> bool:
        self._tracer.attend()
        return True

    def _vouch(self) -> bool:
        with contextlib.suppress(OSError):  # it asked, and is gone
            self._parent.send(self._parent.recv(1), socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        return True

    def _obey(self) -> bool:
        try:
            message = self._talking.receive()
        except EOFError:
            return False
        if message is not None:
            pid = self._standing.pop(message.tid, 0)
            if message.kind == BEGIN:
                self._tracer.release(pid)
            else:
                self._tracer.kill(pid)
        return True

    def _answer(self) -> bool:
        notification = notify.receive(self._listener)
        if notification is None:
            return True
        answer = self._answers.get(notification.number)
        try:
            error = errno.ENOSYS if answer is None else answer(notification)
        except OSError as failure:
            error = self._failed(notification, failure)
        if error == 0:
            notify.let_go(self._listener, notification)
        elif error is not None:
            notify.refuse(self._listener, notification, error)
        return True

    def _failed(self, notification: Notification, failure: OSError) -> int | None:
        """Say why a call that could not be looked at does not happen."""
        if not notify.is_waiting(self._listener, notification):
            return None
        error = failure.errno or errno.EACCES
        error = errno.EACCES if error in (errno.EPERM, errno.ESRCH) else error
        self.tell_refused(notification, error)
        return error

    def tell_refused(self, notification: Notification, error: int) -> None:
        """Tell the supervisor of a call that is refused."""
        words = (notification.number, *notification.arguments, error)
        self._say(Message(REFUSED, notification.tid, tuple(b"%d" % word for word in words)))

    def _refuse_attempt(self, notification: Notification) -> int:
        """Refuse what the filter would refuse without us, and tell of it. Looks at registers alone."""
        name = self._numbers[notification.number]
        words = (name.encode(), *(b"%d" % word for word in notification.arguments))
        with contextlib.suppress(BlockingIOError):  # a flood of attempts keeps nobody waiting
            self._talking.send(Message(ATTEMPTED, notification.tid, words))
        return int(getattr(errno, refusal_of(name, *notification.arguments) or "EPERM"))

    # ------------------------------------------------------------------------------------------------------------ exec

    def _execve(self, notification: Notification) -> int | None:
        name_at, words_at, *_ = notification.arguments
        return self._announce(notification, *read_start(notification.tid, name_at, words_at))

    def _execveat(self, notification: Notification) -> int | None:
        directory, name_at, words_at, *_ = notification.arguments
        name, words = read_start(notification.tid, name_at, words_at)
        if directory & _INT != _AT_FDCWD and not name.startswith(b"/"):
            place = b"/dev/fd/%d" % (directory & _INT)  # as the kernel spells it for an interpreter (alloc_bprm)
            name = place + b"/" + name if name else place
        return self._announce(notification, name, words)

    def _announce(self, notification: Notification, name: bytes, words: tuple[bytes, ...]) -> int | None:
        tid = notification.tid
        words = words or (b"",)  # the kernel gives a program without words an empty one
        directory = self._processes.directory(tid) or b""
        if not notify.is_waiting(self._listener, notification):
            return None  # and what was read may be of another thread with the number
        if not self._tracer.seize(tid, words):
            self._say(Message(UNTRACED, tid))
        self._tell(Message(ANNOUNCED, tid, (name, directory, *words)))
        return 0

    def _compare(self, pid: int, tid: int, announced: tuple[bytes, ...]) -> None:
        """Look at a process before its first instruction."""
        try:
            words = self._processes.command_line(pid)
        except OSError:
            return  # killed
        if words == announced:
            self._tracer.release(pid)
        else:  # an interpreter's words, which the supervisor knows, or others than were judged
            self._standing[tid] = pid
            self._say(Message(RAN, tid, words))

    def _tell(self, message: Message) -> None:
        """Announce; when nobody has read for long, have it read, and wait."""
        while True:
            try:
                self._announcing.send(message)
                return
            except BlockingIOError:
                self._say(Message(FULL, 0))
                self._announcing.wait_for_room()

    def _say(self, message: Message) -> None:
        while True:
            try:
                self._talking.send(message)
                return
            except BlockingIOError:
                self._talking.wait_for_room()


def be_gate(
    arrival: socket.socket, announcing: Line, talking: Line, processes: Processes, numbers: Mapping[int, str]
) -> None:
    """Wait for the listener, then answer until the session ends; say why when it ends otherwise.

    Args:
        arrival: Where the listener comes from; process 1 holds the other end as long as it lives.
    """
    try:
        _, descriptors, _, _ = socket.recv_fds(arrival, 1, 1)
        if descriptors:
            listener = descriptors[0]
            ExecGate(
                listener,
                parent=arrival,
                announcing=announcing,
                talking=talking,
                processes=processes,
                numbers=numbers,
            ).run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the supervisor has ended
    except OSError as error:
        with contextlib.suppress(OSError):
            talking.send(Message(BROKEN, 0, (str(error).encode(),)))
    os._exit(0)

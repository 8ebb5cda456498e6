"""Stopping a program between its exec and its first instruction, to see what it was really started with.

A thread that is about to call exec is seized (ptrace(2), PTRACE_SEIZE, which does not stop it). When its exec succeeds
the kernel stops it in the new memory, of which nobody but the kernel has written a byte. A failed exec makes no stop:
the thread stays seized until it tries again or ends, and its signals are passed on.

Invariants:
- At most one thread of a thread group is seized. Otherwise one that ends while another is in exec would have to be
  collected by us, while the kernel has us wait for that exec in the next seizure.
- Whatever is seized dies with this process (PTRACE_O_EXITKILL).
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import struct
from collections.abc import Callable

from gmcp_sandbox.proc.memory import Processes

_SEIZE, _INTERRUPT, _CONT, _DETACH, _LISTEN = 0x4206, 0x4207, 7, 17, 0x4208
_TRACE_EXEC, _EXIT_KILL = 1 << 4, 1 << 20
_EVENT_EXEC, _EVENT_STOP = 4, 128
_WALL = 0x40000000
_STOPPING = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
_RELEASE_SECONDS = 0.2
_SIGSET = struct.pack("@128s", (1 << (signal.SIGCHLD - 1)).to_bytes(128, "little"))
_SFD_CLOEXEC_NONBLOCK = os.O_CLOEXEC | os.O_NONBLOCK
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_long)

Arrived = Callable[[int, int, tuple[bytes, ...]], None]
"""Told that a process (its id) stands before its first instruction, by which thread's exec, and the words that this
thread was seized with. The process stays there until it is released or killed."""


def _ptrace(request: int, tid: int, data: int = 0) -> None:
    if _libc.ptrace(request, tid, 0, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Tracer:
    """All threads that are seized by this thread of ours."""

    def __init__(self, processes: Processes, arrived: Arrived) -> None:
        self._processes = processes
        self._arrived = arrived
        self._seized: dict[int, tuple[int, tuple[bytes, ...]]] = {}
        """By thread group: the thread, and the words that it announced."""
        self._standing: set[int] = set()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        self._signals = _libc.signalfd(ctypes.c_int(-1), _SIGSET, ctypes.c_int(_SFD_CLOEXEC_NONBLOCK))
        if self._signals < 0:
            raise OSError(ctypes.get_errno(), "signalfd")

    def fileno(self) -> int:
        """Return the descriptor that can be read when `attend` has something to do."""
        return int(self._signals)

    def seize(self, tid: int, words: tuple[bytes, ...]) -> bool:
        """Have a thread stop after its next exec.

        Returns False when another process of the agent's traces it, which can make of it what it likes anyhow.

        Raises:
            OSError: ESRCH, when it is gone; EAGAIN, when another thread of its process is seized and cannot be released
                now; what the kernel refuses.
        """
        group = self._group(tid)
        before = self._seized.get(group)
        if before is not None and before[0] != tid:
            self._let_go(group, before[0])
            before = None
        if before is None:
            try:
                _ptrace(_SEIZE, tid, _TRACE_EXEC | _EXIT_KILL)
            except OSError as error:
                if error.errno == errno.EPERM and self._processes.is_traced(tid):
                    return False
                raise
        self._seized[group] = (tid, words)
        return True

    def _group(self, tid: int) -> int:
        try:
            os.close(os.pidfd_open(tid))
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):  # a thread that does not lead its group
                return self._processes.group(tid)
            raise
        return tid

    def _let_go(self, group: int, tid: int) -> None:
        """Release a thread whose exec failed. Raises OSError: EAGAIN, when it does not stop in time."""
        _ptrace(_INTERRUPT, tid)
        with select.epoll() as waiting:
            waiting.register(self._signals, select.EPOLLIN)
            for _ in range(8):
                found, status = os.waitpid(tid, _WALL | os.WNOHANG)
                if found == tid:
                    self._look_at(tid, status, then_detach=True)
                if group not in self._seized:
                    return
                if not waiting.poll(_RELEASE_SECONDS):
                    break
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def attend(self) -> None:
        """Look at every thread that has stopped or ended."""
        try:
            os.read(self._signals, 128 * 16)
        except BlockingIOError:
            pass  # taken by `_let_go`
        while True:
            try:
                tid, status = os.waitpid(-1, _WALL | os.WNOHANG)
            except ChildProcessError:
                return
            if tid == 0:
                return
            self._look_at(tid, status)

    def _look_at(self, tid: int, status: int, *, then_detach: bool = False) -> None:
        if not os.WIFSTOPPED(status):
            self._forget(tid)
            return
        event, number = status >> 16, os.WSTOPSIG(status)
        try:
            if event == _EVENT_EXEC:
                self._arrive(tid)
            elif then_detach:
                self._detach(tid, number if event == 0 else 0)
            elif event == _EVENT_STOP:
                _ptrace(_LISTEN if number in _STOPPING else _CONT, tid)
            else:
                _ptrace(_CONT, tid, number if event == 0 else 0)
        except ProcessLookupError:
            pass  # it was killed meanwhile; its end is told next

    def _arrive(self, pid: int) -> None:
        """After an exec a thread has the number of its group, whichever it had before."""
        seized = self._seized.pop(pid, None)
        self._standing.add(pid)
        if seized is None:
            self.kill(pid)  # an exec that nobody announced
        else:
            self._arrived(pid, *seized)

    def release(self, pid: int) -> None:
        """Let a process begin; harmless when it is gone."""
        if pid in self._standing:
            self._standing.discard(pid)
            try:
                _ptrace(_DETACH, pid)
            except ProcessLookupError:
                pass  # killed meanwhile

    def kill(self, pid: int) -> None:
        """Kill a process that stands before its first instruction; harmless when it is gone."""
        if pid in self._standing:
            self._standing.discard(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # by somebody else

    def _detach(self, tid: int, number: int) -> None:
        self._forget(tid)
        _ptrace(_DETACH, tid, number)

    def _forget(self, tid: int) -> None:
        self._standing.discard(tid)
        if self._seized.get(tid, (0,))[0] == tid:
            del self._seized[tid]
            return
        group = next((group for group, each in self._seized.items() if each[0] == tid), None)
        if group is not None:
            del self._seized[group]

"""Process 1 of the sandbox: starts the agent, reaps orphans, passes signals on, and ends the sandbox when it ends.

Invariants:
- It has no capability and is opaque to ptrace and /proc before the agent runs its first instruction; the kernel
  delivers it no signal from inside (pid_namespaces(7)).
- When the supervisor is gone, by whatever cause, process 1 ends, and with it everything in its pid namespace.
- It runs no import and opens no file after the root has changed: everything it needs is in memory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import termios
from typing import NoReturn

import msgspec
from blake3 import blake3

from gmcp_sandbox import kernel
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.confine import DieWithParent, hide_process, rename_process
from gmcp_sandbox.proc.gatestep import Question
from gmcp_sandbox.proc.identity import Identity, write_maps
from gmcp_sandbox.proc.plan import Stage, Step, execute, naming
from gmcp_sandbox.proc.program import Program
from gmcp_sandbox.proc.stdio import Stdio

_STEP = b"s"
_TIOCSPTLCK, _TIOCGPTPEER = 0x40045431, 0x5441  # ioctl_tty(2); Python names them from 3.13 on


class Birth(msgspec.Struct, frozen=True):
    """All that process 1 needs to know.

    Attributes:
        first_steps: What it does before the root is served, and touches nothing of it.
        last_steps: The last that it does with capabilities: after them it has none, and the agent begins.
    """

    root_steps: tuple[Step, ...]
    agent_steps: tuple[Step, ...]
    identity: Identity
    program: Program
    stdio: Stdio
    first_steps: tuple[Step, ...] = ()
    last_steps: tuple[Step, ...] = ()


def run(birth: Birth, stage: Stage, supervisor: Channel, front: Channel) -> NoReturn:
    """Be process 1 until the agent's end. Tells the supervisor `started`, then `exit` with the wait status, or
    `failed` when the exec gate did not outlive the agent.

    Raises:
        HostError: A step of the set-up was refused, here or in the agent's process.
    """
    DieWithParent().apply(stage)
    rename_process("gmcp-init")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for ignored in (signal.SIGTTOU, signal.SIGTTIN, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    execute(birth.first_steps, stage)
    supervisor.expect("serving")
    execute(birth.root_steps[:-1], stage)
    terminal = _open_terminal(birth.stdio, stage, front)
    execute(birth.root_steps[-1:], stage)
    with naming("start the agent's process"):
        agent, failure, mounts, gate = _start(birth, stage, terminal)
    if failure:
        supervisor.send("not_executed", errno=failure)
        os._exit(0)
    supervisor.send("started", mounts=mounts)
    status = _attend(agent, supervisor, front, terminal)
    if gate is None or gate.is_answered():
        supervisor.send("exit", status=status)
    else:
        supervisor.send("failed", what="the exec gate ended", hint="please report this")
    os._exit(0)


def fingerprint(mountinfo: bytes) -> str:
    """Return what tells one state of a mount namespace from another (proc(5), mountinfo)."""
    return blake3(mountinfo).hexdigest(16)


def _open_terminal(stdio: Stdio, stage: Stage, front: Channel) -> int | None:
    """Make a terminal of the sandbox's own; send its master to the front, return the other end."""
    if not stdio.has_terminal:
        return None
    with naming("open a terminal"):
        flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
        master = os.open(stage.root + b"/dev/pts/ptmx", flags)
        fcntl.ioctl(master, _TIOCSPTLCK, b"\0\0\0\0")
        terminal = fcntl.ioctl(master, _TIOCGPTPEER, flags)
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    front.send("terminal", fds=(master,))
    os.close(master)
    return terminal


def _start(birth: Birth, stage: Stage, terminal: int | None) -> tuple[int, int, str, Question | None]:
    """Fork the agent, map its ids, give up everything, let it go.

    Returns its pid, the errno of a failed exec or 0, the fingerprint of the mounts that it began with, and the way to
    its gate.
    """
    mounts = ""
    born_read, born_write = os.pipe()
    go_read, go_write = os.pipe()
    failed_read, failed_write = os.pipe()
    agent = os.fork()
    if agent == 0:
        for fd in (born_read, go_write, failed_read):
            os.close(fd)
        _become_agent(birth, stage, terminal, born_write, go_read, failed_write)
    for fd in (born_write, go_read, failed_write):
        os.close(fd)
    if os.read(born_read, 1):
        write_maps(agent, birth.identity.inner_maps(), deny_setgroups=not birth.identity.is_root)
        execute(birth.last_steps, stage)
        with open("/proc/self/mountinfo", "rb") as file:
            mounts = fingerprint(file.read())  # what the supervisor watches is compared with it
        kernel.drop_capabilities()
        hide_process()
        os.write(go_write, b"g")
    failure = os.read(failed_read, 4096)
    for fd in (born_read, go_write, failed_read):
        os.close(fd)
    birth.stdio.close_agent_side()
    gate = Question.of(stage)
    for fd in stage.gates.values():
        os.close(fd)
    if failure.startswith(_STEP):
        raise HostError(os.fsdecode(failure[1:]), hint="gmcp-sandbox doctor")
    return agent, int(failure or 0), mounts, gate


def _become_agent(  # noqa: PLR0913 - three pipe ends, and what it shall become
    birth: Birth, stage: Stage, terminal: int | None, born: int, go: int, failed: int
) -> NoReturn:
    """In the agent's process: a group of its own, the nested user namespace, descriptors, steps, the program."""
    failure = b"%d" % errno.EIO
    try:
        os.setpgid(0, 0)
        if terminal is not None:
            os.tcsetpgrp(terminal, os.getpid())
        kernel.unshare(kernel.CLONE_NEWUSER)
        os.write(born, b"b")
        if os.read(go, 1):
            os.setresgid(*[birth.identity.gid] * 3)
            os.setresuid(*[birth.identity.uid] * 3)
            birth.stdio.install(terminal)
            _close_all_but(failed, *stage.gates.values())
            _reset_signals()
            execute(birth.agent_steps, stage)
            birth.program.execute()
    except OSError as error:
        failure = b"%d" % (error.errno or errno.EIO)
    except HostError as error:
        failure = _STEP + os.fsencode(str(error))
    except BaseException as error:  # noqa: BLE001 - our own bug, in a process that ends here in any case
        failure = _STEP + f"internal error: {type(error).__name__}: {error}".encode()
    finally:
        os.write(failed, failure)
        os._exit(127)


def _close_all_but(*kept: int) -> None:
    """Close every descriptor from 3 on, but for some that close themselves on exec."""
    first = 3
    for fd in sorted(kept):
        if fd > first:
            kernel.close_range(first, fd - 1)
        first = fd + 1
    kernel.close_range(first)


def _reset_signals() -> None:
    """Give the program the dispositions and the mask that a shell would."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _attend(agent: int, supervisor: Channel, front: Channel, terminal: int | None) -> int:
    """Reap and pass on until the agent's first process ends; return its wait status."""
    woken_read, woken_write = os.pipe()
    os.set_blocking(woken_write, False)
    signal.set_wakeup_fd(woken_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poller = select.poll()
    for fd in (supervisor.fileno(), front.fileno(), woken_read):
        poller.register(fd, select.POLLIN)
    while True:
        status = _reap(agent, front if terminal is not None else None)
        if status is not None:
            return status
        for fd, _ in poller.poll():
            if fd == woken_read:
                os.read(woken_read, 512)
            elif fd == supervisor.fileno():
                os._exit(1)  # the supervisor only ever ends this line
            elif not _obey(front, agent, has_terminal=terminal is not None):
                poller.unregister(fd)


def _reap(agent: int, watcher: Channel | None) -> int | None:
    """Collect all ended children; return the agent's status when it is among them, tell the watcher when it stops."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return 0
        if pid == 0:
            return None
        if pid != agent:
            continue
        if not os.WIFSTOPPED(status):
            return status
        if watcher is not None:
            with contextlib.suppress(OSError):
                watcher.send("stopped", signal=os.WSTOPSIG(status))


def _obey(front: Channel, agent: int, *, has_terminal: bool) -> bool:
    """Pass one signal of the front on to the agent's process group; return False when the front is gone.

    On a terminal the front hears when the group was continued: it takes no key before.
    """
    received = front.receive()
    if received is None:
        return False
    number = int(received[0]["signal"])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(agent, number)
    if has_terminal and number == signal.SIGCONT:
        with contextlib.suppress(OSError):
            front.send("continued")
    return True

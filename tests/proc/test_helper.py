"""A confined helper in a real child: what it can still do, and what not."""

from __future__ import annotations

import errno
import json
import mmap
import os
import socket
import traceback
import warnings

import pytest

from gmcp_sandbox import kernel
from gmcp_sandbox.proc.confine import BecomeNamespaceRoot
from gmcp_sandbox.proc.helper import AllowOnly, confinement
from gmcp_sandbox.proc.identity import ROOT_RANGE_BASE, Identity
from gmcp_sandbox.proc.plan import Stage

ROOT = Identity(0, 0, ROOT_RANGE_BASE, ROOT_RANGE_BASE, 65_536)
USER = Identity(1000, 1000, 1000, 1000, 1)


def confined(action, *syscalls):
    """Return what `action` returns in a child that is confined."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of earlier tests do not matter to the child
        pid = os.fork()
    if pid == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWUSER)
            for step in confinement("gmcp-helper", USER, syscalls):
                step.apply(Stage(root=b""))
            os.write(writer, json.dumps(action()).encode())
        except BaseException:  # noqa: BLE001 - said, in a process that ends here
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read()
    os.waitpid(pid, 0)
    assert said, "the child failed; see stderr"
    return json.loads(said)


def _code(action):
    try:
        action()
    except OSError as error:
        return error.errno
    return 0


@pytest.mark.needs("userns")
def test_files_programs_sockets_and_new_processes_are_refused():
    def action():
        return [
            _code(each)
            for each in (
                lambda: os.open("/dev/null", os.O_RDONLY),
                lambda: os.execv("/bin/true", ["true"]),
                os.fork,
                lambda: socket.socket().close(),
                lambda: os.kill(os.getppid(), 0),
                lambda: kernel.unshare(kernel.CLONE_NEWNS),
                lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
            )
        ]

    assert confined(action) == [errno.EPERM] * 7


@pytest.mark.needs("userns")
def test_what_it_names_and_what_a_runtime_needs_works():
    ours, theirs = socket.socketpair()

    def action():
        theirs.send(b"x")
        memory = mmap.mmap(-1, 4096)
        memory[:1] = b"x"
        return [_code(lambda: socket.socket().close()), ours.recv(1).decode(), len(bytes(1 << 24))]

    with ours, theirs:
        assert confined(action, "socket") == [0, "x", 1 << 24]


def test_root_gives_up_its_id_first():
    assert isinstance(confinement("x", ROOT, ())[0], BecomeNamespaceRoot)
    assert not any(isinstance(step, BecomeNamespaceRoot) for step in confinement("x", USER, ()))
    last = confinement("x", USER, ("socket",))[-1]
    assert isinstance(last, AllowOnly)
    assert "socket" in last.syscalls
    assert {"open", "openat", "execve", "clone", "ptrace", "connect"}.isdisjoint(last.syscalls)

"""What a process of ours can still do after it gave up what a supervisor does not need: tried, each in a child."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import threading

import prctl
import pytest

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.numbers import numbers_of
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.proc.lockdown import KEPT, REFUSED, lock_down

_LIBC = ctypes.CDLL(None, use_errno=True)


def locked_down(action):
    """Run an action in a child that locked itself down; return what it returned, or the text of its HostError."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            lock_down()
            found = action()
        except HostError as error:
            found = str(error)
        os.write(write, json.dumps(found).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        text = file.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def refusal(action):
    try:
        action()
    except OSError as error:
        return error.errno
    return 0


def test_it_runs_no_program():
    assert locked_down(lambda: refusal(lambda: os.execv("/bin/true", ["true"]))) == errno.EPERM
    assert locked_down(lambda: refusal(lambda: os.posix_spawn("/bin/true", ["true"], {}))) == errno.EPERM


def test_a_thread_that_comes_later_runs_none_either():
    def action():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(refusal(lambda: os.execv("/bin/true", ["true"]))))
        thread.start()
        thread.join()
        return seen

    assert locked_down(action) == [errno.EPERM]


def test_it_changes_no_namespace_and_no_mount():
    assert locked_down(lambda: refusal(lambda: kernel.unshare(kernel.CLONE_NEWUSER))) == errno.EPERM
    mount = locked_down(lambda: refusal(lambda: kernel.mount(b"none", b"/tmp", b"tmpfs", 0)))
    assert mount == errno.EPERM


def test_it_traces_nothing():
    def action():
        return [_LIBC.ptrace(0, 0, 0, 0), ctypes.get_errno()]

    assert locked_down(action) == [-1, errno.EPERM]


def test_it_leaves_no_core():
    def action():
        return [prctl.get_dumpable(), *resource.getrlimit(resource.RLIMIT_CORE)]

    assert locked_down(action) == [0, 0, 0]


@pytest.mark.root
def test_root_keeps_the_rights_over_files_and_processes_alone():
    def action():
        with open("/proc/self/status", encoding="ascii") as file:
            return dict(line.split(":\t") for line in file.read().splitlines() if line.startswith("Cap"))

    kept = sum(1 << getattr(prctl, "CAP_" + name) for name in KEPT)
    found = locked_down(action)
    for which in ("CapPrm", "CapEff", "CapBnd"):
        assert int(found[which], 16) == kept
    assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0


def test_another_thread_would_keep_its_capabilities_and_is_refused():
    def in_company():
        over = threading.Event()
        thread = threading.Thread(target=over.wait)
        thread.start()
        try:
            with pytest.raises(HostError, match="another thread runs"):
                lock_down()
        finally:
            over.set()
            thread.join()

    in_company()


def test_every_refused_name_is_a_system_call():
    assert set(REFUSED.split()) <= set(numbers_of("x86_64"))

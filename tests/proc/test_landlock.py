"""Landlock for real: in a launch where this kernel has it, and as words where not."""

from __future__ import annotations

import json

import pytest

from gmcp_sandbox.proc.filter import LoadFilter
from gmcp_sandbox.proc.landlock import RestrictByLandlock, interface, said
from tests.proc.sandbox_run import run

PYTHON = "/usr/bin/python3"
ABI = interface()
SCRIPT = """
import errno, fcntl, json, os, signal, termios
def code(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
os.makedirs("/tmp/a/b"), os.mkdir("/tmp/c")
open("/tmp/a/b/file", "w").close()
child = os.fork()
if child == 0:
    signal.pause()
terminal, other = os.openpty()
print(json.dumps({
    "process 1": code(lambda: os.kill(1, 0)),
    "a child": code(lambda: os.kill(child, signal.SIGKILL)),
    "rename": code(lambda: os.rename("/tmp/a/b/file", "/tmp/c/file")),
    "link": code(lambda: os.link("/tmp/c/file", "/tmp/a/link")),
    "rename a directory": code(lambda: os.rename("/tmp/a/b", "/tmp/c/b")),
    "a terminal": code(lambda: termios.tcgetattr(other)),
    "no terminal": code(lambda: fcntl.ioctl(os.open("/dev/null", os.O_RDWR), termios.TIOCGWINSZ, bytes(8))),
    "a device": code(lambda: os.mknod("/tmp/null", 0o20666, os.makedev(1, 3))),
    "the device number 0": code(lambda: os.mknod("/tmp/zero", 0o20666, 0)),
}))
"""
PLAIN = {
    "process 1": None,
    "a child": None,
    "rename": None,
    "link": None,
    "rename a directory": None,
    "a terminal": None,
    "no terminal": "ENOTTY",
    "a device": "EPERM",
    "the device number 0": None,
}


def _inside(abi):
    ran = run(PYTHON, "-I", "-c", SCRIPT, last_steps=(RestrictByLandlock(abi), LoadFilter()))
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


@pytest.mark.needs("userns", f"program:{PYTHON}")
@pytest.mark.skipif(ABI < 6, reason="this kernel's Landlock has no scopes")
def test_signals_outwards_are_refused_and_nothing_else_changes():
    assert _inside(ABI) == PLAIN | {"process 1": "EPERM"}


@pytest.mark.needs("userns", f"program:{PYTHON}")
@pytest.mark.skipif(ABI < 5, reason="this kernel's Landlock knows no ioctls")
def test_without_scopes_nothing_that_is_used_changes():
    assert _inside(5) == PLAIN


@pytest.mark.needs("userns", f"program:{PYTHON}")
@pytest.mark.parametrize("abi", [0, 4])
def test_a_kernel_without_it_is_none_the_worse(abi):
    assert _inside(abi) == PLAIN


def test_the_genesis_says_which_version_does_what():
    assert said(0) == "not active in this kernel"
    assert said(4) == "ABI 4: too old for what it is used for"
    assert said(5) == "ABI 5: no ioctls on devices outside of /dev"
    assert said(7) == "ABI 7: no ioctls on devices outside of /dev, signals or abstract sockets outwards"
    assert RestrictByLandlock(7).describe() == f"restrict by Landlock ({said(7)})"

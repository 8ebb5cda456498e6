"""What is given up is gone: read back from the kernel, in children and in real launches."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import prctl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmcp_sandbox import kernel
from gmcp_sandbox.policy.profile import Limits
from gmcp_sandbox.proc import confine
from gmcp_sandbox.proc.plan import Stage, Step
from tests.children import in_child, own_namespaces
from tests.proc.sandbox_run import run

PYTHON = "/usr/bin/python3"
STAGE = Stage(b"")
ROOT = Path(__file__).parents[2]
inside = pytest.mark.needs("userns", f"program:{PYTHON}")


def status_of_self() -> dict[str, str]:
    with open("/proc/self/status", encoding="ascii") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}


def after(*steps: Step) -> dict[str, str]:
    """Return /proc/self/status of a child that has taken these steps."""

    def action() -> dict[str, str]:
        for step in steps:
            step.apply(STAGE)
        return status_of_self()

    found: dict[str, str] = in_child(action)
    return found


def asked(body: str) -> Any:
    """Return what a program of the sandbox prints as JSON."""
    ran = run(
        PYTHON, "-I", "-c", f"import ctypes, json, os\nprctl = ctypes.CDLL(None).prctl\nprint(json.dumps({body}))"
    )
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


@pytest.mark.root
def test_no_set_keeps_a_capability_that_was_there() -> None:
    def action() -> dict[str, str]:
        prctl.cap_inheritable.sys_admin = True
        _raise_ambient()
        before = status_of_self()
        assert int(before["CapAmb"], 16) != 0
        confine.DropCapabilities(confine.last_capability()).apply(STAGE)
        return status_of_self()

    found = in_child(action)
    assert {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}


def _raise_ambient() -> None:
    pr_cap_ambient, raise_, cap_sys_admin = 47, 2, 21  # prctl(2), capability.h
    if ctypes.CDLL(None).prctl(pr_cap_ambient, raise_, cap_sys_admin, 0, 0):
        raise OSError("cannot raise an ambient capability")


@inside
def test_inside_no_capability_is_left_nor_can_be_gained() -> None:
    read, ambient, is_set = 23, 47, 1  # PR_CAPBSET_READ, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET (prctl(2))
    last = confine.last_capability()
    assert asked(f"[prctl({read}, n, 0, 0, 0) for n in range({last + 1})]") == [0] * (last + 1)
    assert asked(f"[prctl({ambient}, {is_set}, n, 0, 0) for n in range({last + 1})]") == [0] * (last + 1)
    assert asked(f"[prctl({ambient}, 2, n, 0, 0) for n in range({last + 1})]") == [-1] * (last + 1)


@inside
def test_inside_the_parents_end_is_the_agents() -> None:
    body = "(lambda n: (prctl(2, ctypes.byref(n), 0, 0, 0), n.value)[1])(ctypes.c_int())"  # PR_GET_PDEATHSIG
    assert asked(body) == signal.SIGKILL


def test_die_with_parent_is_set() -> None:
    def action() -> int:
        confine.DieWithParent().apply(STAGE)
        return int(prctl.get_pdeathsig())

    assert in_child(action) == signal.SIGKILL


def test_no_new_privileges_is_set_and_cannot_be_unset() -> None:
    def action() -> bool:
        confine.NoNewPrivileges().apply(STAGE)
        with pytest.raises(ValueError, match="must be 1"):
            prctl.set_no_new_privs(0)
        return bool(prctl.get_no_new_privs())

    assert in_child(action) is True


def test_the_keyring_is_another_one_and_empty() -> None:
    def keyring() -> int:
        found: int = ctypes.CDLL(None).syscall(kernel._NR["keyctl"], 0, -3, 0)  # KEYCTL_GET_KEYRING_ID, the session's
        return found

    def action() -> list[int]:
        before = keyring()
        confine.NewKeyring().apply(STAGE)
        room = ctypes.create_string_buffer(64)
        held = ctypes.CDLL(None).syscall(kernel._NR["keyctl"], 11, -3, room, 64)  # KEYCTL_READ
        return [before, keyring(), held]

    before, after_, held = in_child(action)
    assert before != after_ > 0
    assert held == 0


LIMITED = {
    "open_files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "file_bytes": resource.RLIMIT_FSIZE,
    "core_bytes": resource.RLIMIT_CORE,
    "memory_bytes": resource.RLIMIT_AS,
    "cpu_seconds": resource.RLIMIT_CPU,
}


def limits_after(limits: Limits, *, ceiling: int | None = None) -> dict[str, list[int]]:
    def action() -> dict[str, tuple[int, int]]:
        if ceiling is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, ceiling))
        confine.LimitResources(limits).apply(STAGE)
        return {name: resource.getrlimit(number) for name, number in LIMITED.items()}

    found: dict[str, list[int]] = in_child(action)
    return found


def test_every_limit_holds_soft_and_hard() -> None:
    limits = Limits(100, 200, 1 << 20, 0, 1 << 34, 1000)
    wanted = {name: [getattr(limits, name)] * 2 for name in LIMITED}
    assert limits_after(limits) == wanted


def test_what_a_profile_leaves_open_stays_the_hosts() -> None:
    limits = Limits(processes=None, file_bytes=None, memory_bytes=None, cpu_seconds=None)
    found = limits_after(limits)
    for name in ("processes", "file_bytes", "memory_bytes", "cpu_seconds"):
        assert found[name] == list(resource.getrlimit(LIMITED[name]))


@settings(max_examples=20, deadline=None)
@given(st.integers(64, 1 << 40))
def test_a_limit_is_never_raised_above_the_hosts(wanted: int) -> None:
    assert limits_after(Limits(open_files=wanted), ceiling=512)["open_files"] == [min(wanted, 512)] * 2


@inside
def test_the_limits_hold_inside() -> None:
    ran = run(
        "/bin/sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c; ulimit -f", limits=Limits(open_files=77, file_bytes=1024)
    )
    assert ran.out.split() == ["77", "77", "0", "2"]


def test_a_hidden_process_is_opaque_and_says_nothing_of_the_host() -> None:
    def action() -> list[Any]:
        confine.rename_process("gmcp-init")
        confine.hide_process()
        owner = os.stat("/proc/self/environ").st_uid
        with open("/proc/self/cmdline", "rb") as file:
            line = file.read().rstrip(b"\0")
        with open("/proc/self/comm", "rb") as file:
            return [prctl.get_dumpable(), owner, line.decode(), file.read().decode()]

    assert in_child(action) == [0, 0, "gmcp-init", "gmcp-init\n"]


@pytest.mark.parametrize("environment", [{}, {"A": "b"}])
@pytest.mark.parametrize("words", [[], ["x"], ["x" * 20_000, "y"]])
def test_a_process_is_renamed_whatever_its_command_line_and_environment(
    words: list[str], environment: dict[str, str]
) -> None:
    """python-prctl looks for the command line below the environment, and crashed on these."""
    code = (
        "import os; os.environ['B'] = 'c' * 5000\n"
        "from gmcp_sandbox.proc.confine import rename_process\n"
        "rename_process('gmcp-init')\n"
        "print(open('/proc/self/cmdline', 'rb').read().rstrip(b'\\0'), os.environ['B'] == 'c' * 5000)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "b'gmcp-init' True\n", "")


@inside
def test_a_long_command_line_starts() -> None:
    assert run("/bin/sh", "-c", "echo $#", "sh", *["x" * 1000] * 100).out == "100\n"


def test_the_last_capability_is_the_kernels() -> None:
    assert 40 <= confine.last_capability() < 64


@pytest.mark.needs("userns")
def test_only_one_more_user_namespace_can_be_made() -> None:
    def action() -> str:
        own_namespaces()
        confine.ForbidMoreNamespaces().apply(STAGE)
        kernel.unshare(kernel.CLONE_NEWUSER)
        with pytest.raises(OSError) as caught:
            kernel.unshare(kernel.CLONE_NEWUSER)
        return os.strerror(caught.value.errno or 0)

    assert in_child(action) == "No space left on device"


@pytest.mark.needs("userns")
def test_the_host_gets_its_name_in_its_own_namespace_only() -> None:
    def action() -> str:
        confine.Unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWUTS, "user, uts").apply(STAGE)
        confine.NameHost("elsewhere").apply(STAGE)
        return os.uname().nodename

    before = os.uname().nodename
    assert in_child(action) == "elsewhere"
    assert os.uname().nodename == before


def test_steps_say_what_they_do() -> None:
    steps: list[Step] = [
        confine.Unshare(kernel.CLONE_NEWNET, "network"),
        confine.BecomeNamespaceRoot(),
        confine.ForbidMoreNamespaces(),
        confine.NameHost("box"),
        confine.NewKeyring(),
        confine.LimitResources(Limits()),
        confine.DropCapabilities(40),
        confine.NoNewPrivileges(),
        confine.DieWithParent(),
    ]
    lines = [step.describe() for step in steps]
    assert len(set(lines)) == len(lines)
    assert lines[0] == "create namespaces (network)"
    assert lines[3] == "name the host box"
    assert all(line.isprintable() and len(line) < 80 for line in lines)

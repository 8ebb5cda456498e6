"""What a program finds out about its sandbox and the host from inside. Whatever is found here, SECURITY.md explains.

A new finding fails the test: then it is closed, or explained there and taken in here.
"""

from __future__ import annotations

import json
import os
import platform

import pytest

from gmcp_sandbox.proc.mounts import PROC_MASKED

LOOK = """
import json, os, socket
def text(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""
status = dict(line.split(":", 1) for line in text("/proc/self/status").splitlines() if ":" in line)
writable = []
for directory, directories, files in os.walk("/proc"):
    if directory == "/proc":
        directories[:] = [each for each in directories if not each.isdigit() and not each.endswith("self")]
    writable += [f"{directory}/{name}" for name in files if os.access(f"{directory}/{name}", os.W_OK)]
print(json.dumps({
    "status": {name: status[name].strip() for name in status},
    "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")},
    "devices": sorted(os.listdir("/dev")),
    "mounts": text("/proc/self/mountinfo"),
    "cgroup": text("/proc/self/cgroup"),
    "init": [text("/proc/1/cmdline"), text("/proc/1/comm"), text("/proc/1/environ")],
    "pids": sorted(int(each) for each in os.listdir("/proc") if each.isdigit()),
    "host": [socket.gethostname(), os.uname().release, text("/proc/cmdline"), text("/proc/interrupts")],
    "boot": text("/proc/sys/kernel/random/boot_id").strip(),
    "sys": os.listdir("/sys") if os.path.isdir("/sys") else [],
    "interfaces": [name for _, name in socket.if_nameindex()],
    "writable": writable,
    "environment": dict(os.environ),
    "fds": sorted(os.listdir("/proc/self/fd"))[:3],
}))
"""
SHARED_NAMESPACES = {"time", "time_for_children"}
"""The agent keeps the host's clocks."""
DEVICES = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
WITHOUT_GATE = 'extends = "default"\nname = "look"\ndescription = "No gate."\n[probe]\ntools = ["mcp.call"]\n'


@pytest.fixture(scope="module")
def found(shared_sandbox):
    """What one program found."""
    result = shared_sandbox.exec("/usr/bin/python3", "-c", LOOK, profile=shared_sandbox.profile(WITHOUT_GATE))
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_no_capability_and_a_filter(found):
    status = found["status"]
    assert {status[name] for name in status if name.startswith("Cap")} == {"0000000000000000"}
    assert (status["NoNewPrivs"], status["Seccomp"], status["TracerPid"]) == ("1", "2", "0")


def test_every_namespace_but_the_clocks_is_its_own(found):
    same = {name for name, target in found["namespaces"].items() if target == os.readlink(f"/proc/self/ns/{name}")}
    assert same == SHARED_NAMESPACES


def test_devices_terminals_and_interfaces_are_the_few_that_are_told(found):
    assert found["devices"] == sorted(DEVICES.split())
    assert found["interfaces"] == ["lo"]
    assert set(found["sys"]) <= {"devices"}


def test_nobody_else_is_seen_and_process_1_says_nothing(found):
    assert found["pids"][0] == 1 and len(found["pids"]) == 2
    assert found["init"][0].rstrip("\0").strip() == "gmcp-init" and found["init"][1:] == ["gmcp-init\n", ""]


def test_mounts_and_groups_name_no_place_of_the_host(shared_sandbox, found):
    assert str(shared_sandbox.state) not in found["mounts"]
    assert {line.rpartition(":")[2] for line in found["cgroup"].splitlines()} <= {"/"}


def test_nothing_of_the_kernel_can_be_written(found):
    assert set(found["writable"]) <= {f"/proc/{name}" for name in PROC_MASKED}  # these are /dev/null


def test_what_is_told_of_the_host(found):
    """The kernel's version, the processors, memory, load, the time since the start and its id: SECURITY.md says so."""
    name, release, command_line, interrupts = found["host"]
    assert (name, command_line, interrupts) == ("gmcp-sandbox", "", "")
    assert release == platform.release()
    assert len(found["boot"]) == 36
    assert not [each for each in found["environment"] if "TOKEN" in each or "SSH" in each or each.startswith("XDG")]

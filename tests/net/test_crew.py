"""Pump and relay as processes: what they hold, what they have given up, and how a failed set-up is told."""

from __future__ import annotations

import os
import warnings
from functools import partial
from pathlib import Path

import pytest

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.crew import AwaitCrew, StartCrew
from gmcp_sandbox.proc.confine import DieWithParent
from gmcp_sandbox.proc.plan import Stage
from tests.e2e.harness import descendants, wait_until
from tests.net.link import linked
from tests.net.namespaces import in_new_namespace

NO_CAPABILITIES = "0000000000000000"


def _status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _confined(parent):
    """Return the helpers by name as soon as both have their filter."""
    statuses = {each.pid: _status(each.pid) for each in descendants(parent)}
    found = {status["Name"]: pid for pid, status in statuses.items() if status["Seccomp"] == "2"}
    return found if set(found) == {"gmcp-pump", "gmcp-relay"} else None


def _descriptors(pid):
    """Return what the descriptors of a process lead to, without numbers."""
    folder = f"/proc/{pid}/fd"
    return sorted(os.readlink(f"{folder}/{fd}").partition(":[")[0] for fd in os.listdir(folder))


@pytest.mark.root
@pytest.mark.needs("userns", "tun")
def test_each_holds_its_devices_and_its_line_and_has_no_right():
    with linked() as link:
        crew = wait_until(partial(_confined, link.pid), "pump and relay")
        for pid in crew.values():
            status = _status(pid)
            assert {status[name] for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {NO_CAPABILITIES}
            assert status["NoNewPrivs"] == "1"
            assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"gmcp-")
            assert b"PATH" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        nowhere = ["/dev/null"] * 3
        assert _descriptors(crew["gmcp-relay"]) == sorted([*nowhere, "anon_inode", "socket"])
        assert _descriptors(crew["gmcp-pump"]) == sorted(
            [*nowhere, "/dev/net/tun", "/dev/net/tun", "anon_inode", "socket"]
        )
        spaces = {os.readlink(f"/proc/{pid}/ns/net") for pid in (link.pid, *crew.values())}
        assert len(spaces) == 2  # the relay stays in the agent's, where it can do nothing


@pytest.mark.needs("userns", "tun")
def test_they_end_with_their_parent():
    with linked() as link:
        crew = descendants(link.pid)
    wait_until(lambda: all(each.is_gone for each in crew), "the end of pump and relay")


@pytest.mark.needs("userns")
def test_a_failed_set_up_is_told_once_and_in_one_line(tmp_path):
    def child():
        stage = Stage(root=b"")
        StartCrew((7, 9), DieWithParent(), (), ()).apply(stage)  # groups that the namespace does not have
        try:
            AwaitCrew().apply(stage)
        except HostError as error:
            return str(error)

    assert in_new_namespace(child) == "cannot set up the network: [Errno 22] Invalid argument"


def test_what_the_pump_says_when_its_set_up_fails_is_the_cause():
    for said, cause in ((b"Traceback\nOSError: [Errno 2] /dev/net/tun", "/dev/net/tun"), (b"", "without a word")):
        stage = Stage(root=b"")
        stage.gates["network"], word = os.pipe()
        os.write(word, said)
        os.close(word)
        with warnings.catch_warnings(), pytest.raises(HostError) as caught:
            AwaitCrew().apply(stage)
        assert cause in str(caught.value)

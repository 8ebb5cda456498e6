"""A process is itself only: not a later one of the same number, and no zombie."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec

from gmcp_sandbox.monitor.procfacts import identify


def test_this_process_is_alive() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert me.is_alive()


def test_another_start_time_or_boot_is_another_process() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert not msgspec.structs.replace(me, started=me.started - 1).is_alive()
    assert not msgspec.structs.replace(me, boot="other").is_alive()


def test_an_ended_process_is_dead_even_before_it_is_reaped() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = identify(child.pid)
        assert identity is not None
        assert identity.is_alive()
        child.communicate(b"\n")
    assert not identity.is_alive()
    assert identify(child.pid) is None

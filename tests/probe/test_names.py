"""What a system program is called, and what it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.probe.names import true_name


@pytest.mark.parametrize(
    ("program", "called", "name"),
    [
        ("/usr/bin/rm", "stat", "rm"),
        ("/usr/bin/rm", "/usr/bin/stat", "rm"),
        ("/usr/bin/shred", "sh", "shred"),
        ("/usr/bin/bash", "echo", "bash"),
        ("/usr/bin/python3.12", "cat", "python"),
        ("/usr/bin/nc.openbsd", "cat", "nc"),
        ("/usr/bin/x86_64-linux-gnu-objcopy", "ls", "objcopy"),
    ],
)
def test_a_program_under_another_ones_name(program, called, name):
    assert true_name(program, called) == name


@pytest.mark.parametrize(
    ("program", "called"),
    [
        ("/usr/bin/rm", "rm"),
        ("/usr/bin/rm", "/bin/rm"),
        ("/usr/bin/bash", "-bash"),
        ("/usr/bin/dash", "sh"),
        ("/usr/bin/dash", "/bin/sh"),
        ("/usr/bin/mawk", "awk"),
        ("/usr/bin/python3.12", "python3"),
        ("/usr/bin/python3.12", "python"),
        ("/usr/bin/perl5.36.0", "perl"),
        ("/usr/bin/x86_64-linux-gnu-gcc-12", "gcc"),
        ("/usr/bin/x86_64-linux-gnu-gcc-12", "cc"),
        ("/usr/bin/x86_64-linux-gnu-g++-12", "c++"),
        ("/usr/bin/nc.openbsd", "nc"),
        ("/usr/bin/busybox", "ls"),
        ("/usr/bin/systemctl", "reboot"),
        ("/usr/bin/pgrep", "pkill"),
        ("/sbin/lvm", "lvremove"),
        ("", "x"),
    ],
)
def test_names_that_tell_what_is_run(program, called):
    assert true_name(program, called) == ""


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_names_are_answered(program, called):
    assert true_name(program, called) in (*program.split("/"), "") or true_name(program, called) in program

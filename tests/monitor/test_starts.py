"""What the kernel opens next, and with which words: the rules of fs/binfmt_script.c, and bounds."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import ProcExec
from gmcp_sandbox.monitor.starts import HEAD_BYTES, UNANNOUNCED, Start, Starts, interpreter_of

DIGEST = "0" * 40
ELF = b"\x7fELF"


def start(*argv):
    return Start(argv[0] if argv else "x", "/w", argv)


def test_a_program_and_its_loader_and_nothing_more():
    one = start("./a", "b")
    assert one.arguments(DIGEST) == ProcExec(("./a", "b"), "/w", DIGEST)
    one.opened("/w/a", ELF)
    assert one.is_loader_next
    assert one.arguments(None) == ProcExec()
    one.opened("/lib/ld.so", ELF)
    assert one.arguments(None) == ProcExec(fault=UNANNOUNCED)
    assert one.is_what_ran(("./a", "b"))
    assert not one.is_what_ran(("./a", "c"))


def test_a_script_and_the_script_that_interprets_it():
    one = start("./a", "b")
    one.opened("/w/a", b"#!./c -x y\n")
    assert one.arguments(DIGEST) == ProcExec(("./c", "-x y", "./a", "b"), "/w", DIGEST, "./a")
    one.opened("/w/c", b"#! /bin/sh\n")
    assert one.arguments(None).argv == ("/bin/sh", "./c", "-x y", "./a", "b")
    one.opened("/bin/sh", ELF)
    assert one.program == "/w/a"
    assert one.is_what_ran(("/bin/sh", "./c", "-x y", "./a", "b"))
    assert not one.is_what_ran(("./a", "b"))


def test_a_handler_of_the_hosts_may_put_words_before():
    one = start("./a.jar", "b")
    one.opened("/w/a.jar", b"PK")
    assert one.arguments(DIGEST) == ProcExec()
    one.opened("/usr/bin/java-handler", ELF)
    assert one.is_what_ran(("/usr/bin/java-handler", "./a.jar", "b"))
    assert not one.is_what_ran(("/usr/bin/java-handler", "./a.jar", "c"))
    assert not one.is_what_ran(("b",))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"#!/bin/sh\n", ("/bin/sh", None)),
        (b"#! \t/bin/sh  \n", ("/bin/sh", None)),
        (b"#!/bin/sh -e  x \n", ("/bin/sh", "-e  x")),
        (b"#!/bin/sh", ("/bin/sh", None)),
        (b"#!/bin/sh -e", ("/bin/sh", "-e")),
        (b"#!/bin/sh ", ("/bin/sh", "")),
        (b"#!\n", None),
        (b"#!   ", None),
        (b"#!" + b"x" * HEAD_BYTES, None),
        (b"#!/bin/sh\0 -e\nnext", ("/bin/sh", None)),
        (b"#!/bin/sh " + b"y" * HEAD_BYTES, ("/bin/sh", "y" * (HEAD_BYTES - 11))),
    ],
)
def test_first_lines(line, expected):
    assert interpreter_of(line) == expected


@given(st.binary(max_size=300))
def test_no_first_line_is_too_odd(head):
    found = interpreter_of(b"#!" + head)
    assert found is None or (found[0] and "\0" not in found[0] and "\0" not in (found[1] or ""))


@given(line=st.text(alphabet=" \t-xy\0", max_size=12), ends=st.booleans())
def test_the_kernel_reads_a_first_line_alike(tmp_path_factory, line, ends):
    script = tmp_path_factory.mktemp("s") / "script"
    script.write_bytes(b"#!/bin/echo" + line.encode() + b"\n" * ends)
    script.chmod(0o755)
    expected = interpreter_of(script.read_bytes())
    try:
        done = subprocess.run([script, "last"], stdout=subprocess.PIPE, check=True)
    except OSError:
        assert expected is None or not os.access(expected[0], os.X_OK)
        return
    assert expected is not None
    words = [] if expected[1] is None else [expected[1]]
    assert done.stdout.decode().removesuffix("\n") == _echoed([*words, str(script), "last"])


def _echoed(words):
    return subprocess.run(["/bin/echo", *words], stdout=subprocess.PIPE, check=True).stdout.decode().removesuffix("\n")


def test_a_later_announcement_takes_the_place_of_an_earlier_one():
    starts = Starts()
    starts.announce(7, start("a"))
    starts.announce(7, start("b"))
    assert starts.of(7).argv == ("b",)
    assert starts.forget(7).argv == ("b",)
    assert starts.of(7) is None


def test_announcements_are_taken_in_before_one_is_looked_for():
    starts = Starts()
    starts.refresh = lambda: starts.announce(7, start("late"))
    assert starts.of(7).argv == ("late",)


def test_what_is_kept_is_bounded_in_number_and_size():
    starts = Starts()
    for tid in range(10_000):
        starts.announce(tid, start("a"))
    assert len(starts) <= 8192
    assert starts.of(0) is None
    assert starts.of(9_999) is not None
    for tid in range(100):
        starts.announce(tid, start("x" * (1 << 20)))
    assert len(starts) <= 64

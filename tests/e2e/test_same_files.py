"""Random sequences of file operations do the same inside as outside: results, errnos, contents, modes, links, times.

One agent inside of one session and one outside, on the same file system of the host, get the same sequences. Hypothesis
makes them, and makes a failing one small. What differs on purpose stands below, each as a test.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.harness import AGENTS, wait_until

EXAMPLES = int(os.environ.get("GMCP_SEQUENCES", "60"))
WITHOUT_GATE = 'extends = "default"\nname = "files"\ndescription = "No gate."\n[probe]\ntools = ["mcp.call"]\n'

FIXED = ("f", "g", "d", "d/f", "d/e", "d/e/f", "l", "m")
ODD = (
    "",
    ".",
    "..",
    "d/",
    "f/",
    "f/x",
    "d/../f",
    "l/f",
    "./d/./f",
    "absent/f",
    "n" * 256,
    "ü",
    "a\nb",
    "d/" * 30 + "f",
)
paths = st.sampled_from(FIXED) | st.sampled_from(FIXED) | st.sampled_from(FIXED) | st.sampled_from(ODD)
slots = st.integers(0, 7)
offsets = st.sampled_from((0, 1, 5, 4095, 4096, 70_000))
sizes = st.sampled_from((0, 1, 4095, 4097, 9000))
texts = st.sampled_from(("", "x", "hello", "y" * 4096, "z" * 5000))
modes = st.sampled_from((0o600, 0o644, 0o700, 0o755, 0o777, 0o400, 0o1777))
searchable = st.sampled_from((0o700, 0o755, 0o777, 0o500, 0o711, 0o1777))
"""Not without search right for the owner: see `test_names_that_the_kernel_remembers_outlive_a_search_right`."""
names = st.sampled_from(("a", "b"))
flags = st.sampled_from((
    os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    os.O_RDWR | os.O_CREAT | os.O_TRUNC, os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_RDONLY | os.O_DIRECTORY,
    os.O_RDONLY | os.O_NOFOLLOW, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, os.O_WRONLY | os.O_TRUNC,
))  # fmt: skip
operations = st.one_of(
    st.tuples(st.just("open"), paths, flags.map(lambda each: each | os.O_NONBLOCK), modes),
    st.tuples(st.just("open"), paths, st.just(os.O_RDWR | os.O_CREAT | os.O_NONBLOCK), st.just(0o644)),
    st.tuples(st.just("close"), slots),
    st.tuples(st.just("read"), slots, offsets, sizes),
    st.tuples(st.just("write"), slots, offsets, texts),
    st.tuples(st.just("append"), slots, texts),
    st.tuples(st.just("seek"), slots, offsets, st.sampled_from((os.SEEK_SET, os.SEEK_CUR, os.SEEK_END))),
    st.tuples(st.just("next"), slots, sizes),
    st.tuples(st.just("ftruncate"), slots, sizes),
    st.tuples(st.just("fstat"), slots),
    st.tuples(st.just("fsync"), slots),
    st.tuples(st.just("fchmod"), slots, searchable),
    st.tuples(st.just("copy"), slots, slots, sizes),
    st.tuples(st.just("mapped"), slots, texts.filter(bool)),
    st.tuples(st.just("truncate"), paths, sizes),
    st.tuples(st.just("put"), paths, texts),
    st.tuples(st.just("put"), st.sampled_from(FIXED), texts),
    st.tuples(st.just("get"), paths),
    st.tuples(st.just("unlink"), paths),
    st.tuples(st.just("mkdir"), paths, searchable),
    st.tuples(st.just("mkdir"), st.sampled_from(("d", "d/e", "m")), st.just(0o755)),
    st.tuples(st.just("rmdir"), paths),
    st.tuples(st.just("rename"), paths, paths, st.sampled_from((0, 0, 0, 1, 2, 3))),
    st.tuples(st.just("link"), paths, paths),
    st.tuples(st.just("symlink"), st.sampled_from((*FIXED, "absent", "..", "l", "m/f", "x" * 300)), paths),
    st.tuples(st.just("readlink"), paths),
    st.tuples(st.just("mkfifo"), st.sampled_from(("m", "d/p"))),
    st.tuples(st.just("chmod"), paths, searchable),
    st.tuples(st.just("utime"), paths, st.sampled_from((0, 1, 999_999_999, 10**17 + 7))),
    st.tuples(st.just("stat"), paths),
    st.tuples(st.just("lstat"), paths),
    st.tuples(st.just("list"), paths),
    st.tuples(st.just("access"), paths, st.sampled_from((os.F_OK, os.R_OK, os.W_OK, os.X_OK, os.R_OK | os.W_OK))),
    st.tuples(st.just("umask"), st.sampled_from((0, 0o022, 0o027, 0o077))),
    st.tuples(st.just("setxattr"), paths, names, texts, st.sampled_from((0, os.XATTR_CREATE, os.XATTR_REPLACE))),
    st.tuples(st.just("getxattr"), paths, names),
    st.tuples(st.just("listxattr"), paths),
    st.tuples(st.just("removexattr"), paths, names),
)  # fmt: skip


class Twin:
    """One of the two."""

    def __init__(self, process):
        self._process = process
        assert process.stdout.readline() == b"ready\n"

    def run(self, sequence):
        self._process.stdin.write(json.dumps(sequence).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "it ended"
        return json.loads(line)

    def end(self):
        self._process.stdin.close()


@pytest.fixture(scope="module")
def twins(shared_sandbox):
    """The one inside and the one outside."""
    box = shared_sandbox
    agent = box.write("twin.py", (AGENTS / "twin.py").read_bytes())
    outside = box.base / "outside"
    outside.mkdir()
    box.own(outside)
    with ExitStack() as stack:
        words = ("-p", box.profile(WITHOUT_GATE), "--", "/usr/bin/python3", "twin.py")
        running = stack.enter_context(box.start(*words, stdin=subprocess.PIPE))
        native = subprocess.Popen(
            box._as_user(["/usr/bin/python3", str(agent)]),
            cwd=outside,
            env=box.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        stack.callback(native.wait, 10)
        stack.callback(native.stdout.close)
        one, other = Twin(running.process), Twin(native)
        yield one, other
        other.end()
        one.end()
        wait_until(lambda: running.process.poll() is not None, "the end of the session")
        assert running.process.returncode == 0, running.errors()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequence=st.lists(operations, min_size=10, max_size=80))
def test_random_sequences_do_the_same(twins, sequence):
    inside, outside = twins
    found, expected = inside.run(sequence), outside.run(sequence)
    differ = [
        (operation, one, other)
        for operation, one, other in zip(sequence, found[0], expected[0], strict=True)
        if one != other
    ]
    assert not differ
    assert found[1] == expected[1]


def _both(twins, *sequence):
    inside, outside = twins
    return inside.run(sequence)[0], outside.run(sequence)[0]


def test_set_id_bits_are_not_kept(twins):
    found, expected = _both(twins, ["put", "f", "x"], ["chmod", "f", 0o6755], ["stat", "f"])
    assert (found[2][0], expected[2][0]) == ("0o100755", "0o106755")


def test_names_that_the_kernel_remembers_outlive_a_search_right(twins):
    """No `default_permissions`: what was used just before is still found; what was not is refused."""
    steps = (
        ["mkdir", "d", 0o755],
        ["put", "d/f", "x"],
        ["stat", "d/f"],
        ["chmod", "d", 0o600],
        ["stat", "d/absent"],
        ["chmod", "d", 0o755],
    )
    found, expected = _both(twins, *steps)
    assert found[:4] == expected[:4]
    assert found[4] == expected[4]


def test_nothing_is_allocated_ahead_and_no_file_is_without_a_name(sandbox):
    script = """
import os
for call in (lambda: os.open(".", os.O_TMPFILE | os.O_RDWR),
             lambda: os.lseek(os.open("f", os.O_RDWR | os.O_CREAT), 0, os.SEEK_DATA)):
    try:
        print(call())
    except OSError as error:
        print(error.errno)
"""
    assert sandbox.exec("/usr/bin/python3", "-c", script, profile=sandbox.profile(WITHOUT_GATE)).text.split() == [
        "95",
        "6",
    ]

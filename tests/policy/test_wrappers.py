"""Which words of a wrapper are the program that it runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.wrappers import inner, may_wrap

GIT = ("git", "push")


@pytest.mark.parametrize(
    "line",
    [
        "env git push",
        "env -i A=1 B=2 git push",
        "env -u A -C /x git push",
        "nice git push",
        "nice -n 5 git push",
        "nice -n5 git push",
        "timeout 5 git push",
        "timeout -k 1 -s KILL 5 git push",
        "timeout --signal=KILL 5 git push",
        "xargs -n 1 -P4 git push",
        "sudo -u ada -E A=1 git push",
        "stdbuf -oL git push",
        "nohup git push",
        "setsid -w git push",
        "flock /x git push",
        "taskset 0x1 git push",
        "command -p git push",
        "exec -a name git push",
        "busybox git push",
        "strace -f -o out git push",
        "find . -name x -exec git push ;",
        "/lib64/ld-linux-x86-64.so.2 --library-path /x git push",
        "nice -Z 5 git push",
        "nice -Z git push",
        "env -- git push",
    ],
)
def test_the_program_behind_a_wrapper(line):
    assert GIT in inner(line.split()).commands


@pytest.mark.parametrize(
    "words",
    [
        ["sh", "-c", "TEXT"],
        ["/bin/bash", "-lc", "TEXT"],
        ["-bash", "-c", "TEXT"],
        ["bash", "-e", "-o", "pipefail", "-c", "TEXT", "name"],
        ["bash", "--norc", "-ceu", "--", "TEXT"],
        ["bash", "--rcfile", "x", "-c", "TEXT"],
        ["env", "-S", "TEXT"],
        ["env", "--split-string=TEXT"],
        ["su", "-c", "TEXT", "ada"],
        ["flock", "-c", "TEXT", "/x"],
        ["eval", "TEXT"],
    ],
)
def test_the_text_for_a_shell(words):
    assert "TEXT" in inner(words).scripts


@pytest.mark.parametrize("words", [["bash", "x.sh", "-c", "no"], ["bash"], ["git", "push"], ["env"], ["sh", "-c"]])
def test_nothing_is_run(words):
    assert inner(words).scripts == ()
    assert not any(inner(words).commands)


@given(
    st.lists(st.sampled_from(["-c", "-", "--", "env", "sh", "A=1", "5", "-exec", ";", "", "-Z", "find"]), min_size=1)
)
def test_any_words_have_an_answer(words):
    found = inner(words)
    assert all(command for command in found.commands)
    assert len(found.commands) <= 32
    may_wrap(words[0])

"""Labels by path: mounts, rules, exceptions, and what moving a directory may change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import OUTSIDE, SCRATCH, SECRET, SYSTEM, WATCHED, WORKSPACE, highest
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.match import Glob
from gmcp_sandbox.policy.profile import Mount, MountMode, PathRule

MOUNTS = [
    Mount("/usr", "/usr", MountMode.RO, SYSTEM),
    Mount("/home/u", None, MountMode.SCRATCH, SCRATCH),
    Mount("/home/u/w", "/home/u/w", MountMode.RW, WORKSPACE),
    Mount("/home/u/w/private", None, MountMode.HIDDEN, OUTSIDE),
]
RULES = [
    PathRule(".env", SECRET),
    PathRule(".env.*", SECRET, (".env.example",)),
    PathRule("*.pem", WATCHED),
    PathRule("*.pem", SECRET, ("tests/**",)),
    PathRule(".git/hooks/pre-commit", WATCHED),
    PathRule("/home/u/w/.github/**", WATCHED),
]


@pytest.fixture
def labels() -> Labeller:
    return Labeller(MOUNTS, RULES, [("/bin", "usr/bin")])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", SYSTEM),
        ("/home", SYSTEM),
        ("/bin", SYSTEM),
        ("/proc", SYSTEM),
        ("/home/u", SCRATCH),
        ("/home/u/x", SCRATCH),
        ("/home/u/w", WORKSPACE),
        ("/home/u/w/a/b", WORKSPACE),
        ("/home/v", OUTSIDE),
        ("/etc/passwd", OUTSIDE),
        ("/home/u/w/private", OUTSIDE),
        ("/home/u/w/private/x", OUTSIDE),
        ("/home/u/w/.env", SECRET),
        ("/home/u/w/.env.local", SECRET),
        ("/home/u/w/.env.example", WORKSPACE),
        ("/home/u/w/a.pem", SECRET),
        ("/home/u/w/tests/a.pem", WATCHED),
        ("/home/u/w/.git/hooks/pre-commit", WATCHED),
        ("/home/u/w/.git/hooks/pre-commit.sample", WORKSPACE),
        ("/home/u/w/.github/workflows/ci.yml", WATCHED),
        ("/usrx", OUTSIDE),
    ],
)
def test_labels(labels: Labeller, path: str, expected: object) -> None:
    assert labels.of(path) is expected
    assert labels.of(path) is expected  # remembered


NAMES = st.sampled_from(
    [".env", ".env.example", "a.pem", "tests", ".git", "hooks", "pre-commit", ".github", "x", "\udcfe"]
)
BELOW = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(BELOW)
def test_the_label_is_the_highest_of_mount_and_rules(rest: str) -> None:
    path = f"/home/u/w/{rest}"
    matching = [
        rule.label
        for rule in RULES
        if Glob(rule.pattern).matches(path) and not any(Glob(glob).matches(path) for glob in rule.unless)
    ]
    assert Labeller(MOUNTS, RULES).of(path) is highest(WORKSPACE, *matching)


@given(BELOW, BELOW, st.lists(BELOW, min_size=1, max_size=5))
def test_a_move_said_to_change_nothing_changes_nothing(old: str, new: str, below: list[str]) -> None:
    labels = Labeller(MOUNTS, RULES)
    old, new = f"/home/u/w/{old}", f"/home/u/w/{new}"
    if not labels.may_differ_below(old, new):
        for rest in below:
            assert labels.of(f"{old}/{rest}") is labels.of(f"{new}/{rest}")


def test_hostile_names_fill_no_memory_and_change_no_answer(labels: Labeller) -> None:
    for number in range(10_000):
        assert labels.of(f"/home/u/w/d{number}/.env") is SECRET
    deep = "/home/u/w" + "/d" * 1_000
    assert labels.of(deep + "/.git/hooks/pre-commit") is WATCHED
    assert labels.of(deep + "/x") is WORKSPACE


def test_ordinary_moves_need_no_walk(labels: Labeller) -> None:
    assert not labels.may_differ_below("/home/u/w/src", "/home/u/w/lib/src")


@pytest.mark.parametrize(
    "new", ["/home/u/w/.git", "/home/u/w/.git/hooks", "/home/u/w/.github", "/home/u/w/tests", "/home/u/x"]
)
def test_moves_to_where_a_rule_waits_need_a_walk(labels: Labeller, new: str) -> None:
    assert labels.may_differ_below("/home/u/w/src", new)


@pytest.mark.parametrize("path", ["/home/u/w/.git", "/home/u/w/.git/hooks", "/home/u/w/.github", "/home/u/w/x/config"])
def test_a_link_to_where_a_rule_or_guard_waits_is_watched(labels: Labeller, path: str) -> None:
    assert labels.of(path) is WORKSPACE
    assert labels.of_link(path) is WATCHED


def test_an_ordinary_link_is_ordinary() -> None:
    labels = Labeller(MOUNTS, [*RULES, PathRule("/home/u/w/**/*.key", SECRET)])
    assert labels.of_link("/home/u/w/node_modules/.bin/x") is WORKSPACE

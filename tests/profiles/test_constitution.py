"""The shipped principles in a real monitor, as far as they are about hosts: what breaks each, and what looks alike."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest

from gmcp_sandbox.calls.arguments import FsRead, NetConnect, ProcExec
from gmcp_sandbox.calls.labels import NETWORK, SECRET, SYSTEM, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.monitor.monitor import Monitor
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.monitor.shipped import shipped_names, shipped_profile
from gmcp_sandbox.pipeline.constitution import Constitution
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState
from tests.monitor.test_monitor import Paper, without_waiting

SECOND = 1_000_000_000
GENEROUS = """
name = "generous"
extends = "default"
tier = "trusted"

[[capabilities]]
tools = ["fs.read", "fs.write"]
labels = ["secret", "workspace"]
"""


class Sitting:
    """One session that may do everything but what the principles forbid."""

    def __init__(self, tmp_path: Path) -> None:
        (tmp_path / "generous.toml").write_text(GENEROUS)
        profile = load_profile(str(tmp_path / "generous.toml"), workspace=Path("/srv/app"), home=Path("/home/u"))
        self.paper = Paper()
        self.clock = itertools.count(1000 * SECOND, 1000)
        self.state = SessionState(profile.tier)
        self.monitor = Monitor(
            Pipeline.of_layers((Constitution(profile.rules),), None),  # what `[net]` grants is not the question here
            self.state,
            self.paper,
            session="00000000",
            agent="tester",
            clock=lambda: next(self.clock),
        )

    def connect(self, host: str) -> str:
        return self._ask(Tool.NET_CONNECT, host, NetConnect(443), NETWORK)

    def read(self, path: str, label=WORKSPACE) -> str:
        return self._ask(Tool.FS_READ, path, FsRead("open"), label)

    def run(self, *argv: str) -> str:
        return self._ask(Tool.PROC_EXEC, f"/usr/bin/{argv[0]}", ProcExec(argv), SYSTEM)

    def _ask(self, tool, object, args, label) -> str:
        decision = without_waiting(self.monitor.mediate(self.monitor.call(tool, object, args, label=label)))
        return "allow" if decision.is_allowed else decision.deciding.reason


@pytest.fixture
def sitting(tmp_path):
    return Sitting(tmp_path)


def test_there_are_twelve_principles_and_every_shipped_profile_takes_them_in(tmp_path):
    text = shipped_profile("constitution")
    heads = [line[2:4].strip() for line in text.splitlines() if line.startswith("# ") and line.endswith("---")]
    assert heads == [str(number) for number in range(1, 13)]
    ids = {rule["id"] for rule in tomllib.loads(text)["rules"]}
    for name in shipped_names():
        profile = load_profile(name, workspace=Path("/srv/app"), home=Path("/home/u"))
        assert ids <= {rule.id for rule in profile.rules}
        assert not any(rule.when for rule in profile.rules), "no shipped rule makes a session load CEL"


def test_read_a_secret_then_connect_out_is_denied_and_the_same_connect_before_is_not(sitting):
    assert sitting.connect("example.com") == "allow"
    assert sitting.read("/srv/app/README.md") == "allow"
    assert sitting.connect("example.com") == "allow"
    assert sitting.read("/srv/app/.env", SECRET) == "allow"
    assert sitting.connect("example.com") == "constitution.secrets-stay-inside"
    assert sitting.connect("never-asked.example.com") == "constitution.secrets-stay-inside"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fd00::1",
     "fe80::1", "::ffff:10.0.0.1", "localhost", "printer.local", "metadata.google.internal"],
)  # fmt: skip
def test_internal_addresses_are_out_of_reach(sitting, host):
    assert sitting.connect(host) == "constitution.no-internal-addresses"


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7", "example.com", "localhost.example.com", "172.32.0.1"])
def test_what_looks_like_an_internal_address_is_not(sitting, host):
    assert sitting.connect(host) == "allow"


def test_a_host_that_got_much_gets_no_more_but_others_do(sitting):
    assert sitting.connect("a.example.com") == "allow"
    for _ in range(2):
        sitting.state.count("net.bytes_up", "a.example.com", 130 << 20, next(sitting.clock))
    assert sitting.connect("a.example.com").startswith("constitution.ask_")
    assert sitting.connect("b.example.com") == "allow"
    sitting.clock = itertools.count(next(sitting.clock) + 3700 * SECOND, 1000)
    assert sitting.connect("a.example.com") == "allow"


def test_a_host_that_sent_much_is_nobody_who_got_much(sitting):
    sitting.state.count("net.bytes_down", "a.example.com", 1 << 40, next(sitting.clock))
    assert sitting.connect("a.example.com") == "allow"


def test_scanning_costs_trust(sitting):
    for number in range(101):
        assert sitting.connect(f"192.0.2.{number}") == "allow"
    assert sitting.state.tier is Tier.UNTRUSTED
    assert [name for name, _ in sitting.paper.events] == ["demoted"]


def test_many_connections_to_few_hosts_are_no_scan(sitting):
    for number in range(300):
        assert sitting.connect(f"192.0.2.{number % 20}") == "allow"
    assert sitting.state.tier is Tier.TRUSTED


@pytest.mark.parametrize(
    ("line", "is_forced"),
    [
        ("git push --force", True),
        ("git -C sub push origin --force-with-lease main", True),
        ("git push origin +main", True),
        ("git reflog expire --expire=now --all", True),
        ("git reflog expire --all --expire-unreachable now", True),
        ("git reflog expire --rewrite --all", True),
        ("git reflog expire --all", False),  # `git gc` runs it
        ("git filter-branch HEAD", True),
        ("git update-ref -d refs/heads/main", True),
        ("git push origin main", False),
        ("git reflog", False),
        ("git log --grep=--force", False),
        ("echo git push --force", False),
    ],
)
def test_command_lines_that_rewrite_history(sitting, line, is_forced):
    assert sitting.run(*line.split()) == ("constitution.history-is-not-forced" if is_forced else "allow")

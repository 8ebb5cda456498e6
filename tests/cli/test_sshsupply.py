"""The user's ssh-agent for a session: demanded by the profile, bound to known host keys."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gmcp_sandbox.cli.sshsupply import SshSupply, find_supply
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.sshwire import string
from gmcp_sandbox.policy.network import HostRule, Network

KEY = string(b"ssh-ed25519") + string(b"k" * 32)
RULE = HostRule(("git.test",), ((22, 22),), raw=True)
WANTED = Network((RULE,), ssh_hosts=("git.test",))
AGENT = {"SSH_AUTH_SOCK": "/run/agent"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text(f"git.test ssh-ed25519 {base64.b64encode(KEY).decode()}\n")
    return tmp_path


def test_a_profile_that_names_no_host_gets_none(home: Path) -> None:
    assert find_supply(None, home, AGENT) is None
    assert find_supply(Network((RULE,)), home, AGENT) is None


def test_agent_and_keys_are_found(home: Path) -> None:
    found = find_supply(WANTED, home, AGENT)
    assert found == SshSupply("/run/agent", ((KEY, "git.test"),))
    assert found.known_hosts == (home / ".ssh/known_hosts").read_text()


def test_without_an_agent_no_session_starts(home: Path) -> None:
    with pytest.raises(HostError, match="wants the user's ssh-agent"):
        find_supply(WANTED, home, {})


def test_without_a_key_of_the_host_no_session_starts(home: Path) -> None:
    (home / ".ssh/known_hosts").unlink()
    with pytest.raises(HostError, match=r"no known_hosts file has a key of git\.test"):
        find_supply(WANTED, home, AGENT)

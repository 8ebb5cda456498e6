"""git over ssh on the tests' own internet: the user's ssh-agent signs logins to the named host, and no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.internet import WEB, Internet, Online, calls, events

pytestmark = [
    pytest.mark.usefixtures("servers"),
    pytest.mark.needs(
        "tun", "internet", "program:ssh", "program:ssh-agent", "program:ssh-add", "program:ssh-keygen", "program:git"
    ),
]

FORGE, OTHER = "web.example.com", "names.example.com"
PLACES = {FORGE: WEB, OTHER: "203.0.113.53"}
SSH = "ports = [22]\nraw = true\n"
TRUSTING = (
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null"
)
"""A client that takes any host key for anybody's."""


@pytest.fixture(scope="session")  # as the internet
def key(net: Internet) -> Path:
    """The user's key, which both servers take."""
    folder = net.folder / "ssh"
    folder.mkdir()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada@laptop", "-f", folder / "key"], check=True
    )
    (folder / "key.pub").rename(folder / "authorized")
    return folder / "key"


@pytest.fixture(scope="session")
def servers(net: Internet, key: Path) -> Iterator[None]:
    script = str(Path(__file__).with_name("sshserver.py"))
    command = [*net.upstream, sys.executable, "-B", script, str(net.folder), *PLACES.values()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
        process.stdin.close()


@contextmanager
def _agent(online: Online, key: Path) -> Iterator[dict[str, str]]:
    """Run the user's ssh-agent with the key; the user knows both hosts. Yield the environment."""
    sandbox = online.sandbox
    known = sandbox.home / ".ssh"
    known.mkdir()
    pub = {name: (key.parent / f"{address}.pub").read_text() for name, address in PLACES.items()}
    (known / "known_hosts").write_text("".join(f"{name} {text}" for name, text in pub.items()))
    sandbox.own()
    place = sandbox.home / "agent.sock"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.PIPE, user=sandbox.uid, group=sandbox.uid
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        env = {"SSH_AUTH_SOCK": str(place)}
        subprocess.run(["ssh-add", "-q", "-"], input=key.read_bytes(), env=env, check=True)
        yield env
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def _profile(online: Online) -> str:
    return online.profile(grant=SSH, more=f'[net.ssh_agent]\nhosts = ["{FORGE}"]\n')


def test_git_clone_over_ssh_signs_one_login_to_the_named_host(online, key):
    script = f"git clone -q ssh://git@{FORGE}/project.git copy && git -C copy log --format=%s"
    with _agent(online, key) as env:
        result = online.exec("sh", "-c", script, profile=_profile(online), env=env)
    assert (result.code, result.text) == (0, "first\n"), result.err
    (signed,) = events(result, "ssh_sign")
    assert (signed["host"], signed["user"]) == (FORGE, "git")
    assert [line["at"] for line in online.net.seen("ssh")] == [WEB]
    assert {call["args"]["raw"] for call in calls(result, "net.connect") if call["args"].get("raw")} <= {
        "server_first",
        "unknown",
    }


def test_a_host_that_is_not_named_gets_no_login_whatever_key_it_shows(online, key):
    """The profile lets the agent connect there, and the user knows the host and has a key that it takes."""
    script = f"""
git clone -q ssh://git@{OTHER}/project.git first; echo $?
GIT_SSH_COMMAND='{TRUSTING}' git clone -q ssh://git@{OTHER}/project.git second; echo $?
{TRUSTING} -o HostKeyAlias={FORGE} git@{OTHER} git-upload-pack project.git; echo $?
"""
    with _agent(online, key) as env:
        result = online.exec("sh", "-c", script, profile=_profile(online), env=env)
    assert result.text.split() == ["128", "128", "255"], result.err
    assert "Permission denied (publickey)" in result.err
    assert online.net.seen("ssh") == []
    assert events(result, "ssh_sign") == []
    assert len(events(result, "ssh_refused")) >= 2


def test_a_login_bound_to_the_named_host_is_not_carried_to_another(online, key):
    """A jump over the named host: its session is signed for, what lies behind it is not."""
    script = f"{TRUSTING} -J git@{FORGE} git@{OTHER} true; echo $?"
    with _agent(online, key) as env:
        result = online.exec("sh", "-c", script, profile=_profile(online), env=env)
    assert result.text.split()[-1] == "255"
    assert {line["at"] for line in online.net.seen("ssh")} <= {WEB}
    assert {signed["host"] for signed in events(result, "ssh_sign")} <= {FORGE}


def test_without_the_section_there_is_no_agent_inside(online, key):
    with _agent(online, key) as env:
        result = online.exec("sh", "-c", 'ssh-add -l; echo "$SSH_AUTH_SOCK"', profile=online.profile(), env=env)
    assert result.text.strip() == ""
    assert "authentication agent" in result.err


def test_the_agent_lists_nothing_before_it_is_bound_and_takes_no_other_request(online, key):
    script = "ssh-add -l; ssh-add -D; ssh-add -x </dev/null; echo done"
    with _agent(online, key) as env:
        result = online.exec("sh", "-c", script, profile=_profile(online), env=env)
        still = subprocess.run(["ssh-add", "-l"], env=env, capture_output=True, text=True, check=True).stdout
    assert "ada@laptop" not in result.text + result.err
    assert "ada@laptop" in still

"""Host keys of named hosts, as ssh-keygen(1) finds them."""

from __future__ import annotations

import base64
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.knownhosts import host_keys, known_hosts_lines
from gmcp_sandbox.net.sshwire import string


def key(number: int) -> bytes:
    return string(b"ssh-ed25519") + string(bytes([number]) * 32)


def line(hosts: str, blob: bytes, marker: str = "") -> str:
    return f"{marker} {hosts} ssh-ed25519 {base64.b64encode(blob).decode()} a comment\n".lstrip()


def test_lines_name_hosts():
    text = (
        "# a comment\n\n"
        + line("git.test,192.0.2.1", key(1))
        + line("[git.test]:2222", key(2))
        + line("x.test", key(3))
    )
    assert host_keys([text], ["git.test"]) == {key(1): "git.test", key(2): "git.test"}


@pytest.mark.parametrize(
    "hosts", ["*", "*.test", "!git.test", "git.test.evil.test", "|1|broken", "|1|!!|!!", "git?test"]
)
def test_patterns_name_nobody(hosts):
    assert host_keys([line(hosts, key(1))], ["git.test"]) == {}


def test_revoked_keys_and_authorities_are_no_host_keys():
    text = line("git.test", key(1)) + line("*", key(1), "@revoked") + line("git.test", key(2), "@cert-authority")
    assert host_keys([text], ["git.test"]) == {}


@pytest.mark.needs("program:ssh-keygen")
def test_hashed_names_are_found(tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(line("git.test", key(1)) + line("other.test", key(2)))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "git.test" not in file.read_text()
    assert host_keys([file.read_text()], ["git.test"]) == {key(1): "git.test"}


@pytest.mark.needs("program:ssh-keygen")
def test_what_is_written_is_understood(tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(known_hosts_lines({key(1): "git.test"}))
    found = subprocess.run(
        ["ssh-keygen", "-F", "git.test", "-f", str(file)], check=True, capture_output=True, text=True
    )
    assert base64.b64encode(key(1)).decode() in found.stdout


@given(st.text(max_size=200))
def test_any_text_is_read(text):
    assert all(host == "git.test" for host in host_keys([text], ["git.test"]).values())

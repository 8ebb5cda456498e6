"""Advice on profiles that are valid and generous."""

from __future__ import annotations

import pytest

from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.findings import findings_of
from gmcp_sandbox.policy.parse import parse_profile

SMALL = """
name = "small"
tier = "limited"
[[mounts]]
path = "/usr"
mode = "ro"
label = "system"
exec = true
[[mounts]]
path = "${workspace}"
mode = "rw"
label = "workspace"
[[capabilities]]
tools = ["fs.read", "proc.exec"]
labels = ["system"]
[[rates]]
tools = ["proc.exec"]
per_second = 1
burst = 1
[environment]
allow = ["PATH"]
"""


def remarks(text: str) -> str:
    profile = parse_profile([Source("x.toml", text)], {"workspace": "/home/u/w", "home": "/home/u"})
    return "\n".join(f"{finding.key}: {finding.text}" for finding in findings_of(profile, "/home/u"))


def test_a_careful_profile_has_none() -> None:
    assert remarks(SMALL) == ""


@pytest.mark.parametrize(
    ("old", "new", "remark"),
    [
        ('path = "${workspace}"', 'path = "${home}"', "shows the whole home directory"),
        ('label = "workspace"', 'label = "private"', "is private and read-write"),
        ('label = "workspace"', 'label = "workspace"\ncaching = "sensitive"', "SQLite"),
        ('label = "workspace"', 'label = "workspace"\nexec = true', "proc.exec is not granted"),
        ('labels = ["system"]', 'labels = ["system", "secret"]', "credentials can be read"),
        ('labels = ["system"]', 'labels = ["system", "scratch"]', "no tree of that label has `exec`"),
        ('"fs.read", ', '"fs.write", ', "files of the host or the user can be changed"),
        ('["PATH"]', '["PATH", "GITHUB_TOKEN"]', "may carry a credential"),
        ('tools = ["proc.exec"]', 'tools = ["fs.read"]', "without a rate"),
    ],
)
def test_generosity_is_remarked(old: str, new: str, remark: str) -> None:
    assert old in SMALL
    assert remark in remarks(SMALL.replace(old, new))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[net.allow]]\nhosts = ["git.test"]\naddresses = ["10.0.0.0/8"]\n', None),
        ('[[net.allow]]\nhosts = ["*"]\n', None),
        ('[[net.allow]]\nhosts = ["*.test"]\naddresses = ["10.0.0.0/8"]\n', "point it at 10.0.0.0/8"),
        ('[[net.allow]]\nhosts = ["*"]\nraw = true\n', "anything may be sent to any host"),
        ('[[net.allow]]\nhosts = ["a.test"]\nports = [80]\naddresses = ["127.0.0.1"]\n', "host's loopback"),
        ('[[net.allow]]\nhosts = ["a.test"]\n[net]\nproxy_resolves = true\n', "the proxy alone decides"),
    ],
)
def test_networks_that_give_much_are_said(text: str, expected: str | None) -> None:
    profile = parse_profile([Source("x.toml", SMALL + text)], {"workspace": "/w", "home": "/h", "user": "u"})
    found = [finding.text for finding in findings_of(profile, "/h") if finding.key.startswith("net")]
    assert (expected is None and found == []) or any(expected is not None and expected in text for text in found)


def test_generous_servers() -> None:
    servers = """
[mcp.servers.a]
command = "a"
where = "host"
tools = ["*"]
flows_to = ["*"]
[mcp.servers.b]
command = "b"
tools = ["*"]
sampling = true
elicitation = true
[mcp.servers.c]
command = "c"
tools = ["*"]
"""
    assert remarks(SMALL + servers).splitlines() == [
        "mcp.servers.a: runs on the host with all your rights",
        "mcp.servers.a: what it returns may go to every other server",
        "mcp.servers.b: it may ask the model and the user",
    ]

"""The first profile of a project."""

from __future__ import annotations

import re
import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.monitor.shipped import shipped_profile
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.parse import parse_profile
from gmcp_sandbox.policy.profile import Profile
from gmcp_sandbox.policy.starting import Language, Origin, Remote, starting_profile, tidied

ORIGINS = (Origin("packages.example.com", "package-lock.json"), Origin("10.1.2.3", "pip.conf"))
REMOTES = (Remote("git.example.com"), Remote("code.example.com", 2222))
SHIPPED = [Source(name, shipped_profile(name)) for name in ("constitution", "default")]
VARIABLES = {"workspace": "/ws", "home": "/home/u", "user": "u"}


def parsed(text: str) -> Profile:
    return parse_profile([*SHIPPED, Source("gmcp.toml", text)], VARIABLES)


def awake(text: str) -> str:
    """Switch every dormant setting on."""
    return re.sub(r'^#(?=[^ \n]|    ")', "", text, flags=re.MULTILINE)


def test_as_it_stands_it_is_the_default() -> None:
    mine = parsed(starting_profile("My App", list(Language), ORIGINS, REMOTES))
    default = parse_profile(SHIPPED, VARIABLES)
    assert mine.name == "my-app"
    assert msgspec.structs.replace(mine, name="default", digest="") == msgspec.structs.replace(default, digest="")


@pytest.mark.parametrize("language", list(Language))
def test_switched_on_it_is_a_profile(language: Language) -> None:
    mine = parsed(awake(starting_profile("app", [language], ORIGINS, REMOTES)))
    assert mine.persist_home
    assert mine.net is not None
    assert [(rule.hosts, rule.ports, rule.raw) for rule in mine.net.allow] == [
        (("packages.example.com", "10.1.2.3", "git.example.com"), ((80, 80), (443, 443)), False),
        (("code.example.com",), ((2222, 2222),), True),
    ]
    assert mine.net.ssh_hosts == ("code.example.com",)
    assert any(rule.pattern.startswith("/ws/") for rule in mine.path_rules[-1:])


@given(st.text(), st.lists(st.sampled_from(list(Language)), unique=True))
def test_any_name_gives_a_document(name: str, languages: list[Language]) -> None:
    assert tomllib.loads(starting_profile(name, languages, (), ()))["extends"] == "default"
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", tidied(name))


def test_a_project_that_names_hosts_gets_no_network_by_that() -> None:
    text = starting_profile("app", [], ORIGINS, REMOTES)
    assert parsed(text).net is None
    assert "packages.example.com" in text


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "0x7f000001", "224.0.0.1", "198.18.0.5", "host.gmcp.internal", "0.0.0.0"],
)
def test_a_host_that_no_profile_may_grant_is_left_out(host: str) -> None:
    text = starting_profile("app", [], (Origin(host, "pip.conf"),), (Remote(host, 22), Remote("git.example.com")))
    assert host not in text
    assert parsed(awake(text)).net is not None


def test_without_hosts_there_is_an_example_to_fill_in() -> None:
    text = starting_profile("app", list(Language), (), ())
    network = parsed(awake(text)).net
    assert network is not None
    assert [rule.hosts for rule in network.allow] == [("example.com",)]

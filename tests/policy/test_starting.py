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
from gmcp_sandbox.policy.starting import Language, starting_profile, tidied

HOSTS = ("git.example.com", "198.51.100.7")
SHIPPED = [Source(name, shipped_profile(name)) for name in ("constitution", "default")]
VARIABLES = {"workspace": "/ws", "home": "/home/u", "user": "u"}


def parsed(text: str) -> Profile:
    return parse_profile([*SHIPPED, Source("gmcp.toml", text)], VARIABLES)


def awake(text: str) -> str:
    """Switch every dormant setting on."""
    return re.sub(r'^#(?=[^ \n]|    ")', "", text, flags=re.MULTILINE)


def test_as_it_stands_it_is_the_default() -> None:
    mine = parsed(starting_profile("My App", list(Language), HOSTS))
    default = parse_profile(SHIPPED, VARIABLES)
    assert mine.name == "my-app"
    assert msgspec.structs.replace(mine, name="default", digest="") == msgspec.structs.replace(default, digest="")


@pytest.mark.parametrize("language", list(Language))
def test_switched_on_it_is_a_profile(language: Language) -> None:
    mine = parsed(awake(starting_profile("app", [language], HOSTS)))
    assert mine.persist_home
    assert any(capability.objects == HOSTS for capability in mine.capabilities)
    assert any(rule.pattern.startswith("/ws/") for rule in mine.path_rules[-1:])


@given(st.text(), st.lists(st.sampled_from(list(Language)), unique=True))
def test_any_name_gives_a_document(name: str, languages: list[Language]) -> None:
    assert tomllib.loads(starting_profile(name, languages, ()))["extends"] == "default"
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", tidied(name))

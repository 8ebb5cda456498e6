"""Named lists of hosts and paths."""

from __future__ import annotations

import pytest

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.shipped import shipped_profile
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.parse import parse_profile
from gmcp_sandbox.policy.profile import Profile

VARIABLES = {"workspace": "/ws", "home": "/home/u", "user": "u"}
SHIPPED = [Source(name, shipped_profile(name)) for name in ("constitution", "default")]
SETS = '[sets]\nforge = ["git.example.com", "*.code.example.com"]\nplans = ["${workspace}/plans/**", "*.plan"]\n'
HOSTS = '[[net.allow]]\nhosts = ["@forge", "198.51.100.7"]\n'
PATHS = '[[paths]]\nlabel = "watched"\nmatch = ["@plans"]\nunless = ["x", "@plans"]\n'
RULE = '[[rules]]\nid = "only-forge"\ntext = "No."\neffect = "deny"\nhosts = ["*"]\nunless = ["@forge"]\n'


def parsed(*texts: str) -> Profile:
    sources = [Source(f"{at}.toml", f'name = "p"\nextends = "default"\n{text}') for at, text in enumerate(texts)]
    return parse_profile([*SHIPPED, *sources], VARIABLES)


def hosts(profile: Profile) -> list[tuple[str, ...]]:
    assert profile.net is not None
    return [rule.hosts for rule in profile.net.allow]


def test_a_set_stands_for_its_members() -> None:
    found = parsed(SETS + HOSTS + PATHS + RULE)
    assert hosts(found) == [("git.example.com", "*.code.example.com", "198.51.100.7")]
    assert [rule.pattern for rule in found.path_rules[-2:]] == ["/ws/plans/**", "*.plan"]
    assert found.path_rules[-1].unless == ("x", "/ws/plans/**", "*.plan")
    assert found.rules[-1].unless == ("git.example.com", "*.code.example.com")


def test_sets_are_inherited_and_replaced_from_there_on() -> None:
    found = parsed(SETS + HOSTS, '[sets]\nforge = ["other.example.com"]\n' + HOSTS)
    assert hosts(found) == [
        ("git.example.com", "*.code.example.com", "198.51.100.7"),
        ("other.example.com", "198.51.100.7"),
    ]


def test_what_a_set_and_the_list_both_say_stands_once() -> None:
    found = parsed(SETS + HOSTS.replace("198.51.100.7", "git.example.com"))
    assert hosts(found) == [("git.example.com", "*.code.example.com")]


def test_a_path_that_begins_with_an_at_sign_is_escaped() -> None:
    assert parsed(PATHS.replace('"@plans"', '"\\\\@plans"')).path_rules[-1].pattern == "\\@plans"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (SETS + HOSTS.replace("forge", "forgee"), "there is no set '@forgee'", "did you mean 'forge'?"),
        (HOSTS, "there is no set", r"define it in \[sets\]"),
        ('[sets]\na = ["@b"]\n', "holds no other set", ""),
        ('[sets]\na = ["x", "x"]\n', "holds something twice", ""),
        ("[sets]\na = []\n", "must not be empty", ""),
        ('[sets]\n"a b" = ["x"]\n', "sets", ""),
        (SETS + HOSTS.replace("@forge", "@plans"), "no host name", ""),
        (SETS + HOSTS.replace('"@forge"', '"@forge", "@forge"'), "stands twice", ""),
    ],
)
def test_wrong_sets(text: str, message: str, hint: str) -> None:
    with pytest.raises(ProfileError, match=message) as caught:
        parsed(text)
    assert hint.replace("\\", "") in caught.value.hint

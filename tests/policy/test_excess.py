"""What exceeds the ceiling is said with file, line and key."""

from __future__ import annotations

import pytest

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.shipped import shipped_profile
from gmcp_sandbox.policy.ceiling import parse_ceiling
from gmcp_sandbox.policy.excess import refuse_excess
from gmcp_sandbox.policy.fields import Source

VARIABLES = {"workspace": "/ws", "home": "/home/u", "user": "u"}
SHIPPED = [(Source(name, shipped_profile(name)), True) for name in ("constitution", "default")]
CEILING = """
name = "acme"
tier = "standard"
[[capabilities]]
tools = ["fs.read", "fs.write"]
labels = ["workspace"]
[limits]
memory_bytes = "8GiB"
[approvals]
approver = "terminal"
deadline_seconds = 60
[mediation]
private = "every-read"
[probe]
required = true
deny_at = 2.0
ask_at = 1.0
tools = ["proc.exec"]
"""
HEAD = 'name = "mine"\nextends = "default"\n'


def refuse(text: str, ceiling: str = CEILING, *, is_shipped: bool = False) -> None:
    above = parse_ceiling([Source("ceiling.toml", ceiling)], VARIABLES)
    refuse_excess([*SHIPPED, (Source("mine.toml", HEAD + text), is_shipped)], VARIABLES, above)


@pytest.mark.parametrize(
    ("text", "place", "most"),
    [
        ('tier = "trusted"\n', "mine.toml:3: tier: 'trusted'", "at most 'standard'"),
        ('[limits]\nmemory_bytes = "9GiB"\n', "mine.toml:4: limits.memory_bytes: ", f"at most {8 << 30}"),
        ('[approvals]\napprover = "anyone"\n', "mine.toml:4: approvals.approver: anyone", "at most terminal"),
        ("[approvals]\ndeadline_seconds = 61\n", "mine.toml:4: approvals.deadline_seconds: 61", "at most 60"),
        ('[mediation]\nprivate = "open"\n', "mine.toml:4: mediation.private: 'open'", '"every-read" alone'),
        ("[probe]\nrequired = false\n", "mine.toml:4: probe.required: doing without a model", "true alone"),
        ("[probe]\ndeny_at = 2.5\n", "mine.toml:4: probe.deny_at: 2.5", "at most 2"),
        ("[probe]\nask_at = 1.5\n", "mine.toml:4: probe.ask_at: 1.5", "at most 1"),
        ("[probe]\nalpha = 9\n", "mine.toml:4: probe.alpha: 9", "that of the model alone"),
        ('[probe]\ntools = ["fs.read"]\n', "mine.toml:4: probe.tools: not probing proc.exec", "lists that hold"),
        (
            '[[capabilities]]\ntools = ["fs.read"]\nlabels = ["workspace", "secret"]\n',
            "mine.toml:3: capabilities[0]: fs.read on secret",
            "it nowhere",
        ),
        (
            '[[approvals.grants]]\nreasons = ["probe.dangerous"]\ntools = ["fs.read"]\nobjects = ["/x"]\n',
            "mine.toml:4: approvals.grants[0].reasons: answering 'probe.dangerous' in advance",
            "no answer in advance",
        ),
        ("ptrace = true\n", "mine.toml:3: ptrace: `ptrace = true`", "no debuggers"),
        ('[[net.allow]]\nhosts = ["example.com"]\n', "mine.toml:3: net: a network", "none: it has no [net]"),
    ],
)
def test_more_than_the_ceiling_is_refused_at_its_place(text: str, place: str, most: str) -> None:
    with pytest.raises(ProfileError) as caught:
        refuse(text)
    assert str(caught.value).startswith(place)
    assert str(caught.value).endswith("exceeds the organisation's ceiling")
    assert caught.value.hint.startswith(f"the ceiling 'acme' of this organisation allows {most}")
    refuse(text, is_shipped=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        'tier = "standard"\n',
        '[limits]\nmemory_bytes = "8GiB"\nprocesses = 100000\n',
        '[approvals]\napprover = "none"\ndeadline_seconds = 60\n',
        '[mediation]\nprivate = "every-read"\nsecret = "open"\n',
        '[probe]\nrequired = true\ndeny_at = 1.5\nask_at = 0.5\ntools = ["fs.read", "proc.exec"]\n',
        '[[approvals.grants]]\nreasons = ["constitution.x"]\ntools = ["fs.read"]\nobjects = ["/x"]\n',
        '[[capabilities]]\ntools = ["fs.write"]\nlabels = ["workspace"]\n',
    ],
)
def test_what_is_within_it_stands(text: str) -> None:
    refuse(text)


def test_an_ancestor_that_is_not_shipped_is_looked_at_too() -> None:
    above = parse_ceiling([Source("ceiling.toml", CEILING)], VARIABLES)
    chain = [(Source("base.toml", HEAD + 'tier = "trusted"\n'), False), (Source("mine.toml", HEAD), False)]
    with pytest.raises(ProfileError, match=r"base\.toml:3: tier"):
        refuse_excess([*SHIPPED, *chain], VARIABLES, above)


def test_a_ceiling_that_has_all_probed_takes_no_shorter_list() -> None:
    with pytest.raises(ProfileError, match="not probing all that can be"):
        refuse('[probe]\ntools = ["fs.read"]\n', CEILING.replace('tools = ["proc.exec"]', "tools = []"))

"""Profiles from TOML: what is refused and how it is said, and how files join."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import SECRET, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.parse import parse_profile
from gmcp_sandbox.policy.profile import MountMode, PathRule, Profile, Tier

VARIABLES = {"workspace": "/home/u/w[1]", "home": "/home/u", "user": "u"}
SMALL = """
name = "small"
tier = "limited"

[[mounts]]
path = "${workspace}"
mode = "rw"
label = "workspace"

[[paths]]
label = "secret"
match = ["${workspace}/**/*.key", ".env"]
unless = [".env.example"]

[[capabilities]]
tools = ["fs.read"]
labels = ["workspace"]

[environment]
allow = ["PATH", "LC_*"]

[limits]
memory_bytes = "1GiB"
"""


def parse(*texts: str) -> Profile:
    return parse_profile([Source(f"{number}.toml", text) for number, text in enumerate(texts)], VARIABLES)


def fault(*texts: str) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        parse(*texts)
    return caught.value


def test_a_profile_comes_out_whole() -> None:
    profile = parse(SMALL)
    assert (profile.name, profile.tier) == ("small", Tier.LIMITED)
    assert [(mount.path, mount.source, mount.label) for mount in profile.mounts] == [
        ("/home/u/w[1]", "/home/u/w[1]", WORKSPACE)
    ]
    assert profile.limits.memory_bytes == 1 << 30
    assert profile.environment.allow == ("PATH", "LC_*")
    assert profile.capabilities[0].tools == (Tool.FS_READ,)


def test_debuggers_are_for_those_who_say_so() -> None:
    assert not parse(SMALL).ptrace
    assert not parse(SMALL.replace('tier = "limited"', 'tier = "limited"\nnested = false')).ptrace
    assert parse(SMALL.replace('tier = "limited"', 'tier = "limited"\nptrace = true')).ptrace


def test_variables_are_quoted_where_globs_stand() -> None:
    assert parse(SMALL).path_rules[0] == PathRule(r"/home/u/w\[1]/**/*.key", SECRET, (".env.example",))


def test_the_digest_follows_the_content() -> None:
    assert parse(SMALL).digest == parse(SMALL + "\n# a comment\n").digest
    assert parse(SMALL).digest != parse(SMALL.replace('".env"', '".envx"')).digest
    assert len(parse(SMALL).digest) == 64


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ('tier = "limited"', 'teir = "limited"', "0.toml:3: teir: unknown key", "did you mean 'tier'?"),
        ('mode = "rw"', 'mod = "rw"', "0.toml:7: mounts[0].mod: unknown key", "did you mean 'mode'?"),
        ('mode = "rw"', 'mode = "wr"', "0.toml:7: mounts[0].mode", "known are: hidden, ro, rw, scratch"),
        (
            'label = "workspace"',
            'label = "workplace"',
            "0.toml:8: mounts[0].label: unknown label",
            "did you mean 'workspace'?",
        ),
        ('"fs.read"', '"fs.raed"', "0.toml:16: capabilities[0].tools[0]", "did you mean 'fs.read'?"),
        ('["fs.read"]', "[]", "0.toml:16: capabilities[0].tools: must not be empty", ""),
        ('["PATH", "LC_*"]', "[]", "0.toml:20: environment.allow: must not be empty", ""),
        ('["PATH", "LC_*"]', '["*"]', "0.toml:20: environment.allow", ""),
        ('["PATH", "LC_*"]', '["PATH", "PATH"]', "PATH stands twice", ""),
        ('"${workspace}"', '"work"', "0.toml:6: mounts[0].path: 'work' is no absolute path", "start it with /"),
        ('"${workspace}"', '"/a/../b"', "`..`", ""),
        ('"${workspace}"', '"/"', "the root cannot be mounted", ""),
        ('"${workspace}"', '"${worksapce}"', "unknown variable", "did you mean 'workspace'?"),
        ('".env"]', '"[a"]', "0.toml:12: paths[0].match", ""),
        ('".env"]', '".env", ".env"]', "stands twice", ""),
        ('"1GiB"', '"1 gig"', "0.toml:23: limits.memory_bytes", ""),
        ('"1GiB"', "-1", "is no size", ""),
        ('"1GiB"', "true", "limits.memory_bytes", ""),
        ('name = "small"', "name = 3", "0.toml:2: name", ""),
        ('labels = ["workspace"]', 'labels = ["outside"]', "nothing can be granted outside of the view", ""),
        ('tier = "limited"', "", "`tier` is missing", ""),
        ('tier = "limited"', 'tier = "limited"\nnested = true', "would be judged by nobody", "--no-sandbox"),
        ('tier = "limited"', 'tier = "limited"\ncapabilities = 3', "0.toml:16: not valid TOML", ""),
    ],
)
def test_a_mistake_is_named(old: str, new: str, message: str, hint: str) -> None:
    assert old in SMALL
    error = fault(SMALL.replace(old, new))
    assert message in str(error)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('[[rules]]\nid = "r"\ntext = "t"\neffect = "deny"\n', "without a selector"),
        ('[[rules]]\nid = "r"\ntext = "t"\neffect = "allow"\nlabels = ["secret"]\n', "rules[0].effect"),
        ('[[rates]]\ntools = ["fs.read"]\nper_second = 0\nburst = 1\n', "rates[0].per_second"),
        ('[[mounts]]\npath = "/x"\nmode = "hidden"\nlabel = "secret"\n', "a hidden tree has no label"),
        ('[[mounts]]\npath = "/x"\nmode = "scratch"\nlabel = "scratch"\nsource = "/y"\n', "has no source"),
        ('[[mounts]]\npath = "/x"\nmode = "ro"\n', "`label` is missing"),
        ('[[mounts]]\npath = "${workspace}"\nmode = "ro"\nlabel = "system"\n', "stands twice"),
        ('[[capabilities]]\ntools = ["fs.read", "net.connect"]\nlabels = ["system"]\nobjects = ["/x"]\n', "one kind"),
        ('[home]\nfiles = ["../x"]\n', "no path below"),
        ("[probe]\nask_at = 3.0\ndeny_at = 2.0\n", "`ask_at`"),
        ("[limits.x]\n", "not valid TOML"),
    ],
)
def test_a_part_that_makes_no_sense_is_refused(more: str, message: str) -> None:
    assert message in str(fault(SMALL + more if "limits" not in more else SMALL + more * 2))


def test_files_join() -> None:
    child = """
name = "child"
tier = "untrusted"
replaces = ["capabilities"]
[[mounts]]
path = "${workspace}"
mode = "ro"
label = "workspace"
[[capabilities]]
tools = ["fs.stat"]
labels = ["workspace"]
[environment]
allow = ["HOME"]
[limits]
processes = 7
"""
    profile = parse(SMALL, child)
    assert (profile.name, profile.tier) == ("child", Tier.UNTRUSTED)
    assert [mount.mode for mount in profile.mounts] == [MountMode.RO]
    assert [capability.tools for capability in profile.capabilities] == [(Tool.FS_STAT,)]
    assert profile.environment.allow == ("PATH", "LC_*", "HOME")
    assert (profile.limits.processes, profile.limits.memory_bytes) == (7, 1 << 30)
    assert len(profile.path_rules) == 2


def test_what_cannot_be_replaced_is_said() -> None:
    error = fault(SMALL, 'name = "x"\nreplaces = ["capability"]\n')
    assert "cannot be replaced" in str(error)
    assert error.hint == "did you mean 'capabilities'?"


@given(st.one_of(st.text(max_size=200), st.tuples(st.just(SMALL), st.text(max_size=60)).map("\n".join)))
def test_any_text_gives_a_profile_or_its_one_error(text: str) -> None:
    try:
        parse(text)
    except ProfileError:
        pass


@given(st.integers(0, len(SMALL)), st.sampled_from(["[", "]", '"', "=", "\n", "x", "[[", "{}", "1", "\\u0000"]))
def test_a_damaged_profile_gives_its_one_error_or_a_profile(place: int, junk: str) -> None:
    try:
        parse(SMALL[:place] + junk + SMALL[place:])
    except ProfileError:
        pass

"""Calls that stand for many."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from gmcp_sandbox.calls.labels import WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.pipeline.schema import Schema
from gmcp_sandbox.policy import sample
from gmcp_sandbox.policy.match import compile_globs
from gmcp_sandbox.policy.state import SessionState

PROFILE = load_profile("default", workspace=Path("/ws"), home=Path("/home/u"))
STATE = SessionState(PROFILE.tier)


def test_every_tool_is_in_it_and_every_call_is_well_formed() -> None:
    calls = [
        *sample.calls_on_path("/ws/a", WORKSPACE),
        *sample.calls_to_host(sample.Place("example.com")),
        *sample.calls_of_mcp("server/tool"),
        *sample.start_of_program("/usr/bin/git", ["git", "push"], WORKSPACE),
    ]
    assert {call.tool for call in calls} == set(Tool)
    assert [call for call in calls if Schema().judge(call, STATE).outcome != "allow"] == []


@pytest.mark.parametrize(
    "pattern", [".env", "*.pem", "/ws/**/*.env", "/etc/shadow*", ".ssh/**", "a?c", "[ab]c", r"\*x", "**/x", "x/**/y"]
)
def test_a_path_that_stands_for_a_glob_matches_it(pattern: str) -> None:
    assert compile_globs([pattern])(sample.standing_for(pattern, "/ws"))


def test_every_path_rule_of_the_default_has_a_path_in_it() -> None:
    paths = sample.paths_of([PROFILE], "/ws")
    for rule in PROFILE.path_rules:
        assert any(map(compile_globs([rule.pattern]), paths)), rule.pattern


def test_the_sample_is_the_same_each_time() -> None:
    for one, other in itertools.pairwise([sample.paths_of([PROFILE], "/ws")] * 2):
        assert one == other
    assert sample.Place("example.com") in sample.places_of([PROFILE])
    assert "server/tool" in sample.mcp_of([PROFILE])
    assert any(words[:1] == ("git",) for words in sample.commands_of([PROFILE]))

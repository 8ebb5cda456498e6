"""`profile show`: a profile, `extends` resolved, and what it says of one path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gmcp_sandbox.cli.terminal import visible

if TYPE_CHECKING:
    from gmcp_sandbox.calls.labels import Label
    from gmcp_sandbox.policy.profile import Capability, PathRule, Profile, RateLimit


WINS = "  (the highest: wins)"


def whole(profile: Profile) -> Iterator[str]:
    """Return the profile in lines."""
    yield f"profile      {profile.name} ({profile.digest[:16]})"
    yield f"tier         {profile.tier.name.lower()}"
    yield f"toolchains   {'shown' if profile.toolchains else 'not shown'}"
    yield f"home         {'kept' if profile.persist_home else 'gone with the session'}"
    yield f"debuggers    {'may trace' if profile.ptrace else 'cannot trace'} the agent's own processes"
    ceiling = profile.ceiling
    if ceiling is not None:
        yield f"ceiling      {ceiling.name} ({ceiling.digest[:16]}), tier {ceiling.tier.name.lower()}"
    yield "\nview"
    for mount in profile.mounts:
        right = "exec" if mount.executable else "-"
        yield f"  {mount.mode:<8} {mount.label.name:<10} {right:<5} {visible(mount.path)}"
    for name in profile.home_files:
        yield f"  {'ro':<8} {'private':<10} {'-':<5} ~/{visible(name)}"
    yield "\ngranted"
    yield from _capabilities(profile.capabilities)
    if ceiling is not None:
        yield "\ngranted by the ceiling, too"
        yield from _capabilities(ceiling.capabilities)
    yield "\nnetwork"
    yield from _network(profile)
    yield "\nMCP servers"
    yield from _servers(profile)
    yield "\nlabels by path"
    for label in dict.fromkeys(rule.label.name for rule in profile.path_rules):
        count = sum(rule.label.name == label for rule in profile.path_rules)
        yield f"  {label:<10} {count} globs"
    yield "\nrates"
    for rate in profile.rates:
        yield f"  {rate.per_second:g}/s, burst {rate.burst}: {' '.join(rate.tools)}{_subject(rate)}"
    yield "\nprinciples"
    for rule in profile.rules:
        yield f"  {rule.effect:<5} {rule.id}: {visible(rule.text)}"
    yield "\nenvironment\n  " + " ".join(profile.environment.allow)


def _subject(rate: RateLimit) -> str:
    if rate.server is not None:
        return f" of {rate.server}: {' '.join(map(visible, rate.names or ('*',)))}"
    return "" if rate.hosts is None else " to " + " ".join(map(visible, rate.hosts))


def _servers(profile: Profile) -> Iterator[str]:
    from gmcp_sandbox.policy.mcpdescribe import describe_mcp

    yield from (f"  {visible(line)}" for line in describe_mcp(profile.mcp))


def _network(profile: Profile) -> Iterator[str]:
    from gmcp_sandbox.policy.describe import describe_network

    yield from (f"  {visible(line)}" for line in describe_network(profile.net))
    if profile.ceiling is None:
        return
    if profile.ceiling.net is None:
        yield "  the ceiling has no [net]: no profile of this host has a network"
    elif profile.net is not None:
        yield "  by the ceiling, too:"
        yield from (f"    {visible(line)}" for line in describe_network(profile.ceiling.net))


def _capabilities(capabilities: Iterable[Capability]) -> Iterator[str]:
    for capability in capabilities:
        objects = "" if capability.objects is None else " under " + " ".join(map(visible, capability.objects))
        yield f"  {' '.join(capability.tools)} on {' '.join(capability.labels)}{objects}"


def explain(profile: Profile, path: str, *, workspace: Path, home: Path) -> Iterator[str]:
    """Return which label a path has, which rule or tree gives it, and what may be done there, in lines."""
    from gmcp_sandbox.monitor.resolve import resolve_view
    from gmcp_sandbox.policy.guards import guard_for
    from gmcp_sandbox.policy.labelling import Labeller

    path = "/" + os.path.normpath(os.path.join(workspace, os.path.expanduser(path))).lstrip("/")
    view = resolve_view(profile, workspace=workspace, home=home, environ=os.environ)
    rules = profile.path_rules + view.path_rules
    label = Labeller(view.mounts, rules, view.symlinks).of(path)
    mount = view.mount_of(path)
    shown = "nothing shows it" if mount is None else f"{mount.mode} tree {mount.path}"
    yield f"{visible(path)}: {label.name} ({visible(shown)})"
    matching = list(_matching(rules, path))
    if mount is not None:
        is_topped = any(rule.label == label and not is_excepted for rule, is_excepted in matching)
        yield f"  tree     {visible(mount.path)} says {mount.label.name}{'' if is_topped else WINS}"
    yield from _rules(matching, label)
    yield from _rights(profile, path, label)
    if guard_for(path) is not None:
        yield "  guarded  by what it would come to say (git configuration)"


def _matching(rules: Iterable[PathRule], path: str) -> Iterator[tuple[PathRule, bool]]:
    """Return the rules that match a path, each with whether it makes an exception there."""
    from gmcp_sandbox.policy.match import compile_globs

    for rule in dict.fromkeys(rules):
        if compile_globs([rule.pattern])(path):
            yield rule, compile_globs(rule.unless)(path)


def _rules(matching: Iterable[tuple[PathRule, bool]], label: Label) -> Iterator[str]:
    is_won = False
    for rule, is_excepted in matching:
        note = ", but not here" if is_excepted else ""
        if not is_excepted and not is_won and rule.label == label:
            note, is_won = WINS, True
        yield f"  rule     {visible(rule.pattern)} says {rule.label.name}{note}"


def _rights(profile: Profile, path: str, label: Label) -> Iterator[str]:
    """Ask the trust layer itself, tool by tool."""
    from gmcp_sandbox.pipeline.trust import Trust
    from gmcp_sandbox.policy.sample import calls_on_path
    from gmcp_sandbox.policy.state import SessionState

    trust, state = Trust(profile), SessionState(profile.tier)
    granted: list[str] = []
    denied: dict[str, list[str]] = {}
    for call in calls_on_path(path, label):
        verdict = trust.judge(call, state)
        why = f"{verdict.reason} {verdict.detail}".rstrip()
        (granted if verdict.outcome == "allow" else denied.setdefault(why, [])).append(call.tool.value)
    if granted:
        yield f"  granted  {' '.join(granted)}"
    for why, tools in denied.items():
        yield f"  denied   {' '.join(tools)}: {why}"

"""`profile diff`: which calls two profiles answer differently.

A sample is judged under both: every tool on objects that stand for what either profile names, with the label that each
gives them, in a fresh session and in one that has read a secret. Rates are left out; what is no call (limits,
environment, …) is named when it differs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gmcp_sandbox.calls.labels import BUILTIN, NETWORK, OUTSIDE, SECRET, TOOL
from gmcp_sandbox.calls.tools import NETWORK_TOOLS
from gmcp_sandbox.calls.verdicts import Layer
from gmcp_sandbox.cli.terminal import columns, visible
from gmcp_sandbox.pipeline.pipeline import Pipeline, layers_of
from gmcp_sandbox.policy import sample
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.state import SessionState

if TYPE_CHECKING:
    from gmcp_sandbox.calls.call import ToolCall
    from gmcp_sandbox.calls.labels import Label
    from gmcp_sandbox.policy.profile import Profile

SAME, DIFFERENT = 0, 1
_SHOWN = 3
_NAMES = {"name", "digest"}
_IN_CALLS = _NAMES | {"tier", "net", "mounts", "symlinks", "path_rules", "capabilities", "rules", "ceiling"}
"""Parts that the sample tells of."""


ANYTHING = "/any/file"
"""Stands for an object that no pattern names."""
_Question = tuple[Callable[["Label"], "Iterator[ToolCall]"], str]


class Change(NamedTuple):
    """One call that is answered differently."""

    old: str
    new: str
    tool: str
    object: str
    label: str
    reason: str
    when: str


def run_diff(args: argparse.Namespace) -> int:
    """Print the differences; return 0 when there are none, else 1.

    Raises:
        ProfileError: One of both is wrong.
    """
    from gmcp_sandbox.monitor.profiles import load_profile

    workspace = Path(args.workspace or os.getcwd()).resolve()
    home = Path(os.environ.get("HOME") or os.path.expanduser("~"))
    first, second = (load_profile(name, workspace=workspace, home=home) for name in (args.first, args.second))
    changes = list(compare(first, second, str(workspace)))
    for line in _lines(changes, None if args.all else _SHOWN):
        print(line)
    if not changes:
        print("no call of the sample changes")
    told = _IN_CALLS if changes else _NAMES
    others = [name for name in _parts(first) if name not in told and getattr(first, name) != getattr(second, name)]
    if others:
        print(f"no calls, but different: {', '.join(others)}")
    return DIFFERENT if changes or others else SAME


def compare(first: Profile, second: Profile, workspace: str) -> Iterator[Change]:
    """Return the calls of the sample that two profiles answer differently, most dangerous ones first."""
    found: dict[Change, None] = {}
    for taint, when in ((frozenset[str](), ""), (frozenset({SECRET.name}), "after reading a secret")):
        old, new = _Judge(first, taint), _Judge(second, taint)
        for make, object in _questions((first, second), workspace):
            for ours, theirs in zip(make(old.label(object)), make(new.label(object)), strict=True):
                (was, _), (now, reason) = old.ask(ours), new.ask(theirs)
                if was != now:
                    found[Change(was, now, ours.tool.value, _named(ours), theirs.label.name, reason, when)] = None
    fresh = {change[:4] for change in found if not change.when}
    kept = [change for change in found if not change.when or change[:4] not in fresh]
    return iter(sorted(kept, key=lambda change: (_openness(change.old) - _openness(change.new), change.when)))


class _Judge:
    """One profile, asked without rates."""

    def __init__(self, profile: Profile, taint: frozenset[str]) -> None:
        self._labeller = Labeller(profile.mounts, profile.path_rules, profile.symlinks)
        self._pipeline = Pipeline.of_layers([one for one in layers_of(profile) if one.name is not Layer.RATE], None)
        self._state = SessionState(profile.tier, taint)

    def label(self, path: str) -> Label:
        return self._labeller.of(path)

    def ask(self, call: ToolCall) -> tuple[str, str]:
        judgement = self._pipeline.judge(call, self._state)
        deciding = next((one for one in judgement.verdicts if one.outcome != "allow"), None)
        return judgement.outcome.value, "" if deciding is None else deciding.reason


def _questions(profiles: tuple[Profile, Profile], workspace: str) -> Iterator[_Question]:
    """Return, for every object of the sample, what makes calls of its label, and the path that has the label."""
    for path in sample.paths_of(profiles, workspace):
        yield partial(sample.calls_on_path, path), path
    for label in BUILTIN.values():
        if label not in (OUTSIDE, NETWORK, TOOL):
            yield _fixed(partial(sample.calls_on_path, ANYTHING, label)), ANYTHING
    for words in sample.commands_of(profiles):
        program = f"/usr/bin/{words[0].rpartition('/')[2]}"
        yield partial(sample.start_of_program, program, words), program
    for place in sample.places_of(profiles):
        yield _fixed(partial(sample.calls_to_host, place)), workspace
    for name in sample.mcp_of(profiles):
        yield _fixed(partial(sample.calls_of_mcp, name)), workspace


def _fixed(make: Callable[[], Iterator[ToolCall]]) -> Callable[[Label], Iterator[ToolCall]]:
    """Return a maker of calls that do not depend on the label of a path."""
    return lambda _label: make()


def _named(call: ToolCall) -> str:
    argv = getattr(call.args, "argv", None)
    if argv is not None:
        return " ".join(argv)
    return "anything else" if call.object == ANYTHING else call.object + _detail(call)


def _detail(call: ToolCall) -> str:
    """Return what else of a call to a host matters: port, protocol, request."""
    if call.tool not in NETWORK_TOOLS:
        return ""
    port, raw = getattr(call.args, "port", None), getattr(call.args, "raw", None)
    words = [getattr(call.args, name, None) for name in ("protocol", "method", "path")]
    rest = [word for word in (*words, "raw" if raw else None) if word]
    return "".join([f":{port}" if port else "", *(f" {word}" for word in rest)])


def _openness(outcome: str) -> int:
    return ("deny", "ask", "allow").index(outcome)


def _lines(changes: list[Change], shown: int | None) -> list[str]:
    """Fold changes that differ in their object alone."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for old, new, tool, object, label, reason, when in changes:
        groups.setdefault((f"{old} → {new}", tool, f"[{label}]", reason, when), []).append(visible(object))
    rows = []
    for (direction, tool, label, reason, when), objects in groups.items():
        more = "" if shown is None or len(objects) <= shown else f" and {len(objects) - shown} more"
        why = "  ".join(word for word in (reason, when) if word)
        rows.append((direction, tool, label, f"{', '.join(objects[:shown])}{more}" + (f"  ({why})" if why else "")))
    return columns(rows)


def _parts(profile: Profile) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(profile))

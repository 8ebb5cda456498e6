"""`why`: explain one decision of a log, layer by layer, and what would have to change for another one.

The change is tried before it is shown: the call is judged anew, without running anything, under the profile with the
change in it. What cannot be tried (content that was not kept, counters, the gate) is said.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gmcp_sandbox.audit.entries import CallEntry, GenesisEntry
    from gmcp_sandbox.calls.call import ToolCall
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.monitor.statedir import SessionDir
    from gmcp_sandbox.policy.profile import Profile

_MOST_CHANGES = 4


class _Outcome(NamedTuple):
    """What trying changes came to."""

    changes: list[str]
    rest: str
    """Why the call would still be denied; empty when it would pass."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "why",
        help="explain a decision",
        description="Explain one decision layer by layer, with the smallest change of the profile that would alter it.",
        epilog="Example: gmcp-sandbox why 7f3a 412   (the number stands in `audit show --json` as seq)\n"
        "         gmcp-sandbox why 7f3a       (the last denial of the session)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("session", nargs="?", metavar="SESSION", help="beginning of its id (default: the newest)")
    parser.add_argument("seq", nargs="?", type=int, metavar="SEQ", help="number of the call (default: the last denial)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explain; 2 when there is no such decision."""
    session = _session(args.session)
    genesis, entry = _find(session, args.seq)
    print("\n".join(_verdicts(genesis, entry)))
    profile, note = _profile_of(session, genesis)
    if profile is not None:
        rule = next((rule for rule in profile.rules if entry.reason == f"constitution.{rule.id}"), None)
        if rule is not None:
            print(f"\nprinciple {rule.id}: {rule.text}")
    if entry.outcome == "deny":
        print()
        print("\n".join(_advice(entry, profile, note)))
    return 0


def _session(prefix: str | None) -> SessionDir:
    """Return the session whose id starts so, or the newest. Raises UsageError."""
    from gmcp_sandbox.cli.processes import by_start
    from gmcp_sandbox.errors import UsageError
    from gmcp_sandbox.monitor.statedir import StateDir

    state = StateDir.open()
    if prefix is not None:
        return state.find(prefix)
    found = [session for session in by_start(state.sessions()) if session.log.exists()]
    if not found:
        raise UsageError("there is no session yet", hint="gmcp-sandbox exec agent.py")
    return found[-1]


def _find(session: SessionDir, seq: int | None) -> tuple[GenesisEntry, CallEntry]:
    """Return the first record of a log and the decision that is meant. Raises UsageError."""
    from gmcp_sandbox.audit.entries import CallEntry, GenesisEntry
    from gmcp_sandbox.audit.query import read
    from gmcp_sandbox.errors import UsageError

    genesis = found = None
    for entry in read(str(session.path)):
        if isinstance(entry, GenesisEntry):
            genesis = entry
        elif isinstance(entry, CallEntry) and (entry.seq == seq or (seq is None and entry.outcome == "deny")):
            found = entry
    if genesis is None or found is None:
        what = f"session {session.id} has no decision {seq}" if seq is not None else "nothing was denied"
        raise UsageError(what, hint=f"gmcp-sandbox audit show {session.id} --json")
    return genesis, found


def _verdicts(genesis: GenesisEntry, entry: CallEntry) -> list[str]:
    """Return the decision and what each layer said."""
    from gmcp_sandbox.audit.encode import encode
    from gmcp_sandbox.cli.terminal import columns, visible

    head = f"{'DENY' if entry.outcome == 'deny' else 'ALLOW'} {entry.tool} {entry.object} [{entry.label}]"
    facts = f"  call {entry.seq}, process {entry.pid}, epoch {entry.epoch}, {entry.us} µs"
    if entry.taint:
        facts += f", after reading: {', '.join(entry.taint)}"
    rows = [_said(verdict) for verdict in (genesis.layers if isinstance(entry.verdicts, int) else entry.verdicts)]
    silent = [layer for layer in genesis.layers if visible(layer) not in {row[0].strip() for row in rows}]
    lines = [visible(head), f"  {encode(entry.args).decode()}", visible(facts), *columns(rows)]
    return [*lines, f"  not asked any more: {visible(', '.join(silent))}"] if silent else lines


def _said(verdict: Any) -> tuple[str, str, str]:
    """Return layer, outcome and why, as a line shows them. Raises AuditError for what is no verdict."""
    from gmcp_sandbox.cli.terminal import visible
    from gmcp_sandbox.errors import AuditError

    if isinstance(verdict, str):
        return f"  {visible(verdict)}", "allow", ""
    if not isinstance(verdict, list | tuple) or len(verdict) < 3:
        raise AuditError("a verdict of the record is none", hint="gmcp-sandbox audit verify")
    layer, outcome, reason, detail = (visible(str(word)) for word in (*verdict[:3], (verdict[3:] or [""])[0] or ""))
    score = verdict[4] if len(verdict) > 4 else None
    shown = f"score {score:.2f}" if isinstance(score, int | float) else ""
    return f"  {layer}", "DENY" if outcome == "deny" else outcome, f"{reason}  {detail}  {shown}".strip()


def _profile_of(session: SessionDir, genesis: GenesisEntry) -> tuple[Profile | None, str]:
    """Return the profile of a session as it is now, and what is to be said of that."""
    import os
    from pathlib import Path

    from gmcp_sandbox.errors import ProfileError
    from gmcp_sandbox.monitor.profiles import load_profile

    meta = session.meta()
    if meta is None:
        return None, "what the session was is lost"
    reference = meta.profile_path or meta.profile
    try:
        profile = load_profile(reference, workspace=Path(meta.workspace), home=Path(os.path.expanduser("~")))
    except ProfileError as error:
        return None, f"its profile cannot be read any more: {error}"
    same = profile.digest == genesis.profile.get("digest")
    return profile, "" if same else "the profile was changed since; this is about the one of today"


def _advice(entry: CallEntry, profile: Profile | None, note: str) -> list[str]:
    """Return what would alter the outcome."""
    lines = [f"note: {note}"] if note else []
    if profile is None:
        return lines
    call = _call_of(entry)
    if call is None:
        return [*lines, "the call cannot be asked again: its record was shortened or redacted"]
    changes, rest = _try(call, entry, profile)
    if not changes:
        return [*lines, f"no change of the profile alters this: {rest}" if rest else _BY_STATE]
    count = "this" if len(changes) == 1 else "these"
    lines.append(f"smallest change: with {count} in the profile, it would " + ("still be denied:" if rest else "pass:"))
    for text in changes:
        lines += ["", *(f"    {line}" for line in text.splitlines())]
    return [*lines, "", rest] if rest else lines


_BY_STATE = (
    "a fresh session would be allowed this: it was denied for what this one did before (a rate, a count, a fallen tier)"
)


def _try(call: ToolCall, entry: CallEntry, profile: Profile) -> _Outcome:
    """Mend one denial after the other, judging anew each time."""
    from gmcp_sandbox.calls.labels import is_taint
    from gmcp_sandbox.calls.verdicts import Outcome
    from gmcp_sandbox.cli.pinnedtools import learn_pinned
    from gmcp_sandbox.pipeline.pipeline import Pipeline
    from gmcp_sandbox.policy.approving import compile_grants
    from gmcp_sandbox.policy.remedies import remedy_for
    from gmcp_sandbox.policy.state import SessionState

    taint = frozenset(name for name in entry.taint if is_taint(name))
    changes: list[str] = []
    for _ in range(_MOST_CHANGES):
        state = SessionState(profile.tier, taint)
        learn_pinned(state, profile)
        judgement = Pipeline(profile, None).judge(call, state)
        asking = frozenset(one.reason for one in judgement.verdicts if one.outcome is Outcome.ASK)
        if judgement.outcome is Outcome.ALLOW or (asking and compile_grants(profile.approvals.grants)(call, asking)):
            return _Outcome(changes, "")
        verdict = next(one for one in judgement.verdicts if one.outcome is not Outcome.ALLOW)
        remedy = remedy_for(verdict, call, profile)
        if remedy is None:
            return _Outcome(changes, f"{verdict.reason}  {_HINTS.get(verdict.reason, verdict.detail)}".rstrip())
        changes.append(remedy.text)
        profile = remedy.profile
    return _Outcome(changes, "and more")


_HINTS = {
    "trust.outside_view": "(the view does not show it: add a [[mounts]] entry, and see `exec --dry-run`)",
    "trust.ceiling": "(the organisation's ceiling in /etc/gmcp-sandbox forbids it to every profile)",
    "trust.lowers_label": "(a name with a lower label would launder it)",
}


def _call_of(entry: CallEntry) -> ToolCall | None:
    """Return the call that a record tells of; None when it does not tell all of it."""
    import msgspec

    from gmcp_sandbox.calls.arguments import ARGUMENTS
    from gmcp_sandbox.calls.call import ToolCall
    from gmcp_sandbox.calls.labels import BUILTIN
    from gmcp_sandbox.calls.tools import Tool

    try:
        tool = Tool(entry.tool)
        args = msgspec.convert(entry.args, ARGUMENTS[tool])
        label = BUILTIN[entry.label]
    except (ValueError, KeyError, msgspec.ValidationError):
        return None
    return ToolCall(entry.seq, entry.at, "why", "why", entry.pid, tool, entry.object, args, label, entry.extent)

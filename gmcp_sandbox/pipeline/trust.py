"""Layer 2: the agent's tier reaches what is asked, and a capability of the profile grants it.

Both must hold. Default is deny: a (tool, label) that no capability names is denied, and so is any object whose label is
`outside`, and any move or link that would lower a label, whatever the profile says. A rename or a hard link needs the
grant for both of its paths.

Tiers: looking needs none beyond the grant; changing and running need `limited`; what the user or the host will trust
later (private files, watched files) needs `standard` to change; secrets and the system need `trusted`. Reading a secret
needs `trusted`, too: a profile that grants it to a lower tier contradicts itself, and the lower of both holds. Hosts
need `limited`, and are granted by `[net]` alone (`pipeline/reach.py`); MCP servers by `[mcp]` alone, which says
what each of their tools needs (`pipeline/servers.py`).

Where the organisation has a ceiling, its tier and its grants must hold as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from gmcp_sandbox.calls.arguments import FsCreate, FsRename, ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import BUILTIN, NETWORK, OUTSIDE, Label
from gmcp_sandbox.calls.tools import MCP_TOOLS, NETWORK_TOOLS, Tool
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.pipeline.layer import allow, deny
from gmcp_sandbox.pipeline.reach import Reach
from gmcp_sandbox.pipeline.servers import Servers
from gmcp_sandbox.policy.match import compile_globs
from gmcp_sandbox.policy.profile import Capability, Ceiling, Profile, Tier
from gmcp_sandbox.policy.state import SessionState

LOOKING = frozenset({Tool.FS_STAT, Tool.FS_LIST, Tool.FS_READ})
CHANGING = frozenset({Tool.FS_WRITE, Tool.FS_CREATE, Tool.FS_DELETE, Tool.FS_RENAME, Tool.FS_SETATTR})
_NAMING = frozenset({Tool.FS_RENAME, Tool.FS_CREATE})
_OUTSIDE = OUTSIDE.rank
_CHANGE_TIERS = {
    "scratch": Tier.UNTRUSTED,
    "workspace": Tier.LIMITED,
    "private": Tier.STANDARD,
    "watched": Tier.STANDARD,
}
_EXEC_TIERS = {
    "system": Tier.UNTRUSTED,
    "scratch": Tier.LIMITED,
    "workspace": Tier.LIMITED,
    "watched": Tier.LIMITED,
    "private": Tier.STANDARD,
}
_OTHER_TIERS = {Tool.FS_STAT: Tier.UNTRUSTED, Tool.FS_LIST: Tier.UNTRUSTED}

Matcher = Callable[[str], bool]
_Cell = tuple[Tier, Matcher | None]
"""The tier that is demanded, and which objects are granted (None: any)."""


def demanded(tool: Tool, label: Label) -> Tier:
    """Return the tier that a tool on an object with this label demands."""
    if tool in CHANGING:
        return _CHANGE_TIERS.get(label.name, Tier.TRUSTED)
    if tool is Tool.PROC_EXEC:
        return _EXEC_TIERS.get(label.name, Tier.TRUSTED)
    if tool is Tool.FS_READ:
        return {"secret": Tier.TRUSTED, "private": Tier.LIMITED}.get(label.name, Tier.UNTRUSTED)
    return _OTHER_TIERS.get(tool, Tier.LIMITED)


class Trust:
    """Judge by tier and grant."""

    name = Layer.TRUST

    def __init__(self, profile: Profile | Ceiling) -> None:
        self._tier = profile.tier
        ceiling = profile.ceiling if isinstance(profile, Profile) else None
        self._ceiling = None if ceiling is None else Trust(ceiling)
        self._cells = _compile(profile.capabilities)
        self._reach = Reach(profile.net)
        self._servers = Servers(profile.mcp, profile.tier)
        self._allow = allow(self.name)
        self._outside = deny(self.name, "outside_view")
        self._no_capability = deny(self.name, "no_capability")
        self._lowers = deny(self.name, "lowers_label")
        self._unannounced = deny(self.name, "unannounced")
        self._too_low = {tier: deny(self.name, "tier", f"demands {tier.name.lower()}") for tier in Tier}

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Allow what the tier reaches and a capability grants."""
        label = call.label
        if label.rank >= _OUTSIDE:
            return self._outside
        if call.tool in _NAMING and cast("FsRename | FsCreate", call.args).lowers:
            return self._lowers
        if call.tool is Tool.PROC_EXEC and cast(ProcExec, call.args).fault is not None:
            return self._unannounced
        if call.tool in NETWORK_TOOLS:
            return self._judge_host(call, state)
        if call.tool in MCP_TOOLS:
            return self._judge_server(call, state)
        return self._judge_path(call, state)

    def _judge_path(self, call: ToolCall, state: SessionState) -> Verdict:
        cell = self._cells[call.tool].get(call.label.name)
        if cell is None:
            return self._no_capability
        tier, matcher = cell
        if tier > state.tier or tier > self._tier:
            return self._too_low[tier]
        if matcher is not None and not _grants(matcher, call):
            return self._no_capability
        return self._allow if self._ceiling is None else self._below(self._ceiling, call, state)

    def _below(self, ceiling: Trust, call: ToolCall, state: SessionState) -> Verdict:
        """Allow what the organisation's ceiling grants as well."""
        verdict = ceiling.judge(call, state)
        if verdict.outcome is Outcome.ALLOW:
            return self._allow
        return deny(self.name, "ceiling", f"the organisation's ceiling: {verdict.detail or 'it does not grant it'}")

    def narrowed(self, old: SessionState, new: SessionState) -> set[tuple[Tool, str]]:
        """Return the (tool, label) pairs that the tier of the old state reached and that of the new one does not."""
        was, is_now = min(old.tier, self._tier), min(new.tier, self._tier)
        if is_now >= was:
            return set()
        return {
            (tool, label)
            for tool, cells in self._cells.items()
            for label, (tier, _matcher) in cells.items()
            if is_now < tier <= was
        }

    def _judge_host(self, call: ToolCall, state: SessionState) -> Verdict:
        tier = demanded(call.tool, call.label)
        if tier > state.tier or tier > self._tier:
            return self._too_low[tier]
        if call.label != NETWORK:
            return self._no_capability
        verdict = self._reach.judge(call, state)
        if self._ceiling is None or verdict.outcome is not Outcome.ALLOW:
            return verdict
        return self._below(self._ceiling, call, state)

    def _judge_server(self, call: ToolCall, state: SessionState) -> Verdict:
        """Allow what `[mcp]` grants, in the profile and in the ceiling."""
        verdict = self._servers.judge(call, state)
        if self._ceiling is None or verdict.outcome is not Outcome.ALLOW:
            return verdict
        return self._below(self._ceiling, call, state)


def second_path(call: ToolCall) -> str | None:
    """Return the other path in the view that a call is about: where a name moves, what a hard link names."""
    if call.tool is Tool.FS_RENAME:
        return cast(FsRename, call.args).target
    if call.tool is Tool.FS_CREATE:
        made = cast(FsCreate, call.args)
        return made.target if made.kind == "hardlink" else None
    return None


def _grants(matcher: Matcher, call: ToolCall) -> bool:
    other = second_path(call)
    return matcher(call.object) and (other is None or matcher(other))


def _compile(capabilities: Iterable[Capability]) -> dict[Tool, dict[str, _Cell]]:
    """Return one cell for every (tool, label) that any capability names; several grants of one cell add up."""
    objects: dict[tuple[Tool, str], list[str] | None] = {}
    for capability in capabilities:
        for tool in capability.tools:
            for label in capability.labels:
                known = objects.setdefault((tool, label), [])
                if known is not None:
                    objects[tool, label] = None if capability.objects is None else [*known, *capability.objects]
    cells: dict[Tool, dict[str, _Cell]] = {tool: {} for tool in Tool}
    for (tool, name), patterns in objects.items():
        if name == OUTSIDE.name:
            continue
        tier = demanded(tool, BUILTIN[name])
        cells[tool][name] = (tier, None if patterns is None else compile_globs(patterns))
    return cells

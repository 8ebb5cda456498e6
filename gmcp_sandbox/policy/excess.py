"""Where a profile asks for more than the organisation's ceiling gives: said with file, line and key, and refused.

Guarantees: what a file that is not shipped says of tier, limits, approvals, gate, mediation, grants and network is at
most what the ceiling says, else a `ProfileError`. What shipped files say is narrowed in silence (`policy/ceiling.py`),
and so is all that a comparison of patterns cannot find: this module explains, it does not enforce.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.approving import ApproverKind
from gmcp_sandbox.policy.build import Builder
from gmcp_sandbox.policy.ceiling import ORDER, has_scores, is_reason_of_ceiling
from gmcp_sandbox.policy.document import Document, ProbeTable
from gmcp_sandbox.policy.fields import Key, Source, read_document
from gmcp_sandbox.policy.mcpbuild import McpDraft
from gmcp_sandbox.policy.mcptables import McpTable
from gmcp_sandbox.policy.netexcess import refuse_network
from gmcp_sandbox.policy.profile import Ceiling, GateBounds, Tier
from gmcp_sandbox.policy.sections import limits_of


class Excess:
    """One file beside the ceiling."""

    def __init__(self, source: Source, ceiling: Ceiling) -> None:
        self.ceiling = ceiling
        self._source = source

    def fault(self, what: str, key: Key, most: object) -> ProfileError:
        """Return the error that names the place and what would be possible."""
        hint = f"the ceiling {self.ceiling.name!r} of this organisation allows {most}"
        return self._source.fault(f"{what} exceeds the organisation's ceiling", key, hint=hint)

    def number(self, value: float | None, bound: float | None, key: Key) -> None:
        """Refuse a number above its bound."""
        if value is not None and bound is not None and value > bound:
            raise self.fault(str(value), key, f"at most {bound}")


def refuse_excess(chain: Sequence[tuple[Source, bool]], variables: Mapping[str, str], ceiling: Ceiling) -> None:
    """Refuse what the files of a chain ask for above the ceiling.

    Args:
        chain: The files, the first ancestor first, and whether each is a shipped one.

    Raises:
        ProfileError: One of them asks for more.
    """
    sets: dict[str, tuple[str, ...]] = {}
    for source, is_shipped in chain:
        document = read_document(source)
        sets |= document.sets
        if not is_shipped:
            excess, builder = Excess(source, ceiling), Builder(source, variables, sets)
            _refuse_values(excess, document)
            _refuse_debuggers(excess, document)
            _refuse_limits(excess, builder, document)
            _refuse_gate(excess, document.probe)
            _refuse_capabilities(excess, document)
            refuse_network(excess, builder, document.net)
            _refuse_servers(excess, builder, document.mcp)


def _refuse_servers(excess: Excess, builder: Builder, table: McpTable | None) -> None:
    """Refuse servers that the ceiling does not have, or has in another form; what they may do is asked call by call."""
    if table is None:
        return
    above = excess.ceiling.mcp
    if above is None:
        raise excess.fault("an MCP server", ("mcp",), "none: it has no [mcp]")
    draft = McpDraft()
    draft.join(builder, table)
    for server in draft.servers.values():
        known = above.server(server.name)
        key: Key = ("mcp", "servers", server.name)
        if known is None:
            raise excess.fault(repr(server.name), key, ", ".join(each.name for each in above.servers))
        if known.identity != server.identity:
            raise excess.fault(f"another {server.name!r}", key, "the one that it describes, word for word")


def _refuse_values(excess: Excess, document: Document) -> None:
    ceiling = excess.ceiling
    if document.tier is not None and Tier[document.tier.upper()] > ceiling.tier:
        raise excess.fault(repr(document.tier), ("tier",), f"at most {ceiling.tier.name.lower()!r}")
    approvals = document.approvals
    if _is_wider(approvals.approver, ceiling.approver):
        raise excess.fault(f"{approvals.approver}", ("approvals", "approver"), f"at most {ceiling.approver}")
    excess.number(approvals.deadline_seconds, ceiling.deadline_seconds, ("approvals", "deadline_seconds"))
    for index, grant in enumerate(approvals.grants):
        for reason in grant.reasons:
            if is_reason_of_ceiling(reason, ceiling):
                key: Key = ("approvals", "grants", index, "reasons")
                raise excess.fault(f"answering {reason!r} in advance", key, "no answer in advance to what it asks")
    for label, how in document.mediation.items():
        if how == "open" and label in ceiling.every_read:
            raise excess.fault(repr(how), ("mediation", label), '"every-read" alone')


def _refuse_debuggers(excess: Excess, document: Document) -> None:
    if document.ptrace and not excess.ceiling.ptrace:
        raise excess.fault("`ptrace = true`", ("ptrace",), "no debuggers")


def _is_wider(own: ApproverKind | None, above: ApproverKind | None) -> bool:
    return own is not None and above is not None and ORDER.index(own) > ORDER.index(above)


def _refuse_limits(excess: Excess, builder: Builder, document: Document) -> None:
    for name, value in limits_of(builder, document.limits).items():
        excess.number(value, excess.ceiling.limits.get(name), ("limits", name))


def _refuse_gate(excess: Excess, table: ProbeTable) -> None:
    above = excess.ceiling.probe
    if table.required is False and above.required:
        raise excess.fault("doing without a model", ("probe", "required"), "true alone")
    excess.number(table.deny_at, above.deny_at, ("probe", "deny_at"))
    excess.number(table.ask_at, above.ask_at, ("probe", "ask_at"))
    if table.alpha is not None and has_scores(above) and table.alpha != above.alpha:
        most = "that of the model alone" if above.alpha is None else f"{above.alpha:g} alone"
        raise excess.fault(f"{table.alpha:g}", ("probe", "alpha"), most)
    missing = _unprobed(table, above)
    if missing:
        raise excess.fault(f"not probing {missing}", ("probe", "tools"), "lists that hold what it has probed")


def _unprobed(table: ProbeTable, above: GateBounds) -> str:
    """Return the tools that the ceiling wants to be probed and a list leaves out; empty for none."""
    if above.tools is None or not table.tools:
        return ""
    if not above.tools:
        return "all that can be"
    return " ".join(tool.value for tool in above.tools if tool not in table.tools)


def _refuse_capabilities(excess: Excess, document: Document) -> None:
    """Refuse grants of what the ceiling grants nowhere; on which objects it does is asked call by call."""
    granted = {(tool, label) for one in excess.ceiling.capabilities for tool in one.tools for label in one.labels}
    for index, table in enumerate(document.capabilities or ()):
        for tool in table.tools:
            for label in table.labels:
                if (tool, label) not in granted:
                    key: Key = ("capabilities", index)
                    raise excess.fault(f"{tool.value} on {label}", key, "it nowhere")

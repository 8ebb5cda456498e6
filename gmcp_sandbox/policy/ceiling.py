"""The ceiling of an organisation: what no profile exceeds, whoever wrote it.

Invariants (of `bounded`):
- A call that the bounded profile allows is one that the profile alone allows, and that the ceiling's own tier, grants,
  rates and principles allow.
- The ceiling's labels only raise those of the profile: of all that match a path the highest wins.
- Its principles stand before the profile's, under names that no profile can write, so that neither an answer in advance
  nor another principle that asks can take the place of one of its own.
- Of every limit, the deadline and the approver, the narrower holds; so it is with the network (`policy/netceiling.py`)
  and with MCP servers (`policy/mcpceiling.py`).
- The gate is asked wherever the ceiling wants it, and denies and asks at the ceiling's scores at the latest.

A ceiling says nothing about what an agent sees: there it is the labels and grants that bound a profile.
"""

from __future__ import annotations

import tomllib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from gmcp_sandbox.policy.approving import ApprovalPolicy, ApproverKind
from gmcp_sandbox.policy.fields import Source, read_document, suggest
from gmcp_sandbox.policy.mcpceiling import bounded_mcp
from gmcp_sandbox.policy.netceiling import bounded_network
from gmcp_sandbox.policy.nettables import NetTable
from gmcp_sandbox.policy.parse import Draft, digest_of, dns_rate, with_gateway
from gmcp_sandbox.policy.profile import Ceiling, GateBounds, Limits, ProbePolicy, Profile, Rule

_T = TypeVar("_T", bound=Hashable)
PREFIX = "ceiling."
"""Of the ids of a ceiling's principles; a profile's ids have no dot."""
_MAY_HAVE = (
    "name",
    "description",
    "extends",
    "replaces",
    "tier",
    "sets",
    "mediation",
    "paths",
    "capabilities",
    "rates",
    "rules",
    "demotions",
    "limits",
    "approvals",
    "host_floor",
    "ptrace",
    "probe",
    "audit",
    "net",
    "mcp",
)
_MAY_HAVE_IN = {
    "approvals": ("approver", "deadline_seconds"),
    "probe": GateBounds.__struct_fields__,
    "audit": ("redact",),
    "net": tuple(name for name in NetTable.__struct_fields__ if name != "denial"),
}
ORDER = (ApproverKind.NONE, ApproverKind.TERMINAL, ApproverKind.ANYONE)
"""Approvers, the fewest first."""


def parse_ceiling(chain: Sequence[Source], variables: Mapping[str, str]) -> Ceiling:
    """Return the ceiling that the last file of a chain describes; the others are shipped profiles that it extends.

    Raises:
        ProfileError: It is wrong, not complete, or says what a ceiling cannot say.
    """
    draft, last = Draft(), chain[-1]
    for source in chain:
        document = read_document(source)
        if source is last:
            _refuse_foreign(source)
        draft.join(source, document, variables)
    ceiling = draft.ceiling(last)
    rules = tuple(msgspec.structs.replace(rule, id=PREFIX + rule.id) for rule in ceiling.rules)
    ceiling = msgspec.structs.replace(ceiling, rules=rules)
    return msgspec.structs.replace(ceiling, digest=digest_of(ceiling))


def _refuse_foreign(source: Source) -> None:
    data = tomllib.loads(source.text)
    for key, value in data.items():
        if key not in _MAY_HAVE:
            raise source.fault("a ceiling cannot say this", (key,), hint=suggest(key, _MAY_HAVE))
        for inner in value if key in _MAY_HAVE_IN else ():
            if inner not in _MAY_HAVE_IN[key]:
                raise source.fault("a ceiling cannot say this", (key, inner), hint=suggest(inner, _MAY_HAVE_IN[key]))


def bounded(profile: Profile, ceiling: Ceiling) -> Profile:
    """Return the profile below the ceiling."""
    above = {msgspec.structs.replace(rule, id=rule.id.removeprefix(PREFIX)) for rule in ceiling.rules}
    own = [rule for rule in profile.rules if rule not in above]  # the ceiling's own comes first and says it all
    rates = ceiling.rates
    if ceiling.net is not None and {"dns.per_second", "dns.burst"} & set(ceiling.net_bounds):
        rates += (dns_rate(ceiling.net.dns),)
    mcp = bounded_mcp(profile.mcp, ceiling.mcp)
    profile = msgspec.structs.replace(
        profile,
        tier=min(profile.tier, ceiling.tier),
        path_rules=_joined(profile.path_rules, ceiling.path_rules),
        rates=_joined(profile.rates, rates),
        rules=(*ceiling.rules, *own),
        demotions=_joined(profile.demotions, ceiling.demotions),
        limits=_limits(profile.limits, ceiling.limits),
        approvals=_approvals(profile.approvals, ceiling),
        host_floor=_joined(profile.host_floor, ceiling.host_floor),
        probe=_gate(profile.probe, ceiling.probe),
        net=with_gateway(bounded_network(profile.net, ceiling), mcp),
        mcp=mcp,
        audit=msgspec.structs.replace(profile.audit, redact=_joined(profile.audit.redact, ceiling.redact)),
        every_read=_joined(profile.every_read, ceiling.every_read),
        ptrace=profile.ptrace and ceiling.ptrace,
        ceiling=ceiling,
    )
    return msgspec.structs.replace(profile, digest=digest_of(profile))


def may_publish(profile: Profile) -> bool:
    """True when `exec --publish` may show ports of the sandbox; a profile without [net] may, a ceiling without not."""
    if profile.ceiling is not None and (profile.ceiling.net is None or not profile.ceiling.net.publish):
        return False
    return profile.net is None or profile.net.publish


def is_of_ceiling(rule: Rule) -> bool:
    """True for a principle that no profile can change."""
    return rule.id.startswith(PREFIX)


def is_reason_of_ceiling(reason: str, ceiling: Ceiling | None) -> bool:
    """True for the reason of an ask that no profile can answer in advance.

    Where the ceiling says at which score the gate asks, all that the gate asks is the ceiling's.
    """
    if reason.startswith(f"constitution.{PREFIX}"):
        return True
    return ceiling is not None and has_scores(ceiling.probe) and reason.startswith("probe.")


def has_scores(bounds: GateBounds) -> bool:
    """True when the ceiling says where a score of the gate leads."""
    return any(value is not None for value in (bounds.alpha, bounds.deny_at, bounds.ask_at))


def _gate(own: ProbePolicy, above: GateBounds) -> ProbePolicy:
    own = msgspec.structs.replace(own, required=own.required or above.required)
    if has_scores(above):
        own = msgspec.structs.replace(own, alpha=above.alpha, deny_at_most=above.deny_at, ask_at_most=above.ask_at)
    if above.tools is None or not own.tools:
        return own
    return msgspec.structs.replace(own, tools=_joined(own.tools, above.tools) if above.tools else ())


def _joined(first: Iterable[_T], second: Iterable[_T]) -> tuple[_T, ...]:
    """Return all of both, each once."""
    return tuple(dict.fromkeys((*first, *second)))


def _limits(own: Limits, above: Mapping[str, float]) -> Limits:
    narrower = {}
    for name, bound in above.items():
        value = getattr(own, name)
        narrower[name] = bound if value is None else min(value, bound)
    return msgspec.structs.replace(own, **narrower)


def _approvals(own: ApprovalPolicy, ceiling: Ceiling) -> ApprovalPolicy:
    grants = tuple(
        grant for grant in own.grants if not any(is_reason_of_ceiling(one, ceiling) for one in grant.reasons)
    )
    approver = own.approver if ceiling.approver is None else min(own.approver, ceiling.approver, key=ORDER.index)
    deadline = own.deadline_seconds
    if ceiling.deadline_seconds is not None:
        deadline = min(deadline, ceiling.deadline_seconds)
    return msgspec.structs.replace(own, grants=grants, approver=approver, deadline_seconds=deadline)

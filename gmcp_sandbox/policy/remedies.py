"""What would have to stand in a profile for a denied call to pass: the smallest change for each layer, as TOML.

A remedy is a text to write and the profile that results, so that whoever proposes it can judge by it first. Some
denials have none: no profile switches a pattern of the prefilter off, lowers a label, or shows what is not in the view
by a rule.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import MCP_TOOLS, Tool
from gmcp_sandbox.calls.verdicts import Layer, Verdict
from gmcp_sandbox.policy.approving import Grant, proposals
from gmcp_sandbox.policy.network import HostRule, Network, Protocol
from gmcp_sandbox.policy.profile import Capability, Profile, Rule, Tier

_PATHS = ("fs.", "proc.")
_UNCOVERED = frozenset(f"trust.{word}" for word in ("no_network", "no_host", "port", "literal_address", "raw"))
"""A grant of the host would cover these."""


_OF_SERVERS = {
    "trust.no_tool": "tools",
    "trust.no_resource": "resources",
    "trust.no_prompt": "prompts",
    "trust.not_granted": "",
}
"""What of a server would have to name it; empty: see `_ASKED`."""
_ASKED = {
    Tool.MCP_COMPLETE: "completion",
    Tool.MCP_SAMPLE: "sampling",
    Tool.MCP_ELICIT: "elicitation",
    Tool.MCP_ROOTS: "roots",
    Tool.MCP_LOG: "logging",
}


class Remedy(msgspec.Struct, frozen=True):
    """One change of a profile: what to write, and what results."""

    text: str
    profile: Profile


def remedy_for(verdict: Verdict, call: ToolCall, profile: Profile) -> Remedy | None:
    """Return the smallest change after which this verdict is no denial; None when no profile changes it."""
    if verdict.layer is Layer.TRUST:
        return _of_trust(verdict, call, profile)
    if verdict.layer is Layer.CONSTITUTION:
        return _of_constitution(verdict, call, profile)
    if verdict.layer is Layer.PROBE and verdict.score is not None:
        return _of_probe(verdict, profile)
    return None


def _of_trust(verdict: Verdict, call: ToolCall, profile: Profile) -> Remedy | None:
    if verdict.reason == "trust.tier":
        tier = Tier[verdict.detail.removeprefix("demands ").upper()]
        return Remedy(f'tier = "{tier.name.lower()}"', msgspec.structs.replace(profile, tier=tier))
    if verdict.reason in _UNCOVERED:
        return _of_host(verdict, call, profile)
    if verdict.reason in _OF_SERVERS:
        return _of_server(verdict, call, profile)
    if verdict.reason != "trust.no_capability" or call.tool in MCP_TOOLS:
        return None
    objects = (_pattern(call),)
    capability = Capability((call.tool,), (call.label.name,), objects)
    text = _table("capabilities", tools=[call.tool.value], labels=[call.label.name], objects=list(objects))
    return Remedy(text, msgspec.structs.replace(profile, capabilities=(*profile.capabilities, capability)))


def _of_server(verdict: Verdict, call: ToolCall, profile: Profile) -> Remedy | None:
    """Grant one tool, resource or prompt of a server that there is, or what a server may ask for at all."""
    name, _, rest = call.object.partition("/")
    server = None if profile.mcp is None else profile.mcp.server(name)
    if server is None or profile.mcp is None:
        return None
    part = _OF_SERVERS[verdict.reason] or _ASKED.get(call.tool, "")
    if not part or "*" in rest:
        return None
    value: object = (*getattr(server, part), rest) if _OF_SERVERS[verdict.reason] else True
    changed = msgspec.structs.replace(server, **{part: value})
    servers = tuple(changed if each.name == name else each for each in profile.mcp.servers)
    mcp = msgspec.structs.replace(profile.mcp, servers=servers)
    return Remedy(f"[mcp.servers.{name}]\n{part} = {_toml(value)}", msgspec.structs.replace(profile, mcp=mcp))


def _of_host(verdict: Verdict, call: ToolCall, profile: Profile) -> Remedy:
    """Grant the host alone, at the port and by the protocol that was asked for; a lookup asks for none."""
    port = getattr(call.args, "port", None)
    protocol: Protocol = getattr(call.args, "protocol", "tcp")
    is_raw = verdict.reason == "trust.raw"
    ports = ((port, port),) if port is not None else ((443, 443), (80, 80)) if protocol == "tcp" else ()
    rule = HostRule((call.object,), ports, (protocol,), raw=is_raw)
    fields: dict[str, object] = {"hosts": [call.object]}
    if port is not None:
        fields["ports"] = [port]
    if protocol != "tcp":
        fields["protocols"] = [protocol]
    if is_raw:
        fields["raw"] = True
    network = profile.net or Network()
    network = msgspec.structs.replace(network, allow=(*network.allow, rule))
    return Remedy(_table("net.allow", **fields), msgspec.structs.replace(profile, net=network))


def _of_constitution(verdict: Verdict, call: ToolCall, profile: Profile) -> Remedy | None:
    reason = verdict.reason
    if reason.startswith("constitution.ask_"):
        reason = verdict.detail.partition(":")[0]
    rule = next((rule for rule in profile.rules if reason == f"constitution.{rule.id}"), None)
    if rule is None or "." in rule.id:
        return None
    return _grant(reason, call, profile) if rule.effect == "ask" else _exception(rule, call, profile)


def _grant(reason: str, call: ToolCall, profile: Profile) -> Remedy:
    pattern = proposals(call)[0]
    grant = Grant((reason,), (call.tool,), (pattern,))
    policy = msgspec.structs.replace(profile.approvals, grants=(*profile.approvals.grants, grant))
    text = _table("approvals.grants", reasons=[reason], tools=[call.tool.value], objects=[pattern])
    return Remedy(text, msgspec.structs.replace(profile, approvals=policy))


def _exception(rule: Rule, call: ToolCall, profile: Profile) -> Remedy | None:
    if call.tool.startswith("mcp."):
        return None
    changed = msgspec.structs.replace(rule, unless=(*rule.unless, _pattern(call)))
    rules = tuple(changed if one.id == rule.id else one for one in profile.rules)
    return Remedy(_rule_text(changed), msgspec.structs.replace(profile, rules=rules))


def _of_probe(verdict: Verdict, profile: Profile) -> Remedy | None:
    score = verdict.score
    if score is None:
        return None
    bound = round(score + 0.1, 2)
    most = (profile.probe.deny_at_most, profile.probe.ask_at_most)
    if any(highest is not None and highest < bound for highest in most):
        return None
    changed = msgspec.structs.replace(profile.probe, deny_at=bound, ask_at=bound)
    text = f"[probe]\ndeny_at = {bound}\nask_at = {bound}"
    return Remedy(text, msgspec.structs.replace(profile, probe=changed))


def _pattern(call: ToolCall) -> str:
    """Return the pattern of the object alone."""
    if call.tool.startswith(_PATHS):
        return "".join(f"\\{char}" if char in "*?[\\!" else char for char in call.object)
    return call.object


def _rule_text(rule: Rule) -> str:
    fields: dict[str, object] = {"id": rule.id, "text": rule.text, "effect": rule.effect}
    for name in ("tools", "labels", "paths", "hosts", "taint", "unless", "argv"):
        value = getattr(rule, name)
        if value:
            fields[name] = [str(word.value if isinstance(word, Tool) else word) for word in value]
    if rule.when is not None:
        fields["when"] = rule.when
    return _table("rules", **fields)


def _table(name: str, **fields: object) -> str:
    lines = [f"{key} = {_toml(value)}" for key, value in fields.items()]
    return "\n".join([f"[[{name}]]", *lines])


def _toml(value: object) -> str:
    """Return a string, number, boolean or a list of them as TOML: JSON's, but for DEL."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return json.dumps(value).replace("\x7f", "\\u007f")

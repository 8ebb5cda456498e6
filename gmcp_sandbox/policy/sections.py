"""Turn the smaller sections of one profile file into policy values: grants, rates, limits, approvals, audit, the gate.

Guarantees: as `policy/build.py`; every refusal is a `ProfileError` that names the file, key and line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gmcp_sandbox.calls.labels import NETWORK, OUTSIDE, TOOL
from gmcp_sandbox.calls.tools import MCP_TOOLS, NETWORK_TOOLS, Tool
from gmcp_sandbox.policy.approving import Grant, compile_grants
from gmcp_sandbox.policy.auditing import PatternError, compile_redaction
from gmcp_sandbox.policy.build import Builder
from gmcp_sandbox.policy.document import ApprovalsTable, AuditTable, Document, LimitsTable
from gmcp_sandbox.policy.fields import Key, Source
from gmcp_sandbox.policy.hosts import GlobError
from gmcp_sandbox.policy.profile import Capability, ProbePolicy, RateLimit


def capabilities_of(builder: Builder, document: Document) -> list[Capability]:
    """Return the grants of this file."""
    found = []
    for index, table in enumerate(document.capabilities or ()):
        key: Key = ("capabilities", index)
        builder.refuse_duplicates(table.tools, (*key, "tools"))
        labels = builder.labels(table.labels, (*key, "labels")) or ()
        if "outside" in labels:
            raise builder.fault("nothing can be granted outside of the view", (*key, "labels"))
        objects = builder.objects(table.tools, table.objects, (*key, "objects"))
        if not NETWORK_TOOLS.isdisjoint(table.tools):
            hint = "[[net.allow]] names the hosts"
            raise builder.fault("the network is granted by [net] alone", (*key, "tools"), hint=hint)
        if not MCP_TOOLS.isdisjoint(table.tools):
            hint = "[mcp.servers.NAME] names the tools"
            raise builder.fault("MCP servers are granted by [mcp] alone", (*key, "tools"), hint=hint)
        found.append(Capability(table.tools, labels, objects))
    builder.refuse_duplicates(found, ("capabilities",))
    return found


def rates_of(builder: Builder, document: Document) -> list[RateLimit]:
    """Return the token buckets of this file."""
    found = []
    for index, table in enumerate(document.rates):
        labels = builder.labels(table.labels, ("rates", index, "labels"))
        hosts = None if table.hosts is None else builder.hosts(table.hosts, ("rates", index, "hosts"))
        if hosts is not None and not NETWORK_TOOLS.issuperset(table.tools):
            raise builder.fault("only tools of the network have hosts", ("rates", index, "hosts"))
        found.append(RateLimit(table.tools, table.per_second, table.burst, labels, hosts))
    return found


def limits_of(builder: Builder, table: LimitsTable) -> dict[str, int | float]:
    """Return the bounds that this file sets, in bytes, seconds and numbers."""
    found: dict[str, int | float] = {}
    for name, value in msgspec.structs.asdict(table).items():
        size = value if isinstance(value, float) else builder.size(value, ("limits", name))
        if size is not None:
            found[name] = size
    return found


def grants_of(builder: Builder, table: ApprovalsTable) -> list[Grant]:
    """Return the answers that this file gives in advance."""
    found = []
    for index, row in enumerate(table.grants):
        key: Key = ("approvals", "grants", index)
        if Tool.PROC_EXEC in row.tools:
            if len(row.tools) > 1:
                raise builder.fault("proc.exec stands alone: its objects are command lines", (*key, "tools"))
            objects = row.objects
        else:
            objects = builder.objects(row.tools, row.objects, (*key, "objects")) or ()
        grant = Grant(row.reasons, row.tools, objects)
        try:
            compile_grants((grant,))
        except GlobError as error:
            raise builder.fault(str(error), (*key, "objects")) from None
        found.append(grant)
    return found


def audit_of(builder: Builder, table: AuditTable) -> dict[str, int]:
    """Return what this file says of the logs."""
    try:
        compile_redaction(table.redact or ())
    except PatternError as error:
        raise builder.fault(str(error), ("audit", "redact")) from None
    found = {"keep_bytes": builder.size(table.keep_bytes, ("audit", "keep_bytes")), "keep_days": table.keep_days}
    return {name: value for name, value in found.items() if value is not None}


def probe_of(source: Source, values: dict[str, Any]) -> ProbePolicy:
    """Return what all files together say of the gate."""
    probe = ProbePolicy(**values)
    if probe.ask_at is not None and probe.deny_at is not None and probe.ask_at > probe.deny_at:
        raise source.fault("`ask_at` must not be above `deny_at`", ("probe", "ask_at"))
    return probe


def check_home_file(builder: Builder, name: str) -> None:
    """Refuse what is no path below the home directory."""
    if name.startswith(("/", "~")) or any(part in ("", ".", "..") for part in name.split("/")):
        raise builder.fault(f"{name!r} is no path below the home directory", ("home", "files"))


def check_variable(builder: Builder, name: str) -> None:
    """Refuse what names no environment variable, or too many."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*\*?", name):
        raise builder.fault(f"{name!r} is no variable name, or would pass on too much", ("environment", "allow"))


def mediation_of(builder: Builder, table: Mapping[str, str]) -> dict[str, str]:
    """Return how often what has a label is asked for, by label."""
    for name in table:
        if builder.label(name, ("mediation", name)) in (OUTSIDE, NETWORK, TOOL):
            raise builder.fault(f"{name!r} is no label of files", ("mediation", name))
    return dict(table)

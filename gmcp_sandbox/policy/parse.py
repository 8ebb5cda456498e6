"""Make a `Profile` from the TOML files of its `extends` chain.

Guarantees: the profile is complete, its paths are absolute and normal and hold no variables, every glob compiles, every
tool, label and tier exists. Anything else is a `ProfileError`; no default stands in for what is wrong.

How files join, from the first ancestor to the file itself: single values replace, tables merge, lists append (a mount
or link replaces an inherited one at the same path, a rule one of the same id). A list that a file names in `replaces`
is not inherited.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from blake3 import blake3

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.approving import ApprovalPolicy, Grant
from gmcp_sandbox.policy.auditing import AuditPolicy
from gmcp_sandbox.policy.build import Builder
from gmcp_sandbox.policy.document import REPLACEABLE, Document
from gmcp_sandbox.policy.fields import Key, Source, read_document, suggest
from gmcp_sandbox.policy.mcp import Mcp
from gmcp_sandbox.policy.mcpbuild import McpDraft, flow_rules, server_rates
from gmcp_sandbox.policy.netbuild import NOT_NUMBERS, NetDraft
from gmcp_sandbox.policy.network import DnsLimits, Network
from gmcp_sandbox.policy.profile import (
    Capability,
    Ceiling,
    Demotion,
    Environment,
    GateBounds,
    Limits,
    Mount,
    PathRule,
    Profile,
    RateLimit,
    Rule,
    Tier,
)
from gmcp_sandbox.policy.rules import demotions_of, rules_of
from gmcp_sandbox.policy.sections import (
    audit_of,
    capabilities_of,
    check_home_file,
    check_variable,
    grants_of,
    limits_of,
    mediation_of,
    probe_of,
    rates_of,
)
from gmcp_sandbox.policy.sets import check_sets

VARIABLES = ("workspace", "home", "user")
"""The variables that profiles may use."""


def parse_profile(chain: Sequence[Source], variables: Mapping[str, str]) -> Profile:
    """Return the profile that the last file of a chain describes; the others are its ancestors, the first one first.

    Raises:
        ProfileError: A file is wrong, or the whole is not complete.
    """
    if not chain:
        raise ProfileError("no profile to read")
    draft = Draft()
    for source in chain:
        draft.join(source, read_document(source), variables)
    return draft.finish(chain[-1])


class Draft:
    """What the files so far amount to."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._tables: dict[str, dict[str, Any]] = {"limits": {}, "probe": {}, "audit": {}, "approvals": {}}
        self._mounts: dict[str, Mount] = {}
        self._symlinks: dict[str, str] = {}
        self._paths: list[PathRule] = []
        self._capabilities: list[Capability] = []
        self._rates: list[RateLimit] = []
        self._rules: dict[str, Rule] = {}
        self._demotions: list[Demotion] = []
        self._grants: list[Grant] = []
        self._sets: dict[str, tuple[str, ...]] = {}
        self._lists: dict[str, dict[str, None]] = {
            name: {} for name in ("home.files", "environment.allow", "host_floor", "audit.redact")
        }
        self._set: dict[str, str] = {}
        self._net = NetDraft()
        self._mcp = McpDraft()
        self._mediation: dict[str, str] = {}

    def join(self, source: Source, document: Document, variables: Mapping[str, str]) -> None:
        """Add one file."""
        check_sets(source, document.sets)
        self._sets |= document.sets
        builder = Builder(source, variables, self._sets)
        self._drop(builder, document.replaces)
        _refuse_nested(builder, document)
        for name in ("name", "tier", "explain", "toolchains", "ptrace"):
            self._take(name, getattr(document, name))
        self._take("persist", document.home.persist)
        self._mounts |= {mount.path: mount for mount in builder.mounts(document.mounts)}
        self._symlinks |= dict(builder.symlinks(document.symlinks))
        self._paths += builder.path_rules(document.paths)
        self._capabilities += capabilities_of(builder, document)
        self._rates += rates_of(builder, document)
        self._rules |= {rule.id: rule for rule in rules_of(builder, document.rules)}
        self._demotions += demotions_of(document.demotions)
        self._grants += grants_of(builder, document.approvals)
        self._tables["approvals"] |= {
            name: value
            for name in ("approver", "deadline_seconds")
            if (value := getattr(document.approvals, name)) is not None
        }
        self._join_lists(builder, document)
        self._mediation |= mediation_of(builder, document.mediation)
        self._tables["limits"] |= limits_of(builder, document.limits)
        probe = msgspec.structs.asdict(document.probe)
        self._tables["probe"] |= {name: value for name, value in probe.items() if value is not None}
        self._net.join(builder, document.net)
        self._mcp.join(builder, document.mcp)

    def _take(self, name: str, value: object) -> None:
        if value is not None:
            self._values[name] = value

    def _drop(self, builder: Builder, names: Sequence[str]) -> None:
        parts: dict[str, Any] = {
            "mounts": self._mounts,
            "symlinks": self._symlinks,
            "paths": self._paths,
            "capabilities": self._capabilities,
            "rates": self._rates,
            "rules": self._rules,
            "demotions": self._demotions,
            "approvals.grants": self._grants,
            "environment.set": self._set,
            **self._lists,
            **self._net.parts(),
            **self._mcp.parts(),
        }
        builder.refuse_duplicates(names, ("replaces",))
        for name in names:
            if name not in parts:
                raise builder.fault(f"{name!r} cannot be replaced", ("replaces",), hint=suggest(name, REPLACEABLE))
            parts[name].clear()

    def _join_lists(self, builder: Builder, document: Document) -> None:
        for name, values in (
            ("home.files", document.home.files),
            ("environment.allow", document.environment.allow),
            ("host_floor", document.host_floor),
            ("audit.redact", document.audit.redact),
        ):
            builder.refuse_duplicates(values or (), tuple(name.split(".")))
            self._lists[name] |= dict.fromkeys(values or ())
        self._tables["audit"] |= audit_of(builder, document.audit)
        for name in document.home.files or ():
            check_home_file(builder, name)
        for name in document.environment.allow or ():
            check_variable(builder, name)
        for name, value in (document.environment.set or {}).items():
            key: Key = ("environment", "set", name)
            if not name or "=" in name or "\0" in name + value:
                raise builder.fault("not a possible environment variable", key)
            self._set[name] = builder.expand(value, key)

    def finish(self, source: Source) -> Profile:
        """Return the whole, or say what is missing."""
        for key, is_there in (
            ("tier", "tier" in self._values),
            ("mounts", bool(self._mounts)),
            ("capabilities", bool(self._capabilities)),
            ("environment.allow", bool(self._lists["environment.allow"])),
        ):
            if not is_there:
                raise source.fault(f"`{key}` is missing", hint="set it, or extend a profile that has it")
        mcp = self._mcp.finish(source)
        net = with_gateway(self._net.finish(source), mcp)
        dns = () if net is None else (dns_rate(net.dns),)
        explain = self._values.get("explain")
        persist = self._values.get("persist", False)
        profile = Profile(
            name=self._values["name"],
            digest="",
            tier=Tier[self._values["tier"].upper()],
            mounts=tuple(self._mounts.values()),
            symlinks=tuple(self._symlinks.items()),
            path_rules=tuple(self._paths),
            capabilities=tuple(self._capabilities),
            rates=(*self._rates, *dns, *server_rates(mcp)),
            rules=self._all_rules(mcp),
            environment=Environment(tuple(self._lists["environment.allow"]), self._set),
            limits=Limits(**self._tables["limits"]),
            probe=probe_of(source, self._tables["probe"]),
            toolchains=self._values.get("toolchains", True),
            home_files=tuple(self._lists["home.files"]),
            persist_home=persist,
            explain=None if explain == "none" else explain,
            host_floor=tuple(self._lists["host_floor"]),
            ptrace=self._values.get("ptrace", False),
            demotions=tuple(self._demotions),
            every_read=self._every_read(),
            approvals=ApprovalPolicy(grants=tuple(self._grants), **self._tables["approvals"]),
            audit=AuditPolicy(redact=tuple(self._lists["audit.redact"]), **self._tables["audit"]),
            net=net,
            mcp=mcp,
        )
        return msgspec.structs.replace(profile, digest=digest_of(profile))

    def _all_rules(self, mcp: Mcp | None) -> tuple[Rule, ...]:
        """Return the principles, and those that follow from the servers where no principle has their name."""
        following = {rule.id: rule for rule in flow_rules(mcp) if rule.id not in self._rules}
        return (*self._rules.values(), *following.values())

    def _every_read(self) -> tuple[str, ...]:
        return tuple(sorted(label for label, how in self._mediation.items() if how == "every-read"))

    def ceiling(self, source: Source) -> Ceiling:
        """Return the whole as a ceiling, or say what is missing."""
        if "tier" not in self._values or not self._capabilities:
            missing = "capabilities" if "tier" in self._values else "tier"
            raise source.fault(f"`{missing}` is missing", hint="set it, or extend a shipped profile")
        mcp = self._mcp.finish(source)
        stated = self._net.stated()
        gate = self._tables["probe"]
        ceiling = Ceiling(
            name=self._values["name"],
            digest="",
            tier=Tier[self._values["tier"].upper()],
            capabilities=tuple(self._capabilities),
            path_rules=tuple(self._paths),
            rates=(*self._rates, *server_rates(mcp)),
            rules=self._all_rules(mcp),
            demotions=tuple(self._demotions),
            limits=self._tables["limits"],
            approver=self._tables["approvals"].get("approver"),
            deadline_seconds=self._tables["approvals"].get("deadline_seconds"),
            host_floor=tuple(self._lists["host_floor"]),
            probe=GateBounds(**{name: gate[name] for name in GateBounds.__struct_fields__ if name in gate}),
            net=with_gateway(self._net.finish(source), mcp),
            mcp=mcp,
            net_bounds={name: value for name, value in stated.items() if name not in NOT_NUMBERS},
            proxy=stated.get("proxy"),
            redact=tuple(self._lists["audit.redact"]),
            every_read=self._every_read(),
            ptrace=self._values.get("ptrace", False),
        )
        return msgspec.structs.replace(ceiling, digest=digest_of(ceiling))


def with_gateway(net: Network | None, mcp: Mcp | None) -> Network | None:
    """Return a network in which the MCP gateway is there when there are servers, and not otherwise.

    One that is there for the gateway alone reaches no host.
    """
    if mcp is not None:
        return msgspec.structs.replace(Network() if net is None else net, mcp=True)
    if net is None or not net.mcp:
        return net
    return msgspec.structs.replace(net, mcp=False) if net.allow or net.services else None


def _refuse_nested(builder: Builder, document: Document) -> None:
    if document.nested:
        raise builder.fault(
            "namespaces inside are not offered: a file system that is mounted in one would be judged by nobody",
            ("nested",),
            hint="run what makes its own sandbox without it (Chromium: --no-sandbox)",
        )


def dns_rate(limits: DnsLimits) -> RateLimit:
    """Return the bound of questions as the rate that it is."""
    return RateLimit((Tool.DNS_RESOLVE,), limits.per_second, limits.burst)


def digest_of(profile: Profile | Ceiling) -> str:
    """Return the Blake3 of a profile's canonical JSON, its `digest` left out."""
    data = msgspec.to_builtins(profile)
    data.pop("digest", None)
    return blake3(json.dumps(data, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()

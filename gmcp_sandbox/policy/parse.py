"""Make a `Profile` from the TOML files of its `extends` chain.

Guarantees: the profile is complete, its paths are absolute and normal and hold no variables, every glob compiles, every
tool, label and tier exists. Anything else is a `ProfileError`; no default stands in for what is wrong.

How files join, from the first ancestor to the file itself: single values replace, tables merge, lists append (a mount
or link replaces an inherited one at the same path, a rule one of the same id). A list that a file names in `replaces`
is not inherited.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from blake3 import blake3

from gmcp_sandbox.calls.tools import NETWORK_TOOLS, Tool
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.approving import ApprovalPolicy, Grant, compile_grants
from gmcp_sandbox.policy.auditing import AuditPolicy, PatternError, compile_redaction
from gmcp_sandbox.policy.build import Builder
from gmcp_sandbox.policy.document import REPLACEABLE, ApprovalsTable, AuditTable, Document, LimitsTable
from gmcp_sandbox.policy.fields import Key, Source, read_document, suggest
from gmcp_sandbox.policy.hosts import GlobError
from gmcp_sandbox.policy.netbuild import NetDraft
from gmcp_sandbox.policy.profile import (
    Capability,
    Demotion,
    Environment,
    Limits,
    Mount,
    PathRule,
    ProbePolicy,
    Profile,
    RateLimit,
    Rule,
    Tier,
)
from gmcp_sandbox.policy.rules import demotions_of, rules_of

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
        draft.join(Builder(source, variables), read_document(source))
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
        self._lists: dict[str, dict[str, None]] = {
            name: {} for name in ("home.files", "environment.allow", "host_floor", "audit.redact")
        }
        self._set: dict[str, str] = {}
        self._net = NetDraft()

    def join(self, builder: Builder, document: Document) -> None:
        """Add one file."""
        self._drop(builder, document.replaces)
        for name in ("name", "tier", "explain", "toolchains", "nested"):
            self._take(name, getattr(document, name))
        self._take("persist", document.home.persist)
        self._mounts |= {mount.path: mount for mount in builder.mounts(document.mounts)}
        self._symlinks |= dict(builder.symlinks(document.symlinks))
        self._paths += builder.path_rules(document.paths)
        self._capabilities += _capabilities(builder, document)
        self._rates += _rates(builder, document)
        self._rules |= {rule.id: rule for rule in rules_of(builder, document.rules)}
        self._demotions += demotions_of(document.demotions)
        self._grants += _grants(builder, document.approvals)
        self._tables["approvals"] |= {
            name: value
            for name in ("approver", "deadline_seconds")
            if (value := getattr(document.approvals, name)) is not None
        }
        self._join_lists(builder, document)
        self._tables["limits"] |= _limits(builder, document.limits)
        probe = msgspec.structs.asdict(document.probe)
        self._tables["probe"] |= {name: value for name, value in probe.items() if value is not None}
        self._net.join(builder, document.net)

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
        self._tables["audit"] |= _audit(builder, document.audit)
        for name in document.home.files or ():
            _check_home_file(builder, name)
        for name in document.environment.allow or ():
            _check_variable(builder, name)
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
        net = self._net.finish(source)
        dns = () if net is None else (RateLimit((Tool.DNS_RESOLVE,), net.dns.per_second, net.dns.burst),)
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
            rates=(*self._rates, *dns),
            rules=tuple(self._rules.values()),
            environment=Environment(tuple(self._lists["environment.allow"]), self._set),
            limits=Limits(**self._tables["limits"]),
            probe=_probe(source, self._tables["probe"]),
            toolchains=self._values.get("toolchains", True),
            home_files=tuple(self._lists["home.files"]),
            persist_home=persist,
            explain=None if explain == "none" else explain,
            host_floor=tuple(self._lists["host_floor"]),
            nested=self._values.get("nested", False),
            demotions=tuple(self._demotions),
            approvals=ApprovalPolicy(grants=tuple(self._grants), **self._tables["approvals"]),
            audit=AuditPolicy(redact=tuple(self._lists["audit.redact"]), **self._tables["audit"]),
            net=net,
        )
        return msgspec.structs.replace(profile, digest=digest_of(profile))


def digest_of(profile: Profile) -> str:
    """Return the Blake3 of a profile's canonical JSON, its `digest` left out."""
    data = msgspec.to_builtins(profile)
    data.pop("digest", None)
    return blake3(json.dumps(data, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _capabilities(builder: Builder, document: Document) -> list[Capability]:
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
        found.append(Capability(table.tools, labels, objects))
    builder.refuse_duplicates(found, ("capabilities",))
    return found


def _rates(builder: Builder, document: Document) -> list[RateLimit]:
    found = []
    for index, table in enumerate(document.rates):
        labels = builder.labels(table.labels, ("rates", index, "labels"))
        hosts = None if table.hosts is None else builder.hosts(table.hosts, ("rates", index, "hosts"))
        if hosts is not None and not NETWORK_TOOLS.issuperset(table.tools):
            raise builder.fault("only tools of the network have hosts", ("rates", index, "hosts"))
        found.append(RateLimit(table.tools, table.per_second, table.burst, labels, hosts))
    return found


def _limits(builder: Builder, table: LimitsTable) -> dict[str, int | float]:
    found: dict[str, int | float] = {}
    for name, value in msgspec.structs.asdict(table).items():
        size = value if isinstance(value, float) else builder.size(value, ("limits", name))
        if size is not None:
            found[name] = size
    return found


def _grants(builder: Builder, table: ApprovalsTable) -> list[Grant]:
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


def _audit(builder: Builder, table: AuditTable) -> dict[str, int]:
    try:
        compile_redaction(table.redact or ())
    except PatternError as error:
        raise builder.fault(str(error), ("audit", "redact")) from None
    found = {"keep_bytes": builder.size(table.keep_bytes, ("audit", "keep_bytes")), "keep_days": table.keep_days}
    return {name: value for name, value in found.items() if value is not None}


def _probe(source: Source, values: dict[str, Any]) -> ProbePolicy:
    probe = ProbePolicy(**values)
    if probe.ask_at is not None and probe.deny_at is not None and probe.ask_at > probe.deny_at:
        raise source.fault("`ask_at` must not be above `deny_at`", ("probe", "ask_at"))
    return probe


def _check_home_file(builder: Builder, name: str) -> None:
    if name.startswith(("/", "~")) or any(part in ("", ".", "..") for part in name.split("/")):
        raise builder.fault(f"{name!r} is no path below the home directory", ("home", "files"))


def _check_variable(builder: Builder, name: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*\*?", name):
        raise builder.fault(f"{name!r} is no variable name, or would pass on too much", ("environment", "allow"))

"""The TOML form of a profile: what may stand in one file.

Every table is a strict struct; its docstrings and `Meta` make the published JSON Schema. Everything is optional here,
because a file may extend another; `policy/parse.py` says what the whole must have.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.approving import ApproverKind
from gmcp_sandbox.policy.mcptables import MCP_REPLACEABLE, McpTable
from gmcp_sandbox.policy.nettables import NET_REPLACEABLE, NetTable
from gmcp_sandbox.policy.profile import Caching, MountMode
from gmcp_sandbox.policy.tables import Count, Globs, Labels, Name, Path, Size, Table, Text, Tools, Words


class MountTable(Table, frozen=True):
    """One tree (or file) of the view; a later one wins over an earlier one at the same path."""

    path: Path
    mode: Annotated[MountMode, Meta(description="ro, rw, scratch (private, gone with the session) or hidden.")]
    label: Annotated[str | None, Meta(description="Of what no path rule labels higher; none for hidden.")] = None
    source: Annotated[str | None, Meta(description="Host path; the same as `path` when absent.")] = None
    exec: Annotated[bool, Meta(description="Whether programs in it may run (enforced by the kernel).")] = False
    optional: Annotated[bool, Meta(description="A missing source is skipped instead of an error.")] = True
    caching: Annotated[Caching | None, Meta(description="Zone; follows from mode and label when absent.")] = None


class SymlinkTable(Table, frozen=True):
    """A link that the view shows whatever the host has."""

    path: Path
    target: Annotated[str, Meta(min_length=1)]


class PathTable(Table, frozen=True):
    """Label paths; of all labels that hold for a path the highest wins."""

    label: str
    match: Globs
    unless: Annotated[tuple[str, ...], Meta(description="Globs of paths for which this does not hold.")] = ()


class CapabilityTable(Table, frozen=True):
    """One grant. What no capability grants is denied."""

    tools: Tools
    labels: Labels
    objects: Annotated[Words | None, Meta(description="Globs of paths, hosts or `server/tool`; any when absent.")] = (
        None
    )


class RateTable(Table, frozen=True):
    """A token bucket for calls of these tools together."""

    tools: Tools
    per_second: Annotated[float, Meta(gt=0)]
    burst: Count
    labels: Labels | None = None
    hosts: Annotated[Words | None, Meta(description="Hosts that it is about; any when absent.")] = None


class CountTable(Table, frozen=True):
    """How much was done lately."""

    seconds: Annotated[int, Meta(ge=1, le=86400, description="How far back.")]
    of: Annotated[
        Text,
        Meta(
            description="`calls`: allowed calls that the rule's other selectors match. Or a tool (all allowed calls), "
            "`denials`, `net.bytes_up`, `net.bytes_down`."
        ),
    ] = "calls"
    at_least: Annotated[Count | None, Meta(description="The rule holds from this number on.")] = None
    name: Annotated[
        Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")] | None, Meta(description="For `when`: `counts.<name>`.")
    ] = None
    distinct: Annotated[bool, Meta(description="Count different objects.")] = False
    by_object: Annotated[bool, Meta(description="Count for the call's own object (host, path) alone.")] = False


class RuleTable(Table, frozen=True):
    """One principle: the effect holds when every selector that is given matches."""

    id: Name
    text: Annotated[str, Meta(min_length=1, description="What it says, for people.")]
    effect: Annotated[
        Literal["deny", "ask", "demote"],
        Meta(description="demote: allow it, and trust the agent less from then on (`tier`)."),
    ]
    tools: Tools | None = None
    labels: Labels | None = None
    paths: Globs | None = None
    hosts: Words | None = None
    taint: Annotated[Words | None, Meta(description="Holds once the session has read one of these labels.")] = None
    unless: Annotated[tuple[str, ...], Meta(description="Paths (or hosts) for which it does not hold.")] = ()
    argv: Annotated[Words | None, Meta(description="Command lines: `git push --force*`, `rm -r* /*`.")] = None
    args: Annotated[
        dict[str, str | int | bool],
        Meta(description="Values that arguments of the tools must have; see `gmcp-sandbox tools --schema`."),
    ] = msgspec.field(default_factory=dict)
    counts: Annotated[tuple[CountTable, ...], Meta(description="How much was done lately.")] = ()
    when: Annotated[Text | None, Meta(description="CEL over `call`, `session` and `counts`; true or false.")] = None
    tier: Annotated[Literal["untrusted", "limited", "standard"] | None, Meta(description="Where `demote` leads.")] = (
        None
    )


class DemotionTable(Table, frozen=True):
    """Trust the agent less after a number of signals."""

    signal: Annotated[
        Literal["denials", "denials_in_a_row", "injection"],
        Meta(description="Looking for what the view does not show is no denial here: programs do that all the time."),
    ]
    count: Count
    tier: Literal["untrusted", "limited", "standard"]
    seconds: Annotated[int, Meta(ge=1, le=86400, description="How far back; not for `denials_in_a_row`.")] = 60


class HomeTable(Table, frozen=True):
    """The agent's home directory."""

    files: Annotated[tuple[str, ...] | None, Meta(description="Relative paths shown read-only where they exist.")] = (
        None
    )
    persist: Annotated[bool | None, Meta(description="Keep the home directory for the agent's next session.")] = None


class EnvironmentTable(Table, frozen=True):
    """Environment variables: an allow-list, and values that are always set."""

    allow: Annotated[Words | None, Meta(description="Names; `*` stands for any characters.")] = None
    set: dict[str, str] | None = None


class LimitsTable(Table, frozen=True):
    """Bounds of a session."""

    open_files: Count | None = None
    processes: Count | None = None
    file_bytes: Size | None = None
    core_bytes: Size | None = None
    memory_bytes: Annotated[
        Size | None, Meta(description="Of the session by control group; else of each process's address space.")
    ] = None
    cpu_seconds: Annotated[Count | None, Meta(description="Of each process.")] = None
    cpus: Annotated[float, Meta(gt=0, description="Processors' worth of time; needs a control group.")] | None = None
    wall_seconds: Count | None = None
    written_bytes: Annotated[
        Size | None, Meta(description="Written to trees of the host, all together; then ENOSPC.")
    ] = None
    new_files: Annotated[
        Count | None, Meta(description="Files, directories and links made in trees of the host; then ENOSPC.")
    ] = None
    scratch_bytes: Size | None = None
    shm_bytes: Size | None = None
    log_bytes: Size | None = None


class ProbeTable(Table, frozen=True):
    """The semantic gate."""

    required: Annotated[bool | None, Meta(description="Refuse to start without a model.")] = None
    alpha: Annotated[
        float | None, Meta(description="How much of the bias is taken off; as the model says when absent.")
    ] = None
    deny_at: Annotated[float | None, Meta(description="Score at which a call is denied.")] = None
    ask_at: Annotated[float | None, Meta(description="Score at which somebody is asked.")] = None
    tools: Annotated[
        tuple[Tool, ...] | None, Meta(description="Tools that are probed; all that can be when absent.")
    ] = None
    deadline_seconds: Annotated[float, Meta(gt=0, description="A call that waits longer is denied.")] | None = None
    task: Annotated[str, Meta(max_length=400, description="What the agent is to do, in one line.")] | None = None


class GrantTable(Table, frozen=True):
    """An answer given in advance: yes to asks of these reasons by these tools on these objects. Never to a denial."""

    reasons: Annotated[Words, Meta(description="Of the asks, for example `constitution.no-history-rewrite`.")]
    tools: Tools
    objects: Annotated[Words, Meta(description="Globs of paths or `server/tool`, hosts, or command lines.")]


class ApprovalsTable(Table, frozen=True):
    """Who answers when a rule or the gate asks."""

    approver: Annotated[
        ApproverKind | None,
        Meta(description="none: an ask is a denial. terminal: where there is one. anyone: `approve`, too."),
    ] = None
    deadline_seconds: Annotated[float, Meta(gt=0, le=86400, description="Then silence is a denial.")] | None = None
    grants: tuple[GrantTable, ...] = ()


class AuditTable(Table, frozen=True):
    """The logs."""

    keep_bytes: Annotated[Size | None, Meta(description="Of all sessions together; the oldest go first.")] = None
    keep_days: Annotated[Count | None, Meta(description="Sessions that ended longer ago go.")] = None
    redact: Annotated[
        tuple[str, ...] | None, Meta(description="RE2 patterns of what no record of a call may hold.")
    ] = None


REPLACEABLE = (
    "mounts",
    "symlinks",
    "paths",
    "capabilities",
    "rates",
    "rules",
    "demotions",
    "home.files",
    "environment.allow",
    "environment.set",
    "host_floor",
    "audit.redact",
    "approvals.grants",
    *NET_REPLACEABLE,
    *MCP_REPLACEABLE,
)
"""Lists that a file adds to, or replaces when it names them in `replaces`."""


class Document(Table, frozen=True):
    """A gmcp-sandbox profile: what one agent may do.

    A file that extends another adds to its lists, merges into its tables and replaces its single values. `replaces`
    names lists that it does not inherit.
    """

    name: Name
    description: str | None = None
    extends: Annotated[Text | None, Meta(description="Shipped profile, or path relative to this file.")] = None
    replaces: Annotated[tuple[str, ...], Meta(description="Lists of the extended profile that are dropped.")] = ()
    tier: Literal["untrusted", "limited", "standard", "trusted"] | None = None
    explain: Annotated[
        Literal["none", "category"] | None, Meta(description="Whether the agent learns which rule family denied.")
    ] = None
    toolchains: Annotated[bool | None, Meta(description="Show interpreters and prefixes behind PATH.")] = None
    ptrace: Annotated[
        bool | None, Meta(description="Debuggers: processes of the agent may trace each other (gdb, strace).")
    ] = None
    nested: Annotated[
        bool | None,
        Meta(description="Namespaces inside; true is refused: file systems mounted in them would be judged by nobody."),
    ] = None
    host_floor: Annotated[tuple[str, ...] | None, Meta(description="Facilities that the host must enforce.")] = None
    sets: Annotated[dict[Name, Words], Meta(description="Lists of hosts or paths, used as `@name` in such lists.")] = (
        msgspec.field(default_factory=dict)
    )
    mediation: Annotated[
        dict[str, Literal["open", "every-read"]],
        Meta(description="By label: whether a read is judged with its open, or each read(2) for itself."),
    ] = msgspec.field(default_factory=dict)
    mounts: tuple[MountTable, ...] = ()
    symlinks: tuple[SymlinkTable, ...] = ()
    paths: tuple[PathTable, ...] = ()
    capabilities: Annotated[tuple[CapabilityTable, ...], Meta(min_length=1)] | None = None
    rates: tuple[RateTable, ...] = ()
    rules: tuple[RuleTable, ...] = ()
    demotions: tuple[DemotionTable, ...] = ()
    home: HomeTable = HomeTable()
    environment: EnvironmentTable = EnvironmentTable()
    limits: LimitsTable = LimitsTable()
    probe: ProbeTable = ProbeTable()
    audit: AuditTable = AuditTable()
    approvals: ApprovalsTable = ApprovalsTable()
    net: NetTable | None = None
    mcp: McpTable | None = None


class ConfigDocument(Table, frozen=True):
    """The user's `config.toml`."""

    agents: Annotated[dict[Text, Text], Meta(description="Name of an agent: name or file of its profile.")] = (
        msgspec.field(default_factory=dict)
    )

"""A profile: one agent's policy as frozen values, complete and checked.

`policy/parse.py` makes it from TOML; nothing else does. Paths hold no variables any more. There is no default for what
a profile may do: what no capability grants is denied.
"""

from __future__ import annotations

import enum

import msgspec

from gmcp_sandbox.calls.labels import Label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.approving import ApprovalPolicy, ApproverKind
from gmcp_sandbox.policy.auditing import AuditPolicy
from gmcp_sandbox.policy.mcp import Mcp
from gmcp_sandbox.policy.network import Network


class Tier(enum.IntEnum):
    """How far an agent is trusted."""

    UNTRUSTED = 0
    LIMITED = 1
    STANDARD = 2
    TRUSTED = 3


class MountMode(enum.StrEnum):
    """What a mount of the view lets through to the host."""

    RO = "ro"
    RW = "rw"
    SCRATCH = "scratch"
    HIDDEN = "hidden"


class Caching(enum.StrEnum):
    """How much the kernel may remember of a tree (DESIGN section 6, the three zones)."""

    SYSTEM = "system"
    WORKSPACE = "workspace"
    SENSITIVE = "sensitive"


class Mount(msgspec.Struct, frozen=True):
    """One tree of the view.

    Attributes:
        path: Absolute normal path in the sandbox.
        source: Absolute host path; None for scratch trees.
        mode: What may be done at all; `ro` answers EROFS to every change before any rule is asked.
        label: Of every object in it that no path rule labels higher.
        executable: Whether programs in it may run; enforced by the kernel (noexec) by mount.
        optional: A missing source is skipped and said by `--dry-run`; else it is an error.
        persist: A scratch tree that is kept for the agent's next session.
        caching: The zone.
    """

    path: str
    source: str | None
    mode: MountMode
    label: Label
    executable: bool = False
    optional: bool = True
    persist: bool = False
    caching: Caching = Caching.WORKSPACE


class PathRule(msgspec.Struct, frozen=True):
    """Label what a gitignore-like glob over sandbox paths matches; the highest label of all that match wins.

    The rule does not hold for paths that a glob of `unless` matches.
    """

    pattern: str
    label: Label
    unless: tuple[str, ...] = ()


class Capability(msgspec.Struct, frozen=True):
    """One grant: these tools on objects with these labels (None: any label the tier reaches) under these globs (None:
    any).

    `reads_content` guards (see `policy/guards.py`) still judge what watched files would come to say.
    """

    tools: tuple[Tool, ...]
    labels: tuple[str, ...]
    objects: tuple[str, ...] | None = None


class RateLimit(msgspec.Struct, frozen=True):
    """A token bucket for calls of these tools (and labels, and hosts; None: any) together.

    `server` and `names` (globs; None: any tool) bind it to calls of one MCP server.
    """

    tools: tuple[Tool, ...]
    per_second: float
    burst: int
    labels: tuple[str, ...] | None = None
    hosts: tuple[str, ...] | None = None
    server: str | None = None
    names: tuple[str, ...] | None = None


class RuleCount(msgspec.Struct, frozen=True):
    """A number that a rule asks for.

    Attributes:
        name: What `when` calls it: `counts.<name>`.
        of: `calls` (allowed ones that the rule's other selectors match), a tool (all allowed calls), `denials`,
            `net.bytes_up` or `net.bytes_down`.
        seconds: How far back.
        at_least: The rule holds from this number on; None leaves it to `when`.
        distinct: Count different objects.
        by_object: Count for the call's object alone.
    """

    name: str
    of: str
    seconds: int
    at_least: int | None = None
    distinct: bool = False
    by_object: bool = False


class Rule(msgspec.Struct, frozen=True):
    """One principle of the constitution: when every selector that is given matches, the effect holds.

    Attributes:
        unless: Paths or hosts for which it does not hold.
        argv: Command lines, see `policy/words.py`.
        args: Values that arguments of the tool must have.
        counts: All that have `at_least` must have reached it.
        when: A CEL expression, see `policy/conditions.py`.
        tier: Where `demote` leads.
    """

    id: str
    text: str
    effect: str  # "deny" | "ask" | "demote"
    tools: tuple[Tool, ...] | None = None
    labels: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    hosts: tuple[str, ...] | None = None
    taint: tuple[str, ...] | None = None
    unless: tuple[str, ...] = ()
    argv: tuple[str, ...] | None = None
    args: tuple[tuple[str, str | int | bool], ...] = ()
    counts: tuple[RuleCount, ...] = ()
    when: str | None = None
    tier: Tier | None = None


class Demotion(msgspec.Struct, frozen=True):
    """Trust the agent less from a number of signals on: `denials`, `denials_in_a_row` or `injection`."""

    signal: str
    count: int
    tier: Tier
    seconds: int = 60


class Limits(msgspec.Struct, frozen=True):
    """Bounds of a session; None leaves the host's own.

    Attributes:
        processes: Of the whole session where the host gives control groups, else of the user id.
        memory_bytes: Likewise; else the address space of each process.
        cpus: How many processors' worth of time; needs a control group.
        written_bytes: Written to the workspace and other trees of the host, all together.
        new_files: Files, directories and links made there.
    """

    open_files: int = 4096
    processes: int | None = 2048
    file_bytes: int | None = None
    core_bytes: int = 0
    memory_bytes: int | None = None
    cpu_seconds: int | None = None
    cpus: float | None = None
    wall_seconds: int | None = None
    written_bytes: int | None = None
    new_files: int | None = None
    scratch_bytes: int = 2 << 30
    shm_bytes: int = 256 << 20
    log_bytes: int = 512 << 20


class Environment(msgspec.Struct, frozen=True):
    """Environment variables: names (globs with `*`) passed on when set outside, and values set always."""

    allow: tuple[str, ...]
    set: dict[str, str] = {}


class ProbePolicy(msgspec.Struct, frozen=True):
    """The semantic gate: whether a model must be there, and where its score leads.

    Attributes:
        alpha: How much of the model's bias is taken off; None: as the model's manifest says, as for the thresholds.
        deny_at: Score at which a call is denied.
        ask_at: Score at which somebody is asked.
        tools: Tools that are probed; empty for all that can be.
        deadline_seconds: A call that waits longer for its answer is denied.
        task: What the agent is to do, in one line, for the model to judge by; program starts are judged without it.
        deny_at_most: The organisation's ceiling of `deny_at`, whatever profile or model say; `ask_at_most` of `ask_at`.
    """

    required: bool = False
    alpha: float | None = None
    deny_at: float | None = None
    ask_at: float | None = None
    tools: tuple[Tool, ...] = ()
    deadline_seconds: float = 10.0
    task: str = ""
    deny_at_most: float | None = None
    ask_at_most: float | None = None


class GateBounds(msgspec.Struct, frozen=True):
    """What a ceiling says of the gate; None: nothing.

    Attributes:
        required: Whether a model must be there.
        alpha: The one that holds where `deny_at` or `ask_at` is set: they mean something under one alone.
        deny_at: The highest that may hold; `ask_at` likewise.
        tools: Tools that are probed at least; empty for all that can be.
    """

    required: bool = False
    alpha: float | None = None
    deny_at: float | None = None
    ask_at: float | None = None
    tools: tuple[Tool, ...] | None = None


class Ceiling(msgspec.Struct, frozen=True):
    """What an organisation lets no profile exceed; see `policy/ceiling.py`.

    Attributes:
        digest: Blake3 hex of its canonical form.
        limits: Bounds by the names of `Limits`.
        net: The hosts that profiles may grant; None: none at all.
        net_bounds: Bounds of the single numbers of `[net]`, by name; those of `[net.dns]` as `dns.NAME`.
        proxy: The one that holds; None leaves it to the profile.
        redact: Patterns of what no record may hold.
        mcp: The servers that profiles may have, as they may have them; None: none at all.
        ptrace: Whether profiles may allow debuggers.
    """

    name: str
    digest: str
    tier: Tier
    capabilities: tuple[Capability, ...]
    path_rules: tuple[PathRule, ...] = ()
    rates: tuple[RateLimit, ...] = ()
    rules: tuple[Rule, ...] = ()
    demotions: tuple[Demotion, ...] = ()
    limits: dict[str, int | float] = {}
    approver: ApproverKind | None = None
    deadline_seconds: float | None = None
    host_floor: tuple[str, ...] = ()
    probe: GateBounds = GateBounds()
    net: Network | None = None
    net_bounds: dict[str, float] = {}
    proxy: str | None = None
    redact: tuple[str, ...] = ()
    every_read: tuple[str, ...] = ()
    mcp: Mcp | None = None
    ptrace: bool = False


class Profile(msgspec.Struct, frozen=True):
    """One agent's policy.

    Attributes:
        name: Of the profile.
        digest: Blake3 hex of the canonical form, `extends` resolved.
        tier: Of the agent.
        mounts: In order; a later one hides what an earlier one shows at the same path.
        symlinks: (sandbox path, target) pairs that the view shows, for example `/bin` → `usr/bin`.
        toolchains: Whether interpreters and prefixes behind PATH are found and shown.
        home_files: Paths relative to the user's home that are shown read-only where they exist.
        path_rules: Labels by path.
        explain: None, or "category": tell the agent which rule family denied.
        host_floor: Facilities that the host must enforce (names of `doctor` findings).
        ptrace: Whether debuggers may trace the agent's own processes; then words that were judged need not be those
            that a traced program goes on with.
        demotions: Signals that lower the tier.
        net: What the agent reaches; None: its own loopback and nothing else.
        ceiling: Of the organisation, already brought to bear on the rest; its grants are asked beside the profile's.
        every_read: Labels of files of which every read(2) is a call, and not the open alone.
        mcp: The servers that its MCP calls reach; None: none.
    """

    name: str
    digest: str
    tier: Tier
    mounts: tuple[Mount, ...]
    symlinks: tuple[tuple[str, str], ...]
    path_rules: tuple[PathRule, ...]
    capabilities: tuple[Capability, ...]
    rates: tuple[RateLimit, ...]
    rules: tuple[Rule, ...]
    environment: Environment
    limits: Limits
    probe: ProbePolicy
    toolchains: bool = True
    home_files: tuple[str, ...] = ()
    persist_home: bool = False
    explain: str | None = None
    host_floor: tuple[str, ...] = ()
    ptrace: bool = False
    audit: AuditPolicy = AuditPolicy()
    approvals: ApprovalPolicy = ApprovalPolicy()
    demotions: tuple[Demotion, ...] = ()
    net: Network | None = None
    ceiling: Ceiling | None = None
    every_read: tuple[str, ...] = ()
    mcp: Mcp | None = None

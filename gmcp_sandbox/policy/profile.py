"""A profile: one agent's policy as frozen values, complete and checked.

`policy/parse.py` makes it from TOML; nothing else does. Paths hold no variables any more. There is no default for what
a profile may do: what no capability grants is denied.
"""

from __future__ import annotations

import enum

import msgspec

from gmcp_sandbox.calls.labels import Label
from gmcp_sandbox.calls.tools import Tool
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
    """A token bucket for calls of these tools (and labels, and hosts; None: any) together."""

    tools: tuple[Tool, ...]
    per_second: float
    burst: int
    labels: tuple[str, ...] | None = None
    hosts: tuple[str, ...] | None = None


class Rule(msgspec.Struct, frozen=True):
    """One principle of the constitution: when every selector that is not None matches, the effect holds."""

    id: str
    text: str
    effect: str  # "deny" | "ask"
    tools: tuple[Tool, ...] | None = None
    labels: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    hosts: tuple[str, ...] | None = None
    taint: tuple[str, ...] | None = None


class Limits(msgspec.Struct, frozen=True):
    """Bounds of a session; None leaves the host's own."""

    open_files: int = 4096
    processes: int | None = 2048
    file_bytes: int | None = None
    core_bytes: int = 0
    memory_bytes: int | None = None
    cpu_seconds: int | None = None
    wall_seconds: int | None = None
    scratch_bytes: int = 2 << 30
    shm_bytes: int = 256 << 20
    log_bytes: int = 512 << 20


class Environment(msgspec.Struct, frozen=True):
    """Environment variables: names (globs with `*`) passed on when set outside, and values set always."""

    allow: tuple[str, ...]
    set: dict[str, str] = {}


class ProbePolicy(msgspec.Struct, frozen=True):
    """The semantic gate: whether a model must be there, and where its score leads."""

    required: bool = False
    alpha: float = 1.0
    deny_at: float = 2.0
    ask_at: float = 0.5
    tools: tuple[Tool, ...] = ()


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
        net: What the agent reaches; None: its own loopback and nothing else.
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
    nested: bool = False
    net: Network | None = None

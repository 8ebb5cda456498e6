"""The TOML form of a profile: what may stand in one file.

Every table is a strict struct; its docstrings and `Meta` make the published JSON Schema. Everything is optional here,
because a file may extend another; `policy/parse.py` says what the whole must have.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from gmcp_sandbox.calls.tools import Tool
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


class RuleTable(Table, frozen=True):
    """One principle: the effect holds when every selector that is given matches."""

    id: Name
    text: Annotated[str, Meta(min_length=1, description="What it says, for people.")]
    effect: Literal["deny", "ask"]
    tools: Tools | None = None
    labels: Labels | None = None
    paths: Globs | None = None
    hosts: Words | None = None
    taint: Annotated[Words | None, Meta(description="Holds once the session has read one of these labels.")] = None


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
    memory_bytes: Size | None = None
    cpu_seconds: Count | None = None
    wall_seconds: Count | None = None
    scratch_bytes: Size | None = None
    shm_bytes: Size | None = None
    log_bytes: Size | None = None


class ProbeTable(Table, frozen=True):
    """The semantic gate."""

    required: Annotated[bool | None, Meta(description="Refuse to start without a model.")] = None
    alpha: float | None = None
    deny_at: float | None = None
    ask_at: float | None = None
    tools: tuple[Tool, ...] | None = None


REPLACEABLE = (
    "mounts",
    "symlinks",
    "paths",
    "capabilities",
    "rates",
    "rules",
    "home.files",
    "environment.allow",
    "environment.set",
    "host_floor",
    *NET_REPLACEABLE,
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
    nested: bool | None = None
    host_floor: Annotated[tuple[str, ...] | None, Meta(description="Facilities that the host must enforce.")] = None
    mounts: tuple[MountTable, ...] = ()
    symlinks: tuple[SymlinkTable, ...] = ()
    paths: tuple[PathTable, ...] = ()
    capabilities: Annotated[tuple[CapabilityTable, ...], Meta(min_length=1)] | None = None
    rates: tuple[RateTable, ...] = ()
    rules: tuple[RuleTable, ...] = ()
    home: HomeTable = HomeTable()
    environment: EnvironmentTable = EnvironmentTable()
    limits: LimitsTable = LimitsTable()
    probe: ProbeTable = ProbeTable()
    net: NetTable | None = None

"""What the tables of a profile file are made of: their base, and the types of their values."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gmcp_sandbox.calls.tools import Tool

Text = Annotated[str, Meta(min_length=1)]
Words = Annotated[tuple[str, ...], Meta(min_length=1)]
Globs = Annotated[
    tuple[str, ...], Meta(min_length=1, description="Globs over sandbox paths; anchored with a leading slash.")
]
Tools = Annotated[tuple[Tool, ...], Meta(min_length=1, description="Tools, by name.")]
Labels = Annotated[tuple[str, ...], Meta(min_length=1, description="Labels, by name.")]
Path = Annotated[str, Meta(min_length=1, description="Absolute path; `${workspace}`, `${home}` and `${user}` stand.")]
Size = Annotated[int | str, Meta(description='Bytes, or text such as "512MiB".')]
Count = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all tables: unknown keys are errors."""

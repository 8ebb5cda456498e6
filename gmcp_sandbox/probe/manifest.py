"""What lies beside a model: which files belong together, and what the model's numbers mean.

Guarantees: a manifest that is not exactly of this form, of another rendering, or whose files have other bytes than it
says, is refused with an error that names the file. Nothing of a model is used before its digest was compared; what was
compared is what is used (bytes, not paths).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from blake3 import blake3
from msgspec import Meta

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.probe.rendering import VERSION

NAME = "manifest.json"
FORMAT = 1
CATEGORIES = (
    "destruction",
    "exfiltration",
    "credential_access",
    "persistence",
    "privilege",
    "supply_chain",
    "sabotage",
    "injection",
)
"""What a dangerous call does; the columns of the read-out after safe and dangerous, in this order."""
_HINT = "install gmcp-sandbox again, or set probe.required = false and remove the model directory"
_FEW = 64 << 20

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
FileName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Ids = Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(max_length=32)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file and its Blake3."""

    file: FileName
    blake3: Digest


class Vocabulary(Part, frozen=True, forbid_unknown_fields=True):
    """The tokenizer's file."""

    kind: Literal["wordpiece"] = "wordpiece"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model.

    Attributes:
        base: Which pretrained model it came from.
        prefix_ids: Word pieces before a line; suffix_ids: after it. The verdict's position is in one of them.
        max_body: Word pieces of a line, at most.
        rendering: Version of `render` that it was trained with.
        batch: Whether a line's scores do not depend on what is computed with it.
        bias: What the model answers to content-free calls (dangerous minus safe), by tool; `*` for all others.
        alpha: How much of the bias is taken off, unless the profile says otherwise.
        deny_at: Score at which a call is denied; `ask_at`: asked about; `incoming_at`: text is taken for instructions.
        metrics: What was measured, free in form.
    """

    format: Literal[1]
    base: str
    model: Part
    tokenizer: Vocabulary
    prefix_ids: Ids
    suffix_ids: Ids
    pad_id: Annotated[int, Meta(ge=0)]
    max_body: Annotated[int, Meta(ge=16, le=512)]
    rendering: int
    categories: tuple[str, ...]
    bias: dict[str, float]
    alpha: float
    deny_at: float
    ask_at: float
    incoming_at: float
    batch: bool = False
    metrics: dict[str, Any] = {}

    @property
    def digest(self) -> str:
        """What a model's answers depend on: its bytes, its vocabulary and its template."""
        parts = (self.model.blake3, self.tokenizer.blake3, self.prefix_ids, self.suffix_ids, self.max_body)
        return blake3(msgspec.json.encode((*parts, self.rendering))).hexdigest()

    def bias_of(self, tool: str) -> float:
        """Return the bias of a tool."""
        return self.bias.get(tool, self.bias.get("*", 0.0))


def is_installed(directory: Path) -> bool:
    """True when there is a model: whatever is wrong with it is an error then, and no model."""
    return os.path.lexists(directory / NAME)


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest of the model in a directory; the files that it names are there.

    Raises:
        HostError: It is missing, of another form, of another rendering, or a file is missing.
    """
    path = directory / NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise HostError(f"cannot read {path}", cause=error.strerror or str(error), hint=_HINT) from None
    except msgspec.MsgspecError as error:
        raise HostError(f"{path} is no model manifest", cause=str(error), hint=_HINT) from None
    if manifest.categories != CATEGORIES:
        raise HostError(f"{path} names other categories", cause=", ".join(manifest.categories), hint=_HINT)
    if manifest.rendering != VERSION:
        cause = f"it was made for rendering {manifest.rendering}, this is {VERSION}"
        raise HostError(f"the model in {directory} does not fit this version", cause=cause, hint=_HINT)
    for part in (manifest.model, manifest.tokenizer):
        if not (directory / part.file).is_file():
            raise HostError(f"the model's file {directory / part.file} is missing", hint=_HINT)
    return manifest


def read_part(directory: Path, part: Part) -> bytes:
    """Return the bytes of a file that the manifest names.

    Raises:
        HostError: It cannot be read, or its digest is another.
    """
    path = directory / part.file
    try:
        if path.stat().st_size > _FEW:
            raise HostError(f"{path} is too large for a model", hint=_HINT)
        data = path.read_bytes()
    except OSError as error:
        raise HostError(f"cannot read {path}", cause=error.strerror or str(error), hint=_HINT) from None
    found = blake3(data).hexdigest()
    if found != part.blake3:
        cause = f"its Blake3 is {found[:16]}…, the manifest says {part.blake3[:16]}…"
        raise HostError(f"{path} was altered", cause=cause, hint=_HINT)
    return data

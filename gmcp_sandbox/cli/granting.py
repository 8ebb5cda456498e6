"""Write an answer into the profile, as a grant, so that nobody is asked again.

Guarantees: the file is replaced in one step and only when the result is a whole profile; its other lines stay as they
are. A shipped profile is never written to.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmcp_sandbox.errors import ProfileError, UsageError

if TYPE_CHECKING:
    from gmcp_sandbox.monitor.statedir import SessionDir


def write_grant(session: SessionDir, question: dict[str, Any], pattern: str) -> Path:
    """Append a grant to the profile of a session; return its file.

    Raises:
        UsageError: The profile has no file of its own.
        ProfileError: The result would be no profile.
    """
    meta = session.meta()
    path = None if meta is None else meta.profile_path
    if meta is None or path is None:
        raise UsageError(
            "the answer holds for this session, but it cannot be written down: the profile is a shipped one",
            hint="make one of your own that extends it: gmcp-sandbox profile init",
        )
    block = grant_text([reason for _, reason, _ in question["reasons"]], question["tool"], pattern)
    _append(Path(path), block)
    return Path(path)


def grant_text(reasons: list[str], tool: str, pattern: str) -> str:
    """Return a grant in TOML. Strings of JSON are strings of TOML, but for DEL, which JSON leaves as it is."""
    words = [json.dumps(value).replace("\x7f", "\\u007f") for value in (sorted(set(reasons)), [tool], [pattern])]
    names = ("reasons", "tools", "objects")
    return "\n[[approvals.grants]]\n" + "".join(f"{name} = {text}\n" for name, text in zip(names, words, strict=True))


def _append(path: Path, block: str) -> None:
    from gmcp_sandbox.policy.fields import Source, read_document

    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode & 0o777
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"cannot read the profile {path}", cause=str(error)) from error
    new = text + ("" if text.endswith("\n") else "\n") + block
    read_document(Source(str(path), new))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ProfileError(f"cannot write the profile {path}", cause=error.strerror or "") from error

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
            hint='write a file with extends = "default" and a name, and start with -p FILE',
        )
    block = grant_text([reason for _, reason, _ in question["reasons"]], question["tool"], pattern)
    _append(Path(path), block)
    return Path(path)


def grant_text(reasons: list[str], tool: str, pattern: str) -> str:
    """Return a grant in TOML.

    Raises:
        UsageError: A word holds bytes that are not UTF-8, which no string of TOML can say.
    """
    rows = {"reasons": sorted(set(reasons)), "tools": [tool], "objects": [pattern]}
    lines = (f"{name} = [{', '.join(_quoted(word) for word in words)}]\n" for name, words in rows.items())
    return "\n[[approvals.grants]]\n" + "".join(lines)


def _quoted(word: str) -> str:
    """Return a string of TOML, in printable ASCII, so that the file steers no terminal."""
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            "the answer holds for this session, but it cannot be written down: the name is not UTF-8",
            hint="a grant for the directory above it, or with * in its place, can be",
        ) from None
    return "".join(_escape(char) for char in json.dumps(word, ensure_ascii=False))


def _escape(char: str) -> str:
    """Escape what JSON leaves as it is; TOML has no pairs of surrogates for what lies beyond U+FFFF."""
    if " " <= char <= "~":
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


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

"""Write an answer into the profile, as a grant, so that nobody is asked again.

Guarantees: the file is replaced in one step and only when the result is a whole profile; its other lines stay as they
are. A shipped profile is never written to. An approval of the profile holds on for the user's own addition and for no
other change. What the organisation's ceiling asks is never written down.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gmcp_sandbox.errors import ProfileError, UsageError
from gmcp_sandbox.monitor.ceiling import CEILING, load_ceiling
from gmcp_sandbox.monitor.profiles import read_chain, user_name
from gmcp_sandbox.monitor.statedir import TRUSTED
from gmcp_sandbox.monitor.trusted import TrustStore
from gmcp_sandbox.policy.ceiling import is_reason_of_ceiling

if TYPE_CHECKING:
    from gmcp_sandbox.monitor.statedir import SessionDir


def write_grant(session: SessionDir, question: dict[str, Any], pattern: str, ceiling: str = CEILING) -> Path:
    """Append a grant to the profile of a session; return its file.

    Raises:
        UsageError: The profile has no file of its own, or it is the organisation's ceiling that asks.
        ProfileError: The result would be no profile.
    """
    meta = session.meta()
    path = None if meta is None else meta.profile_path
    if meta is None or path is None:
        raise UsageError(
            "the answer holds for this session, but it cannot be written down: the profile is a shipped one",
            hint="gmcp-sandbox profile init   (or a file of your own: exec -p FILE)",
        )
    reasons = [reason for _, reason, _ in question["reasons"]]
    _refuse_of_ceiling(reasons, ceiling, meta.workspace)
    block = grant_text(reasons, question["tool"], pattern)
    approved = _Approved(TrustStore(session.state / TRUSTED), Path(path))
    approved.renew(*_append(Path(path), block))
    return Path(path)


def _refuse_of_ceiling(reasons: list[str], ceiling: str, workspace: str) -> None:
    variables = {"workspace": workspace, "home": os.path.expanduser("~"), "user": user_name()}
    above = load_ceiling(ceiling, variables)
    asked = [reason for reason in reasons if is_reason_of_ceiling(reason, above)]
    if asked:
        raise UsageError(
            "the answer holds for this session, but it cannot be written down: the organisation's ceiling asks it",
            cause=f"no profile can answer {', '.join(sorted(set(asked)))} in advance",
            hint=f"answer it each time, or ask whoever looks after {ceiling}",
        )


class _Approved:
    """The user's approval of a profile that lies in a workspace: what he adds himself he approves by that."""

    def __init__(self, store: TrustStore, path: Path) -> None:
        chain = read_chain(str(path), home=Path(os.path.expanduser("~")))
        self._store = store
        self._path = path
        self._chain = chain if store.is_trusted(path, chain) else None

    def renew(self, old: str, new: str) -> None:
        """Approve the new text of the file where the approved one was the old; nobody else's change comes with it."""
        if self._chain is None or self._chain[-1].source.text != old:
            return
        last = self._chain[-1]
        source = msgspec.structs.replace(last.source, text=new)
        self._store.trust(self._path, (*self._chain[:-1], msgspec.structs.replace(last, source=source)))


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


def _append(path: Path, block: str) -> tuple[str, str]:
    """Put the block at the end of a file; return what it said before and says then."""
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
    return text, new

"""`audit verify` and `audit key`: prove that a log is what was written, and by whose session."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gmcp_sandbox.audit.verify import Verification
    from gmcp_sandbox.monitor.statedir import SessionDir


class _Answer(NamedTuple):
    """What is to be said of a log beside what verifying it found."""

    note: str
    is_broken: bool


def run_verify(args: argparse.Namespace) -> int:
    """Verify a log and say what was found: 0 it is whole, 1 it is not."""
    from gmcp_sandbox.audit.encode import encode
    from gmcp_sandbox.audit.verify import verify
    from gmcp_sandbox.cli.audit import locate

    path, session = locate(args.which)
    result = verify(path, session=session.id if session else None, key=_trusted_key(args.key, session))
    answer = _compare(result, session)
    is_intact = result.is_intact and not answer.is_broken
    if args.json:
        print(encode({"state": result.state, "intact": is_intact, "note": answer.note, **_facts(result)}).decode())
    else:
        print(_text(result, answer.note))
    return 0 if is_intact else 1


def run_key(args: argparse.Namespace) -> int:
    """Print the public key that this user's logs are signed with."""
    from gmcp_sandbox.audit.signing import load_key
    from gmcp_sandbox.monitor.statedir import KEYS, StateDir

    print(load_key(str(StateDir.open().path / KEYS)).public)
    return 0


def _trusted_key(given: str | None, session: SessionDir | None) -> str | None:
    """Return the key that must have signed: the one that was given (hex or a file), or that of this user's sessions."""
    import os

    from gmcp_sandbox.audit.signing import parse_public, public_key
    from gmcp_sandbox.errors import UsageError
    from gmcp_sandbox.monitor.statedir import KEYS

    if given is None:
        return None if session is None else public_key(str(session.state / KEYS))
    if not os.path.exists(given):
        return parse_public(given)
    try:
        with open(given, encoding="ascii", errors="replace") as file:
            return parse_public(file.read(256))
    except OSError as error:
        raise UsageError(f"cannot read the key {given!r}", hint=error.strerror or "") from error


def _compare(result: Verification, session: SessionDir | None) -> _Answer:
    """Compare a log with what else is known of its session: the ledger, its description, its process."""
    from gmcp_sandbox.audit.verify import State

    if result.state is State.BROKEN:
        return _Answer("", is_broken=True)
    if session is None:
        missing = "no seal: the session runs, crashed, or the end of the log was cut off"
        return _Answer("" if result.state is State.WHOLE else missing, is_broken=False)
    if (contradiction := _contradiction(result, session)) is not None:
        return _Answer(contradiction, is_broken=True)
    if result.state is State.WHOLE:
        return _Answer("", is_broken=False)
    if session.is_running():
        return _Answer("no seal yet: the session is running", is_broken=False)
    meta = session.meta()
    if meta is not None and meta.ended_ns is not None:
        return _Answer("no seal, but the session ended in order: the end was cut off or could not be written", True)
    return _Answer("no seal: the session crashed or was killed", is_broken=False)


def _contradiction(result: Verification, session: SessionDir) -> str | None:
    """Return what the ledger of sessions says against a log."""
    from gmcp_sandbox.audit.ledger import find

    if result.key is None:
        return None
    entered = find(str(session.state), session.id, result.key)
    if entered is None or (entered.records, entered.head) == (result.records, result.last_hash):
        return None
    return f"the ledger says that it ended with record {entered.records}: it was cut off, or an older one put back"


def _facts(result: Verification) -> dict[str, object]:
    finding = result.finding
    return {
        "session": result.session,
        "records": result.records,
        "signed": result.signed,
        "key": result.key,
        "own_key": result.is_own_key,
        "files": result.files,
        "last_hash": result.last_hash,
        "finding": None
        if finding is None
        else {"file": finding.file, "line": finding.line, "seq": finding.seq, "problem": finding.problem},
    }


def _text(result: Verification, note: str) -> str:
    from gmcp_sandbox.cli.terminal import visible

    files = "1 file" if result.files == 1 else f"{result.files} files"
    lines = [f"{result.state.value.upper()}  session {result.session or '?'}: {result.records} good records in {files}"]
    if result.finding is not None:
        lines.append(f"  {result.finding}")
    lines.append(f"  {_signatures(result)}")
    if note:
        lines.append(f"  {note}")
    return "\n".join(visible(line) for line in lines)


def _signatures(result: Verification) -> str:
    """Say which records are signed and which are not."""
    if result.key is None:
        return "not signed: anybody who can write the file can chain it anew"
    whose = f"by the key {result.key[:16]}…"
    if not result.is_own_key:
        whose += ", which only the log itself names: compare with --key"
    if result.signed == 0:
        return f"no record is signed yet ({whose})"
    if result.signed >= result.records - 1:  # the last one is the checkpoint
        return f"signed: all records, {whose}"
    return f"signed: records 1–{result.signed}, {whose}; {result.signed + 1}–{result.records} are not signed"

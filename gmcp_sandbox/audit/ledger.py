"""The ledger: one signed line for every sealed session, so that a log cannot be cut back to an older, signed end.

A log alone cannot say how long it was. Each line of the ledger states a session, its number of records and the hash of
the last one, signed, and names the hash of the line before it: a line that is changed, moved or taken out of the middle
is found. What cannot be found: somebody who rolls back the whole state directory to a moment of the past.

Guarantees: a line is appended whole, under a lock; lines stay short and few.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import msgspec
from blake3 import blake3

from gmcp_sandbox.audit.signing import Signer, is_signed_by
from gmcp_sandbox.errors import AuditError

NAME = "ledger.jsonl"
MAX_BYTES = 64 << 20
_LINE_BYTES = 1024
"""More than a line has."""
_CONTEXT = b"gmcp-sandbox audit ledger 1\n"
_START = "0" * 64


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sealed session."""

    session: str
    at: int
    records: int
    head: str
    prev: str
    signature: str = ""

    def message(self) -> bytes:
        """Return what is signed."""
        return _CONTEXT + msgspec.json.encode(msgspec.structs.replace(self, signature=""))

    def digest(self) -> str:
        """Return the hash by which the next line names this one."""
        return blake3(self.message() + self.signature.encode("ascii", "replace")).hexdigest()


def enter(directory: str, line: Line, signer: Signer) -> None:
    """Append a session; `prev` and `signature` are filled in here.

    Raises:
        AuditError: The ledger is damaged or cannot be written.
    """
    try:
        fd = os.open(os.path.join(directory, NAME), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise AuditError("cannot open the ledger of sessions", cause=error.strerror or "") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        end, last = _last(fd)
        entered = msgspec.structs.replace(line, prev=_START if last is None else last.digest())
        entered = msgspec.structs.replace(entered, signature=signer.sign(entered.message()).hex())
        data = msgspec.json.encode(entered) + b"\n"
        if os.pwrite(fd, data, end) != len(data):
            os.ftruncate(fd, end)
            raise AuditError("cannot write the ledger of sessions", cause="is the disk full?")
        os.fdatasync(fd)
    except OSError as error:
        raise AuditError("cannot write the ledger of sessions", cause=error.strerror or "") from error
    finally:
        os.close(fd)


def _last(fd: int) -> tuple[int, Line | None]:
    """Return where the ledger ends, and its last line; what a crash left of a line behind that is overwritten."""
    size = os.fstat(fd).st_size
    start = max(0, size - 2 * _LINE_BYTES)
    tail = os.pread(fd, size - start, start)
    whole = tail[: tail.rfind(b"\n") + 1]
    if len(whole) != len(tail):
        os.ftruncate(fd, start + len(whole))
    last = whole.rstrip(b"\n").rpartition(b"\n")[2]
    return start + len(whole), next(_lines(last), None)


def find(directory: str, session: str, key: str) -> Line | None:
    """Return what the ledger says of a session; None when it never heard of it.

    Raises:
        AuditError: The ledger is not what was written, by the key (hex) of its writer.
    """
    try:
        fd = os.open(os.path.join(directory, NAME), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuditError("cannot open the ledger of sessions", cause=error.strerror or "") from error
    with os.fdopen(fd, "rb") as file:
        data = file.read(MAX_BYTES)
    previous, found = _START, None
    for number, line in enumerate(_lines(data), 1):
        if line.prev != previous:
            raise AuditError(
                f"the ledger of sessions is broken at line {number}", cause="a line was changed or removed"
            )
        if line.session == session:
            if not _is_genuine(line, key):
                raise AuditError(f"the ledger of sessions is broken at line {number}", cause="its signature is wrong")
            found = line
        previous = line.digest()
    return found


def _is_genuine(line: Line, key: str) -> bool:
    try:
        return is_signed_by(key, bytes.fromhex(line.signature), line.message())
    except ValueError:
        return False


def _lines(data: bytes) -> Iterator[Line]:
    for number, text in enumerate(data.split(b"\n"), 1):
        if not text:
            continue
        try:
            yield msgspec.json.decode(text, type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AuditError(
                f"line {number} of the ledger of sessions is no entry",
                cause=str(error)[:200],
                hint="move ledger.jsonl away: sessions sealed so far can then be cut back unnoticed",
            ) from None

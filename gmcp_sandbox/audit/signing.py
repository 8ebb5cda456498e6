"""The key that signs checkpoints, and what a checkpoint states (Ed25519, RFC 8032).

Guarantees:
- The key is made once for a user, 0600 in a directory of the user's own, and never shown to an agent. A key file that
  others can read, of another size or owner, is refused, not replaced.
- A statement names the session, how many records it covers and the hash of the last of them: a signature cannot be
  moved to another log or to another place of the same log.

The library is imported at the first signature (20 ms that no start should wait for), so the public key stands in a file
of its own; a pair that does not fit together is found by the first signature and ends the session.

Leaves to others: who can write to the user's files can sign like the user. Keep the public key elsewhere
(`gmcp-sandbox audit key`) to verify a log that somebody hands you.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Callable
from typing import Protocol

from gmcp_sandbox.errors import AuditError

CONTEXT = b"gmcp-sandbox audit checkpoint 1"
_SEED_BYTES = 32
_SECRET, _PUBLIC = "audit.ed25519", "audit.ed25519.pub"
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Signer(Protocol):
    """Somebody whose signature a log carries."""

    @property
    def public(self) -> str:
        """The public key, hex."""

    def warm(self) -> None:
        """Get ready to sign; may run in a thread. Raises AuditError."""

    def sign(self, statement: bytes) -> bytes:
        """Return the signature. Raises AuditError."""


class SigningKey:
    """A user's signing key."""

    def __init__(self, seed: bytes, public: str) -> None:
        self.public = public
        self._seed = seed
        self._sign: Callable[[bytes], bytes] | None = None

    def warm(self) -> None:
        """Import what signing needs, so that the first signature does not wait for it; may run in a thread.

        Raises:
            AuditError: The two halves of the key do not belong together.
        """
        if self._sign is not None:
            return
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(self._seed)
        if key.public_key().public_bytes_raw().hex() != self.public:
            raise AuditError(
                "the signing key and its public half do not belong together",
                cause="one of the files in the directory `keys` of the state directory was replaced",
                hint="restore both from a backup; or move both away, and a new pair is made",
            )
        self._sign = key.sign

    def sign(self, statement: bytes) -> bytes:
        """Return the signature of a statement (64 bytes). Raises AuditError."""
        self.warm()
        if self._sign is None:
            raise AssertionError("a warm key signs")
        return self._sign(statement)


def statement(session: str, records: int, head: bytes) -> bytes:
    """Return what a checkpoint signs: the first `records` lines of a log, up to the one that hashes to `head`."""
    return b"%b\n%b\n%d\n%b\n" % (CONTEXT, session.encode("utf-8", "surrogatepass"), records, head.hex().encode())


def is_signed_by(public: str, signature: bytes, message: bytes) -> bool:
    """True when the signature of a message is that of a public key (hex)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def parse_public(text: str) -> str:
    """Return a public key as it stands in a file or on a command line.

    Raises:
        AuditError: It is none.
    """
    key = text.strip().lower()
    if not _HEX.fullmatch(key):
        raise AuditError("that is no public key", cause="64 hexadecimal digits are expected")
    return key


def load_key(directory: str) -> SigningKey:
    """Return the key pair in a directory of the caller's own; make it when neither half is there.

    Raises:
        AuditError: A half is missing, unreadable, or open to others.
    """
    try:
        fd = os.open(directory, _DIRECTORY)
    except OSError as error:
        raise AuditError(f"cannot open {directory!r}", cause=error.strerror or "") from error
    try:
        if not _is_there(_SECRET, fd):
            _make_pair(fd)
        return SigningKey(_read(_SECRET, fd, is_secret=True), public_key(directory) or "")
    finally:
        os.close(fd)


def public_key(directory: str) -> str | None:
    """Return the public key in a directory; None when no pair was made yet.

    Raises:
        AuditError: It is unreadable or no key.
    """
    try:
        fd = os.open(directory, _DIRECTORY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuditError(f"cannot open {directory!r}", cause=error.strerror or "") from error
    try:
        if not _is_there(_PUBLIC, fd) and not _is_there(_SECRET, fd):
            return None
        return parse_public(_read(_PUBLIC, fd, is_secret=False).decode("ascii", "replace"))
    finally:
        os.close(fd)


def _is_there(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _read(name: str, directory: int, *, is_secret: bool) -> bytes:
    """Read a half of the pair; the secret one must be the caller's and closed to others."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        raise AuditError(f"cannot read the key {name}", cause=error.strerror or "") from error
    try:
        facts = os.fstat(fd)
        content = os.read(fd, 128)
    finally:
        os.close(fd)
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
        raise AuditError(f"the key {name} is not a file of yours")
    if is_secret and (len(content) != _SEED_BYTES or facts.st_mode & 0o077):
        raise AuditError(
            f"the signing key {name} cannot be used",
            cause="it is not 32 bytes long" if len(content) != _SEED_BYTES else "others may read it",
            hint=f"chmod 600 {name}, or restore it from a backup",
        )
    return content


def _make_pair(directory: int) -> None:
    """Make both halves; the secret one appears last and whole, and whoever comes second takes the first one's."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    drafts = {
        _PUBLIC: key.public_key().public_bytes_raw().hex().encode() + b"\n",
        _SECRET: key.private_bytes_raw(),
    }
    fcntl.flock(directory, fcntl.LOCK_EX)  # of this open description: released when the caller closes it
    if _is_there(_SECRET, directory):
        return
    try:
        for name, content in drafts.items():
            _place(name, content, directory)
        os.fsync(directory)
    except OSError as error:
        raise AuditError("cannot make a signing key", cause=error.strerror or "") from error


def _place(name: str, content: bytes, directory: int) -> None:
    draft = f".{name}.{os.urandom(4).hex()}"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(draft, name, src_dir_fd=directory, dst_dir_fd=directory)

"""Which profiles that lie in workspaces the user has approved, each by its bytes.

A `gmcp.toml` comes with the project, from whoever wrote the project; it says what an agent may do only after the user
has said so.

Guarantees:
- An approval holds for one place and for exactly the bytes that were there: those of the file and of every file that
  it extends, but for the shipped ones.
- The last approval of a place is the only one: a content that was approved earlier does not come back into force.
- Approvals lie in the state directory, which no view shows. What cannot be read whole approves nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from blake3 import blake3

from gmcp_sandbox.errors import HostError, ProfileError
from gmcp_sandbox.monitor.profiles import Located
from gmcp_sandbox.monitor.statedir import TRUSTED, StateDir, replace_file


class Approval(msgspec.Struct, frozen=True):
    """One record: which file, and the Blake3 of what it says."""

    path: str
    digest: str


class TrustStore:
    """The approvals of one user."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def of(cls, state: StateDir) -> TrustStore:
        """Return the approvals in a state directory."""
        return cls(state.path / TRUSTED)

    def trust(self, path: Path, chain: Sequence[Located]) -> str:
        """Approve what a file says, and the files that it extends; return the digest.

        Raises:
            HostError: The record cannot be written.
        """
        record = self.record_of(path)
        digest = digest_of_chain(chain)
        try:
            replace_file(record, msgspec.json.encode(Approval(_spelt(path), digest)))
        except OSError as error:
            raise HostError(f"cannot write {record}", cause=error.strerror or str(error)) from None
        return digest

    def forget(self, path: Path) -> bool:
        """Take an approval back; return whether there was one.

        Raises:
            HostError: The record cannot be removed.
        """
        try:
            self.record_of(path).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise HostError(f"cannot remove {self.record_of(path)}", cause=error.strerror or str(error)) from None
        return True

    def is_trusted(self, path: Path, chain: Sequence[Located]) -> bool:
        """True when exactly this is what the user approved last."""
        approval = self._approval(path)
        return approval is not None and approval == Approval(_spelt(path), digest_of_chain(chain))

    def check(self, path: Path, chain: Sequence[Located]) -> None:
        """Refuse what the user has not approved.

        Raises:
            ProfileError: Neither these bytes nor any others, or others.
        """
        if self.is_trusted(path, chain):
            return
        known = self._approval(path) is not None
        raise ProfileError(
            f"the project brings a profile of its own, and you have not approved it: {path}",
            cause="it has changed since you approved it" if known else "whoever wrote the project wrote it",
            hint=f"read it, then: gmcp-sandbox profile trust {path}   (to ignore it: exec -p default)",
        )

    def record_of(self, path: Path) -> Path:
        """Return where the approval of a file is kept."""
        return self._directory / blake3(os.fsencode(os.path.abspath(path))).hexdigest()

    def _approval(self, path: Path) -> Approval | None:
        try:
            return msgspec.json.decode(self.record_of(path).read_bytes(), type=Approval)
        except (OSError, msgspec.MsgspecError):
            return None


def digest_of_chain(chain: Sequence[Located]) -> str:
    """Return the Blake3 of all files of a chain that are not shipped: where each is and what it says."""
    digest = blake3()
    for located in chain:
        if located.path is not None:
            for part in (os.fsencode(located.path), located.source.text.encode("utf-8")):
                digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _spelt(path: Path) -> str:
    """Return a path as JSON can hold it."""
    return os.fsencode(os.path.abspath(path)).decode("utf-8", "backslashreplace")

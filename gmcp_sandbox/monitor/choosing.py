"""Which profile an agent gets, and how it is read: once before the start, and again when it changes.

The first of these that there is:
1. the one that `-p` names;
2. the one that the user's configuration gives to an agent of this name (`monitor/config.py`);
3. `gmcp.toml` in the root of the workspace, which must have been approved (`gmcp-sandbox profile trust`);
4. `default`.

Guarantees: the bytes that are judged by are the bytes whose approval was looked up. A file that is there and is not
approved, or cannot be read, is never passed over for something weaker or stronger: it is an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gmcp_sandbox.monitor.ceiling import CEILING
from gmcp_sandbox.monitor.config import profile_for
from gmcp_sandbox.monitor.profiles import PROJECT_FILE, is_path, profile_of, read_chain
from gmcp_sandbox.monitor.statedir import TRUSTED, StateDir
from gmcp_sandbox.monitor.trusted import TrustStore
from gmcp_sandbox.policy.profile import Profile

DEFAULT = "default"


class Choice(msgspec.Struct, frozen=True):
    """A profile by name or absolute path.

    Attributes:
        because: Why this one, for people.
        approvals: Directory of the approvals among which it must be; None where the user named it himself.
        ceiling: File of the organisation's ceiling.
    """

    reference: str
    because: str
    approvals: str | None = None
    ceiling: str = CEILING

    def load(self, *, workspace: Path, home: Path) -> Profile:
        """Read it.

        Raises:
            ProfileError: It is wrong, cannot be read, or was not approved.
        """
        chain = read_chain(self.reference, home=home)
        if self.approvals is not None:
            TrustStore(Path(self.approvals)).check(Path(self.reference), chain)
        return profile_of(chain, workspace=workspace, home=home, ceiling=self.ceiling)

    def beside(self) -> tuple[str, ...]:
        """Return files, besides its own, that decide whether and how it may be taken, there or not."""
        if self.approvals is None:
            return (self.ceiling,)
        return (str(TrustStore(Path(self.approvals)).record_of(Path(self.reference))), self.ceiling)


def choose(named: str | None, *, workspace: Path, environ: Mapping[str, str], agent: str | None = None) -> Choice:
    """Return the profile of an agent that is started in a workspace.

    Raises:
        ProfileError: The user's configuration is wrong.
        HostError: There is a `gmcp.toml`, and the state directory cannot be used.
    """
    if named is not None:
        return Choice(absolute(named), "it was named")
    own = None if agent is None else profile_for(agent, Path(environ.get("HOME") or os.path.expanduser("~")))
    if own is not None:
        return Choice(own, f"your config.toml gives it to {agent}")
    project = workspace / PROJECT_FILE
    if os.path.lexists(project):
        return Choice(str(project), "it lies in the workspace", str(StateDir.open(environ).path / TRUSTED))
    return Choice(DEFAULT, "no other was named")


def absolute(reference: str) -> str:
    """Return a reference that means the same wherever it is read."""
    return os.path.abspath(os.path.expanduser(reference)) if is_path(reference) else reference

"""What a session needs, as one value. Apart from what makes it, so that the supervisor need not import that."""

from __future__ import annotations

import msgspec

from gmcp_sandbox.cli.sshsupply import SshSupply
from gmcp_sandbox.monitor.choosing import DEFAULT, Choice
from gmcp_sandbox.net.publications import Publication
from gmcp_sandbox.policy.profile import Profile
from gmcp_sandbox.policy.view import View
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.program import Program


class Preparation(msgspec.Struct, frozen=True):
    """What will be run, under which policy, in which view.

    Attributes:
        agent: Name of the agent in records and for its persistent home.
        workspace: Absolute host path, which is also the path inside.
        choice: Of the profile, so that it can be read again.
        profile_files: Absolute host paths of the files that it was read from, its own last; none for a shipped one.
        profile_state: Of these files, and of those beside them that decide whether they may be taken, right before
            they were read (`monitor.profiles.state_of`).
        published: Ports of the sandbox that the host's loopback shows.
        ssh: The user's ssh-agent, where the profile names hosts for it.
    """

    agent: str
    workspace: str
    home: str
    profile: Profile
    view: View
    identity: Identity
    program: Program
    choice: Choice = Choice(DEFAULT, "")
    profile_files: tuple[str, ...] = ()
    profile_state: tuple[tuple[int, ...] | None, ...] = ()
    published: tuple[Publication, ...] = ()
    ssh: SshSupply | None = None

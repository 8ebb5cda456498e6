"""What a session needs, as one value. Apart from what makes it, so that the supervisor need not import that."""

from __future__ import annotations

import msgspec

from gmcp_sandbox.cli.sshsupply import SshSupply
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
    published: tuple[Publication, ...] = ()
    ssh: SshSupply | None = None

"""What is pinned of a profile's MCP tools, for those who judge a call without a session: `decide` and `why`."""

from __future__ import annotations

import os

from gmcp_sandbox.policy.profile import Profile
from gmcp_sandbox.policy.state import SessionState


def learn_pinned(state: SessionState, profile: Profile) -> None:
    """Let the layers know of tools what is pinned of them; a session goes by what its servers list.

    Raises:
        HostError: What is pinned cannot be read.
    """
    if profile.mcp is None:
        return
    from gmcp_sandbox.mcp.pins import PinStore
    from gmcp_sandbox.mcp.review import pinned_tools
    from gmcp_sandbox.monitor.statedir import StateDir

    store = PinStore(StateDir.open(os.environ).pins())
    for server in profile.mcp.servers:
        state.learn(server.name, pinned_tools(store.read(server)))

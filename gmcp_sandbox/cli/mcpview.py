"""What an agent is given to reach its MCP servers: a program for clients that speak over pipes, and a configuration.

Both lie in a directory of the session's, shown read-only; the program's directory stands last in PATH, so that it takes
no other program's place.
"""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Final

import msgspec

from gmcp_sandbox.calls.labels import SYSTEM
from gmcp_sandbox.mcp import shim
from gmcp_sandbox.policy.network import MCP_HOST
from gmcp_sandbox.policy.profile import Caching, Mount, MountMode
from gmcp_sandbox.policy.view import View

if TYPE_CHECKING:
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.monitor.statedir import SessionDir
    from gmcp_sandbox.policy.mcp import Mcp

PLACE: Final = "/run/gmcp-mcp"
CONFIGURATION: Final = f"{PLACE}/servers.json"
VARIABLE: Final = b"GMCP_MCP_CONFIG"
_PROGRAMS: Final = f"{PLACE}/bin"
_FOLDER: Final = "mcp"
_SHIM: Final = f"{PLACE}/shim.py"
_PROGRAM: Final = f'#!/bin/sh\nexec python3 -IS {_SHIM} "$@"\n'
"""Python without a look at the caller's packages starts in half the time."""


def with_mcp_files(prepared: Preparation, session: SessionDir) -> Preparation:
    """Make the files and show them in the view; nothing changes for a profile without servers."""
    mcp = prepared.profile.mcp
    if mcp is None:
        return prepared
    folder = session.path / _FOLDER
    (folder / "bin").mkdir(mode=0o755, parents=True)
    program = folder / "bin" / "gmcp-mcp"
    program.write_text(_PROGRAM, encoding="ascii")
    program.chmod(0o755)
    (folder / "shim.py").write_text(inspect.getsource(shim), encoding="ascii")
    (folder / "servers.json").write_text(configuration(mcp), encoding="ascii")
    shown = Mount(PLACE, str(folder), MountMode.RO, SYSTEM, executable=True, caching=Caching.SYSTEM)
    view = prepared.view
    changed = View.of((*view.mounts, shown), view.symlinks, notes=view.notes, path_rules=view.path_rules)
    environment = dict(prepared.program.environment)
    path = environment.get(b"PATH", b"/usr/local/bin:/usr/bin:/bin")
    environment |= {b"PATH": path + b":" + _PROGRAMS.encode(), VARIABLE: CONFIGURATION.encode()}
    program_with = msgspec.structs.replace(prepared.program, environment=environment)
    return msgspec.structs.replace(prepared, view=changed, program=program_with)


def configuration(mcp: Mcp) -> str:
    """Return the servers as clients write them down."""
    servers = {server.name: {"command": f"{_PROGRAMS}/gmcp-mcp", "args": [server.name]} for server in mcp.servers}
    return json.dumps({"mcpServers": servers}, indent=2) + "\n"


def address_of(name: str) -> str:
    """Return the URL of a server in the sandbox."""
    return f"http://{MCP_HOST}/{name}"

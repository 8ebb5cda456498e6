"""The user's ssh-agent for a session: found, its hosts' keys read, and answered for in the sandbox.

A profile that names hosts for it (`net.ssh_agent.hosts`) demands it: without an agent, or without a host's key to bind
its signatures to, no session starts.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.agentsocket import AGENT_SOCKET
from gmcp_sandbox.net.knownhosts import host_keys, known_hosts_lines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gmcp_sandbox.audit.writer import AuditWriter
    from gmcp_sandbox.policy.network import Network

KNOWN_HOSTS_PATH: Final = "/etc/ssh/ssh_known_hosts"
"""Where ssh(1) in the sandbox finds the named hosts' keys."""
_LARGEST: Final = 16 << 20


class SshSupply(msgspec.Struct, frozen=True):
    """What a session has of it.

    Attributes:
        path: Socket of the user's agent.
        keys: (host key, host).
    """

    path: str
    keys: tuple[tuple[bytes, str], ...]

    @property
    def known_hosts(self) -> str:
        """The named hosts' keys, as the sandbox's ssh(1) reads them."""
        return known_hosts_lines(dict(self.keys))


SSH_VARIABLES: Final = {b"SSH_AUTH_SOCK": AGENT_SOCKET.encode()}


def find_supply(network: Network | None, home: Path, environ: Mapping[str, str]) -> SshSupply | None:
    """Return what a profile's session needs of the user's ssh-agent, or None when it names no host.

    Raises:
        HostError: There is no agent, or no known key of a named host.
    """
    if network is None or not network.ssh_hosts:
        return None
    path = environ.get("SSH_AUTH_SOCK", "")
    if not path:
        hint = "start one (ssh-agent, ssh-add), or leave net.ssh_agent out of the profile"
        raise HostError("the profile wants the user's ssh-agent", cause="SSH_AUTH_SOCK is not set", hint=hint)
    files = (home / ".ssh/known_hosts", home / ".ssh/known_hosts2", Path(KNOWN_HOSTS_PATH))
    keys = host_keys([_read(file) for file in files], network.ssh_hosts)
    for host in network.ssh_hosts:
        if host not in keys.values():
            cause = "without it no signature could be bound to the host"
            raise HostError(f"no known_hosts file has a key of {host}", cause=cause, hint=f"ssh {host}, once, outside")
    return SshSupply(path, tuple(keys.items()))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""


def answer_for(supply: SshSupply, audit: AuditWriter, fd: int) -> Callable[[], Awaitable[None]]:
    """Return the service that answers at the sandbox's socket."""
    from gmcp_sandbox.net.sshagent import SshAgent

    agent = SshAgent(dict(supply.keys), supply.path, audit.event)
    return lambda: agent.run(socket.socket(fileno=fd))

"""What an agent is given for its network before it starts: variables, trust anchors, placeholders for tokens.

Light to import: only a profile that opens TLS pays for what that needs.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gmcp_sandbox.cli.netview import BUNDLE_PATH, bundle_of, intercepts

if TYPE_CHECKING:
    import socket

    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.monitor.statedir import SessionDir
    from gmcp_sandbox.net.converse import Interception
    from gmcp_sandbox.policy.network import Network

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class Outfit(NamedTuple):
    """What was made for one session.

    Attributes:
        environment: The agent's further variables: placeholders, and where the trust anchors stand.
        interception: Authority and tokens, which stay here; None when no TLS is opened.
        starter: Line to the process that starts MCP servers; None without any.
    """

    environment: dict[str, str]
    interception: Interception | None
    starter: socket.socket | None = None


def fit_out(network: Network, session: SessionDir) -> Outfit:
    """Fetch tokens and make the session's authority, where the profile wants them.

    Raises:
        ProfileError: A credential cannot be used.
    """
    if not intercepts(network):
        return Outfit({}, None)
    from gmcp_sandbox.net.authority import Authority, environment
    from gmcp_sandbox.net.converse import Interception
    from gmcp_sandbox.net.credentials import Vault
    from gmcp_sandbox.net.intercept import trust_of_host
    from gmcp_sandbox.policy.hostrules import HostRules

    vault = Vault.load(network.credentials, os.environ, lambda path: Path(path).read_bytes())
    authority = Authority()
    bundle_of(session).write_bytes(authority.bundle(host_bundle()))
    interception = Interception(HostRules(network).intercepts, authority, trust_of_host(), vault)
    return Outfit(environment(BUNDLE_PATH) | vault.environment(), interception)


def host_bundle() -> bytes:
    """Return the host's trust anchors, as far as they stand in one file; the agent's other connections need them."""
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    places = [Path(place) for place in (named, *_BUNDLES) if place]
    return next((place.read_bytes() for place in places if place.is_file()), b"")


def with_variables(prepared: Preparation, outfit: Outfit) -> Preparation:
    """Give the agent its variables."""
    further = {name.encode(): value.encode() for name, value in outfit.environment.items()}
    program = msgspec.structs.replace(prepared.program, environment=prepared.program.environment | further)
    return msgspec.structs.replace(prepared, program=program)

"""What a network changes about the view: files of name resolution that are ours, and a place for trust anchors.

Guarantee: what stands in the host's own files of this kind (search domains, addresses of internal servers, names of
machines) is not shown to an agent that has a network.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from gmcp_sandbox.calls.labels import SYSTEM
from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.cli.sshsupply import KNOWN_HOSTS_PATH
from gmcp_sandbox.monitor.statedir import SessionDir
from gmcp_sandbox.policy.network import Network
from gmcp_sandbox.policy.profile import Mount, MountMode
from gmcp_sandbox.policy.view import View

BUNDLE_PATH: Final = "/run/gmcp-sandbox-ca.crt"
"""Where the view shows the trust anchors, when TLS is opened on the way."""
_FOLDER: Final = "view"
_FILES: Final = {
    "/etc/resolv.conf": "# gmcp-sandbox answers, at every address.\nnameserver 192.0.0.1\n",
    "/etc/hosts": "127.0.0.1\tlocalhost gmcp-sandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n"
    "protocols: files\nservices: files\n",
}


def intercepts(network: Network) -> bool:
    """True when any TLS flow is to be opened."""
    above = () if network.above is None else network.above.allow
    return any(rule.intercept for rule in (*network.allow, *above))


def bundle_of(session: SessionDir) -> Path:
    """Return where the supervisor puts the trust anchors."""
    return session.path / _FOLDER / os.path.basename(BUNDLE_PATH)


def with_network_files(prepared: Preparation, session: SessionDir) -> Preparation:
    """Make the session's own files and show them in the view; nothing changes for a profile without a network."""
    network = prepared.profile.net
    if network is None:
        return prepared
    folder = session.path / _FOLDER
    folder.mkdir(mode=0o700)
    files = _FILES | ({BUNDLE_PATH: ""} if intercepts(network) else {})
    if prepared.ssh is not None:
        files[KNOWN_HOSTS_PATH] = prepared.ssh.known_hosts
    shown = []
    for path, text in files.items():
        source = folder / os.path.basename(path)
        source.write_text(text, encoding="ascii")
        shown.append(Mount(path, str(source), MountMode.RO, SYSTEM))
    view = prepared.view
    changed = View.of((*view.mounts, *shown), view.symlinks, notes=view.notes, path_rules=view.path_rules)
    return msgspec.structs.replace(prepared, view=changed)

"""Open the published ports of a session on the host's loopback."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from gmcp_sandbox.net.publish import Publisher

if TYPE_CHECKING:
    from gmcp_sandbox.audit.writer import AuditWriter
    from gmcp_sandbox.cli.prepared import Preparation


def open_ports(prepared: Preparation, audit: AuditWriter, door: int) -> Publisher:
    """Return the publisher of a session, its ports taken.

    Raises:
        HostError: One of them is taken by somebody else.
    """
    publisher = Publisher(prepared.published, socket.socket(fileno=door), audit.event)
    publisher.open()
    return publisher

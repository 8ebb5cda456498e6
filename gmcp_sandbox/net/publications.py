"""Which ports of the sandbox the host's loopback shows, as `exec --publish` says it."""

from __future__ import annotations

import re

import msgspec

from gmcp_sandbox.errors import UsageError

_FORM = re.compile(r"(?:(\d{1,5}):)?(\d{1,5})", re.ASCII)


class Publication(msgspec.Struct, frozen=True):
    """One port: of the host's loopback, and of the agent's."""

    host_port: int
    port: int


def parse_publications(texts: list[str]) -> tuple[Publication, ...]:
    """Return what `[HOST_PORT:]PORT` words mean.

    Raises:
        UsageError: One of them means nothing, or a port of the host is wanted twice.
    """
    found = tuple(_parse(text) for text in texts)
    ports = [each.host_port for each in found]
    for port in ports:
        if ports.count(port) > 1:
            raise UsageError(f"port {port} is published twice", hint="--publish HOST_PORT:PORT")
    return found


def _parse(text: str) -> Publication:
    match = _FORM.fullmatch(text)
    port = int(match[2]) if match else 0
    host_port = int(match[1] or match[2]) if match else 0
    if not (0 < port < 65536 and 0 < host_port < 65536):
        raise UsageError(f"{text!r} is no port to publish", hint="--publish 8080, or --publish 9000:8080")
    return Publication(host_port, port)

"""ClientHellos for tests: real ones of OpenSSL, and ones built by hand."""

from __future__ import annotations

import ssl


def real_hello(name: str | None = "example.com", alpn: tuple[str, ...] = ()) -> bytes:
    """Return the first flight of a client of this Python."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def vector(size: int, data: bytes) -> bytes:
    """Return a vector with a length of `size` bytes before it."""
    return len(data).to_bytes(size, "big") + data


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "big") + vector(2, data)


def names(*hosts: bytes, kind: bytes = b"\0") -> bytes:
    return extension(0, vector(2, b"".join(kind + vector(2, host) for host in hosts)))


def message(*extensions: bytes, suites: bytes = b"\x13\x01", version: bytes = b"\x03\x03") -> bytes:
    """Return a handshake message."""
    body = version + bytes(32) + vector(1, b"") + vector(2, suites) + vector(1, b"\0")
    body += vector(2, b"".join(extensions))
    return b"\x01" + vector(3, body)


def records(payload: bytes, size: int = 1 << 14) -> bytes:
    """Return handshake records of at most `size` bytes each."""
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(b"\x16\x03\x01" + vector(2, part) for part in parts)

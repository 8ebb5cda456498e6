"""HTTP/2 without TLS (RFC 9113, 3.3): known when it is seen, and answered so that a client knows what to do.

HTTP/2 is not spoken here: what passes unopened in TLS may be HTTP/2, an opened flow offers HTTP/1.1 alone, and in plain
text it is a flow of raw bytes. Where a profile does not grant that, the client is told to speak HTTP/1.1, in the one
form that it understands; clients that can then do so.
"""

from __future__ import annotations

import struct
from typing import Final

PREFACE_LINE: Final = b"PRI * HTTP/2.0\r"
"""What a client begins with, up to the first LF. No request of HTTP/1 has this method or version."""
_SETTINGS, _GOAWAY = 4, 7
_HTTP_1_1_REQUIRED: Final = 0xD
_TEXT: Final = b"gmcp-sandbox: speak HTTP/1.1 here"


def is_servers_preface(data: bytes) -> bool:
    """True when a server's first bytes are a SETTINGS frame (RFC 9113, 3.4): it need not wait for its client."""
    return (
        len(data) >= 9 and data[3:9] == bytes((_SETTINGS, 0, 0, 0, 0, 0)) and int.from_bytes(data[:3], "big") % 6 == 0
    )


def _frame(kind: int, payload: bytes) -> bytes:
    """Return a frame of the connection itself (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, 0)) + bytes(4) + payload


REFUSAL: Final = _frame(_SETTINGS, b"") + _frame(_GOAWAY, struct.pack("!II", 0, _HTTP_1_1_REQUIRED) + _TEXT)
"""A server's own preface and a GOAWAY that says HTTP_1_1_REQUIRED (RFC 9113, 7): no stream was looked at."""

"""What the first bytes of an agent are the beginning of: TLS, HTTP/1, HTTP/2 in plain text, or neither.

Guarantees:
- `sniff` is total over byte strings; `None` means that more bytes are needed, and at most `MAX_LINE` are ever needed.
- Only what begins like a request line of HTTP/1.0 or 1.1 is HTTP. HTTP/0.9 and protocols that look alike (`EHLO …`,
  git's own) are neither: a profile has to say `raw` for them, and for HTTP/2.
"""

from __future__ import annotations

import enum
import re

from gmcp_sandbox.net.http2 import PREFACE_LINE

MAX_LINE = 16 << 10
"""A line that begins like a request and is longer is taken for one, and refused where it is parsed."""


class Kind(enum.Enum):
    """Of what a flow carries."""

    TLS = "tls"
    HTTP = "http"
    HTTP2 = "http2"
    OTHER = "other"


_BEGINNING = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}(?: [\t\x20-\x7e\x80-\xff]*\r?)?")
_VERSION = re.compile(rb" HTTP/1\.[0-9]\s*\Z")


def sniff(data: bytes) -> Kind | None:
    """Return what a flow carries whose first bytes are these; None while that is open."""
    if not data:
        return None
    if data[0] == 0x16:
        return _sniff_tls(data)
    line, newline, _ = data.partition(b"\n")
    if newline:
        if line == PREFACE_LINE:
            return Kind.HTTP2
        is_request = _BEGINNING.fullmatch(line) is not None and _VERSION.search(line) is not None
        return Kind.HTTP if is_request else Kind.OTHER
    if _BEGINNING.fullmatch(line) is None:
        return Kind.OTHER
    if len(line) >= MAX_LINE:
        return Kind.HTTP
    return None


def _sniff_tls(data: bytes) -> Kind | None:
    if len(data) == 1:
        return None
    return Kind.TLS if data[1] == 3 else Kind.OTHER

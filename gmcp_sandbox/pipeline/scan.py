"""One text, all patterns: which categories it hits, how surely.

Guarantees: time is linear in the text; every byte of the text is looked at. Texts that are encoded inside of it
(base64, hex, percent) are decoded and looked at again, up to `Budget`; a text with more of them than that hits
`encoded_payload` by itself, so that nothing hides behind the bound.

Invariant: the set of patterns contains one that every text matches. When RE2 gives up (it answers "no match" then),
that one is missing, and `scan` raises instead of finding nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import msgspec
import re2

from gmcp_sandbox.pipeline.concealment import is_concealed, is_mixed, unveil
from gmcp_sandbox.pipeline.patterns import PATTERNS, Category, Severity

Hits = dict[Category, Severity]

_MEMORY = 32 << 20
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}|[A-Za-z0-9_-]{24,}={0,2}")
_HEX_RUN = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,}|(?:\\x[0-9A-Fa-f]{2}){8,}")
_DEPTH = 2


class Budget(msgspec.Struct, frozen=True):
    """How much of what is encoded is decoded."""

    runs: int
    decoded_bytes: int


class ScanError(RuntimeError):
    """The patterns could not be applied; the call must be denied."""


class Scanner:
    """The compiled patterns. Built once; used from the event loop alone."""

    def __init__(self) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.case_sensitive = False
        options.dot_nl = True
        options.max_mem = _MEMORY
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        for pattern in PATTERNS:
            self._set.Add(pattern.expression)
        self._always = self._set.Add(b"")
        self._set.Compile()
        self._meaning = tuple((pattern.category, pattern.severity) for pattern in PATTERNS)

    def scan(self, text: bytes, budget: Budget) -> Hits:
        """Return what the text, and what is encoded in it, hits.

        Raises:
            ScanError: RE2 ran out of memory.
        """
        hits: Hits = {}
        self._look(text, hits)
        for decoded in _decodings(text, budget, hits):
            self._look(decoded, hits)
        return hits

    def _look(self, text: bytes, hits: Hits) -> None:
        self._match(text, hits)
        if text.isascii():
            return
        shown = text.decode("utf-8", "replace")
        if is_concealed(shown):
            hits[Category.CONCEALED] = Severity.HIGH
        elif is_mixed(shown):
            hits.setdefault(Category.CONCEALED, Severity.MEDIUM)
        unveiled = unveil(shown)
        if unveiled != shown:
            self._match(unveiled.encode("utf-8", "replace"), hits)

    def _match(self, text: bytes, hits: Hits) -> None:
        found = self._set.Match(text)
        if not found or self._always not in found:
            raise ScanError("the pattern set gave up")
        if len(found) > 1:
            for index in found:
                if index != self._always:
                    category, severity = self._meaning[index]
                    hits[category] = max(severity, hits.get(category, severity))


def _decodings(text: bytes, budget: Budget, hits: Hits) -> Iterator[bytes]:
    """Yield what is encoded in a text, and what is encoded in that."""
    runs, left = budget.runs, budget.decoded_bytes
    level = [text]
    for _ in range(_DEPTH):
        found: list[bytes] = []
        for decoded in (decoded for part in level for decoded in _decoded_runs(part)):
            runs, left = runs - 1, left - len(decoded)
            if runs < 0 or left < 0:
                hits.setdefault(Category.ENCODED, Severity.MEDIUM)
                return
            if _is_readable(decoded):
                found.append(decoded)
                yield decoded
        level = found


def _decoded_runs(text: bytes) -> Iterator[bytes]:
    for run in _HEX_RUN.finditer(text):
        yield bytes.fromhex(run.group().replace(b"\\x", b"").decode("ascii"))
    for run in _BASE64_RUN.finditer(text):
        digits = run.group().rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        try:
            yield base64.b64decode(digits + b"=" * (-len(digits) % 4))
        except binascii.Error:
            yield base64.b64decode(digits[: len(digits) // 4 * 4])
    if b"%" in text:
        unquoted = unquote_to_bytes(text)
        if unquoted != text:
            yield unquoted


def _is_readable(text: bytes) -> bool:
    """True when most of the first bytes are printable ASCII: a decoded identifier or digest is noise."""
    head = text[:64]
    return sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in head) * 8 >= len(head) * 7

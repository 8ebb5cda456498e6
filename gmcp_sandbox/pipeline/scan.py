"""One text, all patterns: which categories it hits, how surely.

Guarantees: time is linear in the text; every byte of the text is looked at. Texts that are encoded inside of it
(base64, hex, percent) are decoded and looked at again, up to `Budget`; a text with more of them than that hits
`encoded_payload` by itself, so that nothing hides behind the bound.

Invariant: the set of patterns contains one that every text matches. When RE2 gives up (it answers "no match" then),
that one is missing, and `scan` raises instead of finding nothing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
import re2

from gmcp_sandbox.pipeline.concealment import is_concealed, is_mixed, unveil
from gmcp_sandbox.pipeline.patterns import PATTERNS, Category, Severity

Hits = dict[Category, Severity]

_MEMORY = 32 << 20
_DEPTH = 2
_ALPHABET = rb"[A-Za-z0-9+/_-]"
_ESCAPES = rb"(?:\\x[0-9A-Fa-f]{2}){8,}"
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_VEILS = (
    # Unseen.
    rb"\xc2\xad|\xcd\x8f|\xd8\x9c|\xe1\x85[\x9f\xa0]|\xe1\x9e[\xb4\xb5]|\xe1\xa0\x8e|\xe2\x80[\x8b-\x8f\xaa-\xae]"
    rb"|\xe2\x81[\xa0-\xaf]|\xe3\x85\xa4|\xef\xb8[\x80-\x8f]|\xef\xbb\xbf|\xef\xbe\xa0|\xf3\xa0[\x80-\x87]"
    # Latin letters in another form.
    rb"|\xef\xbc[\xa1-\xbf]|\xef\xbd[\x80-\x9a]|\xf0\x9d[\x90-\x9f]|\xe2\x92[\x9c-\xbf]|\xe2\x93[\x80-\xa9]"
    # Two scripts side by side.
    rb"|[a-z](?:[\xcd-\xd4][\x80-\xbf]|\xe1[\x8e\x8f])|(?:[\xcd-\xd4][\x80-\xbf]|\xe1[\x8e\x8f][\x80-\xbf])[a-z]"
)
"""UTF-8 of whatever `unveil` changes in a text of Latin letters."""


class Budget(msgspec.Struct, frozen=True):
    """How thoroughly a text is looked at again.

    Attributes:
        runs: How many encoded stretches are decoded.
        decoded_bytes: How many bytes of them.
        shortest: The shortest stretch of base64 or hex digits that counts.
        is_bulk: File contents: bytes that are not UTF-8 are taken for binary, stretches for aligned, `%` for itself.
    """

    runs: int
    decoded_bytes: int
    shortest: int
    is_bulk: bool


class ScanError(RuntimeError):
    """The patterns could not be applied; the call must be denied."""


class Scanner:
    """The compiled patterns. Built once; used from the event loop alone."""

    def __init__(self) -> None:
        self._set = re2.Set.SearchSet(_options())
        for pattern in PATTERNS:
            self._set.Add(pattern.expression)
        self._meaning = tuple((pattern.category, pattern.severity) for pattern in PATTERNS)
        self._veil = self._set.Add(_VEILS)
        self._run = self._set.Add(_ALPHABET + rb"{40}|" + _ESCAPES)
        self._always = self._set.Add(rb"\z")
        self._set.Compile()
        self._runs: dict[int, Any] = {}

    def scan(self, text: bytes, budget: Budget) -> Hits:
        """Return what the text, and what is encoded in it, hits.

        Raises:
            ScanError: RE2 ran out of memory.
        """
        hits: Hits = {}
        found = self._look(text, budget, hits)
        if not budget.is_bulk or self._run in found:
            for decoded in self._decodings(text, budget, hits):
                self._look(decoded, budget, hits)
        return hits

    def _look(self, text: bytes, budget: Budget, hits: Hits) -> list[int]:
        """Note what a text hits, as it stands and as a reader would take it; return all that matched."""
        found = self._match(text, hits)
        if self._veil not in found:
            return found
        shown = _decode(text, budget)
        if is_concealed(shown):
            hits[Category.CONCEALED] = Severity.HIGH
        elif is_mixed(shown):
            hits.setdefault(Category.CONCEALED, Severity.MEDIUM)
        unveiled = unveil(shown)
        if unveiled != shown:
            self._match(unveiled.encode("utf-8", "replace"), hits)
        return found

    def _match(self, text: bytes, hits: Hits) -> list[int]:
        found: list[int] | None = self._set.Match(text)
        if not found or self._always not in found:
            raise ScanError("the pattern set gave up")
        for index in found:
            if index < len(self._meaning):
                category, severity = self._meaning[index]
                hits[category] = max(severity, hits.get(category, severity))
        return found

    def _decodings(self, text: bytes, budget: Budget, hits: Hits) -> Iterator[bytes]:
        """Yield what is encoded in a text, and what is encoded in that."""
        runs, left = budget.runs, budget.decoded_bytes
        level = [text]
        for _ in range(_DEPTH):
            readable: list[bytes] = []
            for decoded in (decoded for part in level for decoded in self._decoded_runs(part, budget)):
                runs, left = runs - 1, left - len(decoded)
                if runs < 0 or left < 0:
                    hits.setdefault(Category.ENCODED, Severity.MEDIUM)
                    return
                if _is_readable(decoded):
                    readable.append(decoded)
                    yield decoded
            level = readable

    def _decoded_runs(self, text: bytes, budget: Budget) -> Iterator[bytes]:
        for run in self._digits(budget.shortest).finditer(text):
            yield from _decode_run(run.group(), 1 if budget.is_bulk else 4)
        if b"%" in text and not budget.is_bulk:
            unquoted = unquote_to_bytes(text)
            if unquoted != text:
                yield unquoted

    def _digits(self, shortest: int) -> Any:
        if shortest not in self._runs:
            expression = _ESCAPES + rb"|" + _ALPHABET + b"{%d,}" % shortest
            self._runs[shortest] = re2.compile(expression, _options())
        return self._runs[shortest]


def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = False
    options.dot_nl = True
    options.max_mem = _MEMORY
    options.log_errors = False
    return options


def _decode(text: bytes, budget: Budget) -> str:
    """Return a text as UTF-8. Of bulk, which may be cut within a character, the ends do not count."""
    if not budget.is_bulk:
        return text.decode("utf-8", "replace")
    try:
        return text[_starts(text) :].decode("utf-8")
    except UnicodeDecodeError as fault:
        return text[_starts(text) : fault.start].decode("utf-8", "ignore") if fault.end >= len(text) - 3 else ""


def _starts(text: bytes) -> int:
    """Return how many bytes at the start belong to a character that began before."""
    return next((index for index in range(min(3, len(text))) if text[index] & 0xC0 != 0x80), 0)


def _decode_run(run: bytes, alignments: int) -> Iterator[bytes]:
    """Yield what a stretch of digits says as hex, and as base64 from each of its first digits."""
    if run.startswith(b"\\"):
        yield bytes.fromhex(run.replace(b"\\x", b"").replace(b"\\X", b"").decode("ascii"))
        return
    if len(run) % 2 == 0 and _HEX.fullmatch(run):
        yield bytes.fromhex(run.decode("ascii"))
    digits = run.replace(b"-", b"+").replace(b"_", b"/")
    for start in range(alignments):
        aligned = digits[start:]
        if len(aligned) % 4 == 1:
            aligned = aligned[:-1]
        yield base64.b64decode(aligned + b"=" * (-len(aligned) % 4))


def _is_readable(text: bytes) -> bool:
    """True when most of the first bytes are printable ASCII: a decoded identifier or digest is noise."""
    head = text[:64]
    return sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in head) * 8 >= len(head) * 7

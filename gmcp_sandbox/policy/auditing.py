"""`[audit]`: how long logs are kept, and what never stands in one.

Guarantees: a redaction pattern is RE2, so hostile text costs linear time; what it matches is replaced whole. Names that
are no UTF-8 are looked at as the bytes that they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

REDACTED = "[redacted]"
MAX_PATTERNS = 64


class AuditPolicy(msgspec.Struct, frozen=True):
    """What holds for the logs.

    Attributes:
        keep_bytes: What the logs of all sessions together may take; the oldest ended ones go first.
        keep_days: Sessions that ended longer ago go, whatever they take; None: no matter how long ago.
        redact: Patterns (RE2) of what is replaced by `[redacted]` in every record of a call, beside what always is.
    """

    keep_bytes: int = 4 << 30
    keep_days: int | None = None
    redact: tuple[str, ...] = ()


class PatternError(ValueError):
    """A pattern means nothing, or matches everything."""


def compile_redaction(patterns: Sequence[str]) -> Callable[[str], str] | None:
    """Return what removes all that the patterns match from a text; None when there are none.

    Raises:
        PatternError: One is no RE2, matches the empty text, or there are too many.
    """
    if not patterns:
        return None
    if len(patterns) > MAX_PATTERNS:
        raise PatternError(f"more than {MAX_PATTERNS} patterns")
    import re2

    options = re2.Options()
    options.log_errors = False
    for pattern in patterns:
        try:
            matches_nothing = re2.compile(pattern, options=options).search("") is not None
        except re2.error as error:
            raise PatternError(f"{pattern!r} is no pattern: {error}") from None
        if matches_nothing:
            raise PatternError(f"{pattern!r} matches the empty text, so it would match everywhere")
    joined = re2.compile("|".join(f"(?:{pattern})" for pattern in patterns).encode(), options=options)

    def redact(text: str) -> str:
        data = text.encode("utf-8", "surrogateescape")
        cleaned: bytes = joined.sub(REDACTED.encode(), data)
        return cleaned.decode("utf-8", "surrogateescape")

    return redact

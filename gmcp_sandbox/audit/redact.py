"""Keep secrets out of the record, and hostile sizes out of it, too.

Guarantees:
- What looks like a credential is replaced by `[redacted]`: user information in URLs, values of options, keys and query
  parameters whose names say that they are secret, Authorization and cookie headers, tokens of well-known shapes,
  private keys. It is a best effort, which errs on the side of hiding.
- What is long is cut, and says how long it was and by which digest it can be recognised.
- Time is linear in the length that is looked at: every quantifier is bounded or its matches cannot overlap.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from blake3 import blake3

from gmcp_sandbox.calls.verdicts import Decision

REDACTED = "[redacted]"
OBJECT_CHARS = 8192
"""Longer than any path that the kernel accepts."""
VALUE_CHARS = 4096
WORDS_CHARS = 16384
"""Of all words of one command line together."""
WORDS = 1024
DIGEST_BYTES = 20
"""Digests of content are the first 160 bits of Blake3 (`b3sum --length 20`)."""

_TELLING_NAME = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret|credential|api[-_]?key|access[-_]?key|private[-_]?key|"
    r"(?:access|auth|bearer|id|refresh|session)[-_]?token|token(?!s\b|iz)|session[-_]?id|signature)"
)
_CAMEL = "Token|Secret|Password|Passwd|ApiKey|AccessKey|PrivateKey|Credentials?|Authorization"
_VALUE = r"""(?:"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s&;,"']+)"""
_PATTERNS: tuple[tuple[re.Pattern[str], str, tuple[str, ...]], ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END|\Z)", re.DOTALL),
        REDACTED,
        ("private key-----",),
    ),
    (re.compile(r"(://)[^/\s@]+@"), rf"\1{REDACTED}@", ("://",)),
    (
        re.compile(
            r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-auth-token|private-token)"
            r"""(["']?\s{0,4}[:=]\s{0,4})[^\r\n]+"""
        ),
        rf"\1\2{REDACTED}",
        ("authorization", "cookie", "x-api-key", "x-auth-token", "private-token"),
    ),
    (
        re.compile(rf"(?i)({_TELLING_NAME}[\w-]{{0,32}}[\"']?\s{{0,4}}[=:]\s{{0,4}}){_VALUE}"),
        rf"\1{REDACTED}",
        ("pass", "pwd", "secret", "credential", "key", "token", "session", "signature"),
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s{1,4}[\w.~+/=-]{8,}"), rf"\1 {REDACTED}", ("bearer", "basic")),
    (re.compile(r"(?<![\w-])eyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]*)?"), REDACTED, ("eyj",)),
    (
        re.compile(
            r"\b(?:gh[opusr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}|glpat-[\w-]{16,255}|sk-[\w-]{16,255}|"
            r"xox[abeoprs]-[\w-]{10,255}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{35}|npm_[A-Za-z0-9]{30,255}|"
            r"pypi-[\w-]{16,255}|hf_[A-Za-z0-9]{20,255})"
        ),
        REDACTED,
        (
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "glpat-",
            "sk-",
            "xox",
            "akia",
            "asia",
            "aiza",
            "npm_",
            "pypi-",
            "hf_",
        ),
    ),
)
"""What to look for, what takes its place, and of what texts have one part, in lower case, that have it at all."""
_TELLING_OPTION = re.compile(rf"(?i)--?[\w-]{{0,32}}{_TELLING_NAME}[\w-]{{0,32}}")
_TELLING_MEMBER = re.compile(
    rf"(?i)(?:[\w -]{{0,64}}[_ -])?{_TELLING_NAME}(?:[_ -][\w -]{{0,64}})?|[a-z0-9]{{0,64}}(?:{_CAMEL})"
)
_JSON_CHARS = 1 << 20
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_USER_OPTIONS = frozenset({"-u", "--user", "-U", "--proxy-user"})
_WINDOW_EDGE = 512


def content_digest(content: bytes) -> str:
    """Return the hex digest by which a record names content."""
    return blake3(content).hexdigest(length=DIGEST_BYTES)


def redact(text: str, limit: int = VALUE_CHARS) -> str:
    """Return the text without what looks like a credential, cut to about `limit` characters."""
    seen = text[: 2 * limit]
    # Ignoring case, a pattern takes some letters beyond ASCII for others: such a text is looked at with all of them.
    lower = seen.lower() if seen.isascii() else None
    for pattern, replacement, parts in _PATTERNS:
        if lower is None or any(map(lower.__contains__, parts)):
            seen = pattern.sub(replacement, seen)
    if len(text) <= limit:
        return seen
    # A credential that the end of the window cuts in two may not look like one: leave the edge out.
    return _cut_mark(seen[: min(limit, max(0, len(seen) - _WINDOW_EDGE))], text)


def redact_json(text: str, limit: int = VALUE_CHARS) -> str:
    """Return a JSON text without what looks like a credential: by what its members are called, or by its shape.

    Members are looked at one by one: what stands beside a telling name is hidden whatever it is, however it is spelled.
    """
    try:
        value = None if len(text) > _JSON_CHARS else json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict | list):
        return redact(text, limit)
    try:
        cleaned = _encode(_CleanedJson(4 * limit).of(value))
    except (ValueError, RecursionError):
        return redact(text, limit)
    # Longer than what was asked for, it loses its end; nothing in it is a credential any more.
    return cleaned if len(cleaned) <= limit else _cut_mark(cleaned[:limit], text)


class _CleanedJson:
    """Cleans a JSON value from its start, as far as there is room for it in a record."""

    def __init__(self, room: int) -> None:
        self._room = room

    def of(self, value: Any, name: str = "") -> Any:
        if self._room <= 0:
            return None
        if name and value not in (None, "", True, False) and _TELLING_MEMBER.fullmatch(name[:128]):
            return self._text(REDACTED)
        if isinstance(value, dict):
            return {self._text(key): self.of(each, key) for key, each in value.items() if self._room > 0}
        if isinstance(value, list):
            return [self.of(each) for each in value if self._room > 0]
        if isinstance(value, str):
            return self._text(value)
        self._room -= 8
        return value

    def _text(self, text: str) -> str:
        self._room -= len(text) + 4
        return redact(text)


def shorten(text: str, limit: int = OBJECT_CHARS) -> str:
    """Return the text, or its head with length and digest of the whole."""
    return text if len(text) <= limit else _cut_mark(text[:limit], text)


def _cut_mark(head: str, whole: str) -> str:
    digest = content_digest(whole.encode("utf-8", "surrogatepass"))
    return f"{head}[cut: {len(whole)} characters, blake3 {digest}]"


def redact_words(words: Sequence[str]) -> list[str]:
    """Return a command line without credentials; bounded, whatever its length.

    An option that names a secret hides the word after it, and `-u name:password` hides its word.
    """
    kept: list[str] = []
    room = WORDS_CHARS
    before = ""
    for word in words[:WORDS]:
        shown = REDACTED if _is_secret_after(before, word) else redact(word)
        room -= len(shown)
        if room < 0:
            break
        kept.append(shown)
        before = word
    if len(kept) < len(words):
        rest = "\0".join(words[len(kept) :])
        kept.append(_cut_mark("", rest))
    return kept


def _is_secret_after(option: str, word: str) -> bool:
    if option in _USER_OPTIONS:
        return ":" in word
    return len(option) < 128 and not word.startswith("-") and _TELLING_OPTION.fullmatch(option) is not None


def redact_decision(decision: Decision, redact_text: Callable[[str], str]) -> Decision:
    """Return a decision of whose words every one has passed `redact_text`: object, arguments, details of verdicts."""
    call = decision.call
    cleaned = {
        field: _cleaned(value, redact_text)
        for field, value in zip(call.args.__struct_fields__, msgspec.structs.astuple(call.args), strict=True)
    }
    args = msgspec.structs.replace(call.args, **cleaned)
    verdicts = tuple(
        msgspec.structs.replace(verdict, detail=redact_text(verdict.detail)) if verdict.detail else verdict
        for verdict in decision.verdicts
    )
    shown = msgspec.structs.replace(call, object=redact_text(call.object), args=args)
    return msgspec.structs.replace(decision, call=shown, verdicts=verdicts)


def _cleaned(value: object, redact_text: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, tuple):
        return tuple(_cleaned(each, redact_text) for each in value)
    return value

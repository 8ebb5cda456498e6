"""What comes from a server: every text in it, what may not reach the agent, and what is left.

A result may say something in many places: text blocks, embedded resources, links, structured content, names of members,
messages of prompts, errors. All of them are texts here; what is no text (images, audio, other bytes) is not read.

Guarantees: pure, never raises; what is taken out is taken out everywhere, and its place says so.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

from gmcp_sandbox.pipeline.concealment import is_concealed, revealed

MASKED = "[redacted]"
REMOVED = "[text with instructions removed]"
_SHORTEST_SECRET = 6
_ENCODED = frozenset({"data", "blob"})
"""Members that hold base64, in blocks that name a type of media."""

Change = Callable[[str], str]


def texts_in(value: Any) -> list[str]:
    """Return all texts of a result, in their order, with those that are encoded as a resource's bytes."""
    found: list[str] = []
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if item:
                found.append(item)
        elif isinstance(item, dict):
            waiting.extend(reversed([part for member in _members(item) for part in member]))
        elif isinstance(item, list):
            waiting.extend(reversed(item))
    return found


def _members(item: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in item.items():
        if name in _ENCODED and isinstance(value, str) and isinstance(item.get("mimeType"), str):
            yield name, _text_of_bytes(item["mimeType"], value)
        else:
            yield name, value


def _text_of_bytes(media: str, data: str) -> str:
    """Return the text that base64 holds; empty when it is none."""
    kind = media.partition("/")[0].lower()
    if kind in ("image", "audio", "video", "font"):
        return ""
    try:
        return base64.b64decode(data, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def changed(value: Any, change: Change) -> Any:
    """Return a copy of a JSON value with every text changed, names of members too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(name): _changed_member(value, name, change) for name in value}
    if isinstance(value, list):
        return [changed(each, change) for each in value]
    return value


def _changed_member(item: dict[str, Any], name: str, change: Change) -> Any:
    value = item[name]
    if name in _ENCODED and isinstance(value, str) and isinstance(item.get("mimeType"), str):
        text = _text_of_bytes(item["mimeType"], value)
        after = change(text)
        return value if after == text else base64.b64encode(after.encode("utf-8", "replace")).decode("ascii")
    return changed(value, change)


def without_hidden(value: Any) -> tuple[Any, bool]:
    """Return a value without characters that nobody sees, and whether it had any."""
    if not any(map(is_concealed, texts_in(value))):
        return value, False
    return changed(value, revealed), True


class Masks:
    """The values of credentials that no agent may see, and no record may hold."""

    def __init__(self, secrets: Iterable[str]) -> None:
        plain = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
        encoded = [base64.b64encode(secret.encode()).decode().rstrip("=") for secret in plain]
        self._words = sorted({*plain, *encoded}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without them."""
        for word in self._words:
            if word in text:
                text = text.replace(word, MASKED)
        return text

    def value(self, value: Any) -> tuple[Any, bool]:
        """Return a JSON value without them, and whether it had any."""
        if not any(word in text for text in texts_in(value) for word in self._words):
            return value, False
        return changed(value, self.text), True

"""Definitions of MCP tools: what in them is meant for a model and not for whoever reads the documentation.

A description is text that the agent's model takes for the tool's manual. What hides in it, orders secrecy, asks for
credentials or speaks of another server's tools has no place there. A finding stops a tool until a person has read it;
unlike in results, a weak sign is enough, because a definition is read once and used for months.

Guarantees: pure; time linear in the definition; findings are words of ours and names of tools, escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import re2

from gmcp_sandbox.pipeline.concealment import has_unseen, is_mixed
from gmcp_sandbox.pipeline.patterns import Category
from gmcp_sandbox.pipeline.scan import Budget, ScanError, Scanner
from gmcp_sandbox.pipeline.toolschema import Check, SchemaFault, compile_schema

HIDDEN = "hidden characters"
ORDERS = "orders to its reader"
SECRECY = "asks to keep something from the user"
CREDENTIALS = "speaks of files with credentials"
ODD_NAME = "an unusual name"
_MENTIONED = 8
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ue000-\uf8ff]")
_BUDGET = Budget(runs=256, decoded_bytes=256 << 10, shortest=24, is_bulk=False)
_ORDERING = frozenset({Category.OVERRIDE, Category.AUTHORITY, Category.ENCODED, Category.REVERSE_SHELL})
_OWN: tuple[tuple[str, bytes], ...] = (
    (ORDERS, rb"<\s*/?\s*(?:important|system|secret|hidden|instructions?|admin|override)\s*/?\s*>"),
    (
        SECRECY,
        rb"\b(?:do not|don'?t|never|must not|should not|without)\s+(?:ever\s+)?(?:tell|telling|mention|mentioning|"
        rb"inform|informing|reveal|revealing|show|showing|notify|notifying|alert|alerting|disclose|disclosing)\b.{0,60}"
        rb"\b(?:users?|humans?|anyone|anybody|them)\b",
    ),
    (SECRECY, rb"\b(?:hide|conceal|keep)\s+(?:this|it|that|these)\b.{0,30}\bfrom\s+(?:the\s+)?(?:user|human)"),
    (
        CREDENTIALS,
        rb"(?:~|/root|/home/\w+|\$HOME|%USERPROFILE%)[/\\]\.(?:ssh|aws|netrc|gnupg|kube|docker|cursor|claude|config)\b"
        rb"|\bid_(?:rsa|ed25519|ecdsa)\b|\bmcp\.json\b|/etc/(?:shadow|passwd)\b|\.git-credentials\b",
    ),
    (ORDERS, rb"\bpass\s+(?:its|the|their|all)\s+(?:contents?|values?|results?)\s+(?:of\s+\S+\s+)?(?:as|in|to|into)\b"),
)


class Inspector:
    """Looks at definitions. Built once."""

    def __init__(self, scanner: Scanner | None = None) -> None:
        self._scanner = Scanner() if scanner is None else scanner
        options = re2.Options()
        options.case_sensitive = False
        options.dot_nl = True
        options.log_errors = False
        options.encoding = re2.Options.Encoding.LATIN1
        self._own = [(what, re2.compile(expression, options=options)) for what, expression in _OWN]

    def findings(self, name: str, definition: Mapping[str, Any], others: Mapping[str, Iterable[str]]) -> list[str]:
        """Return what there is against a definition.

        Args:
            name: Of the tool.
            definition: All that is said of it.
            others: Names of tools of other servers, by server.
        """
        texts = texts_of(definition)
        found = [ODD_NAME] if _NAME.fullmatch(name) is None else []
        if any(has_unseen(text) or is_mixed(text) or _CONTROL.search(text) for text in texts):
            found.append(HIDDEN)
        found += self.of_text("\n".join(texts))
        found += _mentions("\n".join(texts), others)
        return list(dict.fromkeys(found))

    def of_text(self, text: str) -> list[str]:
        """Return what there is against a text of a server to the model."""
        data = text.encode("utf-8", "replace")
        found = [what for what, pattern in self._own if pattern.search(data) is not None]
        try:
            hits = self._scanner.scan(data, _BUDGET)
        except ScanError:
            return [*found, "cannot be looked at"]
        if not _ORDERING.isdisjoint(hits):
            found.append(ORDERS)
        if Category.CONCEALED in hits:
            found.append(HIDDEN)
        return found


def checked_schema(schema: object, *, leave_out_patterns: bool) -> tuple[Check | None, str]:
    """Return the check of a tool's arguments, or None and what is against the schema.

    Where patterns that cannot be checked are all that is against it, both are there.
    """
    try:
        return compile_schema(schema, leave_out_patterns=leave_out_patterns), ""
    except SchemaFault as fault:
        against = f"its schema: {fault}"
    try:
        return compile_schema(schema, leave_out_patterns=True), against
    except SchemaFault:
        return None, against


def texts_of(value: object) -> list[str]:
    """Return all texts in a JSON value, names of members included, in their order, without recursion."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, Mapping):
            waiting.extend(reversed([part for member in item.items() for part in member]))
        elif isinstance(item, list | tuple):
            waiting.extend(reversed(item))
    return found


def _mentions(text: str, others: Mapping[str, Iterable[str]]) -> list[str]:
    """Return a finding for each tool of another server that a text names; common words are nobody's name."""
    words = set(_WORD.findall(text))
    return [
        f"speaks of {name!a}, a tool of {server}"
        for server, names in others.items()
        for name in sorted(words.intersection(names))
        if not (name.isalpha() and name.islower())
    ][:_MENTIONED]

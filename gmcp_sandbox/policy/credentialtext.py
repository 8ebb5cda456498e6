"""Texts that name credentials, and those that should: `${credential:NAME}` stands for what is kept elsewhere.

Guarantees: a text is taken apart in one way only; a name that is not known never becomes an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_REFERENCE = re.compile(r"\$\{credential:([a-z0-9][a-z0-9_-]{0,63})\}")
_OPENING = "${credential:"
_TELLING = re.compile(
    r"(?i)(?:^|[_-])(?:token|secret|password|passwd|passphrase|pwd|credentials?|api[_-]?key|access[_-]?key|"
    r"private[_-]?key|auth|authorization|cookie|connection[_-]?string|dsn)$"
)
_SHAPES = re.compile(
    r"(?:gh[opusr]_|github_pat_|glpat-|sk-|xox[abeoprs]-|npm_|pypi-|hf_|AIza|AKIA|ASIA)[A-Za-z0-9_-]{12,}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@]*:[^/\s@]+@|(?i:\bbearer\s+[\w.~+/=-]{8,})"
)
_HARMLESS = frozenset({"", "0", "1", "true", "false", "none", "null", "yes", "no", "basic", "bearer"})


def references_in(text: str) -> tuple[str, ...]:
    """Return the names of the credentials that a text stands on, in their order."""
    return tuple(_REFERENCE.findall(text))


def pieces_of(text: str) -> tuple[str, ...]:
    """Return what stands before, between and behind the references of a text: one piece more than references."""
    return tuple(_REFERENCE.split(text)[::2])


def reference_to(name: str) -> str:
    """Return the text that names a credential."""
    return f"{_OPENING}{name}}}"


def has_opening(text: str) -> bool:
    """True when something in the text could be taken for a reference."""
    return _OPENING in text


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its credentials put in; what they say is not looked at again.

    Raises:
        KeyError: One is not there.
    """
    return _REFERENCE.sub(lambda found: values[found[1]], text)


def is_telling(name: str) -> bool:
    """True for a name of a variable, header or option that holds a credential, as a rule."""
    return _TELLING.search(name) is not None


def looks_secret(name: str, value: str) -> bool:
    """True when a value is most likely a credential itself: by the name that it has, or by its shape."""
    bare = _REFERENCE.sub("", value).strip()
    if bare.lower() in _HARMLESS:
        return False
    return (is_telling(name) and not references_in(value)) or _SHAPES.search(bare) is not None


def secret_word(words: Sequence[str]) -> int | None:
    """Return the first place in a command line where a credential most likely stands: as a word, in one, or behind the
    option that it is for."""
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if looks_secret("", word) or (equals and looks_secret(option.lstrip("-"), value)):
            return at
        before = words[at - 1] if at else ""
        if before.startswith("-") and not word.startswith("-") and looks_secret(before.lstrip("-"), word):
            return at
    return None


def first_secret(values: Iterable[tuple[str, str]]) -> str | None:
    """Return the first name whose value looks like a credential."""
    return next((name for name, value in values if looks_secret(name, value)), None)

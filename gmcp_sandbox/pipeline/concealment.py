"""Text that shows one thing and says another: invisible characters, reordered text, letters of another script.

`unveil` gives the text as a reader would take it, so that the patterns see through the disguise; `is_concealed` and
`is_mixed` tell whether there was one. Accents, emoji and whole words in any script are no disguise.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0"
)
_JOINERS = "\u200c\u200d"
"""Rightly used inside emoji, and in Persian and Indic words: a disguise only between ASCII letters."""
_REORDERING = "\u202a-\u202e\u2066-\u2069"
_TAGS = "\U000e0000-\U000e007f"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"

_UNSEEN = re.compile(f"[{_INVISIBLE}{_JOINERS}{_REORDERING}{_TAGS}{_SELECTORS}]")
_FLAG = "\U0001f3f4"
"""The one emoji that tag characters rightly follow."""
_DISGUISE = re.compile(
    f"(?<=[!-~])[{_INVISIBLE}{_JOINERS}](?=[!-~])|[{_REORDERING}]|(?<![{_FLAG}{_TAGS}])[{_TAGS}]{{2,}}|[{_SELECTORS}]{{3,}}"
)
_NEVER_SEEN = re.compile(f"[{_INVISIBLE}{_REORDERING}]|(?<![{_FLAG}{_TAGS}])[{_TAGS}]")
_OTHER = "\u0370-\u03ff\u0400-\u052f\u13a0-\u13ff"
"""Greek, Cyrillic, Cherokee."""
_PAIR = re.compile(f"[A-Za-z][{_OTHER}]|[{_OTHER}][A-Za-z]")
_WORD_BEFORE, _WORD_AFTER = re.compile(r"\w*\Z"), re.compile(r"\w*")
_REACH = 64
_PAIRS = 256
"""How far a word is looked at around a change of script, and how many such changes."""

_LOOKALIKES = str.maketrans(
    "АВСЕНІЈКМОРЅТХУасеіјорѕухԁһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧανοριυγ",
    "ABCEHIJKMOPSTXYaceijopsyxdhqwABEZHIKMNOPTYXavopiuy",
)


def is_concealed(text: str) -> bool:
    """True when the text holds what cannot be seen, or reorders what is."""
    return not text.isascii() and _DISGUISE.search(text) is not None


def has_unseen(text: str) -> bool:
    """True when the text holds any character that nobody sees, disguise or not; joiners in emoji are seen by what they
    do."""
    return not text.isascii() and (_DISGUISE.search(text) or _NEVER_SEEN.search(text)) is not None


def revealed(text: str) -> str:
    """Return the text without what makes it concealed; all else of it stays as it is."""
    return text if text.isascii() else _DISGUISE.sub("", text)


def is_mixed(text: str) -> bool:
    """True when a word in Latin letters has look-alike letters of another script among them."""
    if text.isascii():
        return False
    return any(_word_around(text, pair.start()).translate(_LOOKALIKES).isascii() for pair in _pairs(text))


def _pairs(text: str) -> Iterator[re.Match[str]]:
    return islice(_PAIR.finditer(text), _PAIRS)


def _word_around(text: str, index: int) -> str:
    before = _WORD_BEFORE.search(text[max(0, index - _REACH) : index])
    after = _WORD_AFTER.match(text[index : index + _REACH])
    return (before.group() if before else "") + (after.group() if after else "")


def unveil(text: str) -> str:
    """Return the text without what cannot be seen, in compatibility form, look-alike letters as the Latin ones.

    Tag characters, which a reader does not see and a model does, become the ASCII that they stand for.
    """
    if text.isascii():
        return text
    shown = "".join(chr(ord(char) - 0xE0000) if 0xE0020 <= ord(char) <= 0xE007E else char for char in text)
    return unicodedata.normalize("NFKC", _UNSEEN.sub("", shown)).translate(_LOOKALIKES)

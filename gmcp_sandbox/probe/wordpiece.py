"""Text to word pieces, as the encoder was trained with them (BERT's WordPiece, lower case).

Equal to the reference tokenizer for every text that `render` makes (tested against recorded outputs). A small one of
our own, because a launch waits for it, and the usual library brings 10 MB of memory and a network client along.

Guarantees: pure, deterministic, never raises; linear in the text, for a word has a bounded length.
"""

from __future__ import annotations

import re
import unicodedata

UNKNOWN, MASK = "[UNK]", "[MASK]"
_WORD_CHARS = 100
"""A longer word is unknown, as in the reference."""
_MEMO = 4096
_ASCII = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")


class WordPiece:
    """A vocabulary, and how words are cut by it."""

    def __init__(self, vocabulary: str) -> None:
        """Take a vocabulary of one piece a line; the number of a line is the piece's id.

        Raises:
            ValueError: The piece for unknown words is not in it.
        """
        self._ids = {piece: number for number, piece in enumerate(vocabulary.split("\n")) if piece}
        if UNKNOWN not in self._ids:
            raise ValueError(f"the vocabulary has no {UNKNOWN}")
        self._unknown = [self._ids[UNKNOWN]]
        self._memo: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def encode(self, text: str, limit: int) -> list[int]:
        """Return the ids of a text's pieces, at most `limit`."""
        found: list[int] = []
        memo = self._memo
        for word in _words(text):
            ids = memo.get(word)
            found += self._cut(word) if ids is None else ids
            if len(found) >= limit:
                return found[:limit]
        return found

    def _cut(self, word: str) -> list[int]:
        """Return the ids of one word, the longest piece first; the word is known the next time."""
        ids = self._pieces(word) if len(word) <= _WORD_CHARS else self._unknown
        if len(self._memo) >= _MEMO:
            self._memo.clear()
        self._memo[word] = ids
        return ids

    def _pieces(self, word: str) -> list[int]:
        ids: list[int] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            for end in range(len(word), start, -1):
                known = self._ids.get(mark + word[start:end])
                if known is not None:
                    ids.append(known)
                    start = end
                    break
            else:
                return self._unknown
        return ids


def _words(text: str) -> list[str]:
    if text.isascii():
        return _ASCII.findall(text.lower())
    return _words_of_any_script(text)


def _words_of_any_script(text: str) -> list[str]:
    words: list[str] = []
    word: list[str] = []
    for char in unicodedata.normalize("NFD", _spaced(text).lower()):
        category = unicodedata.category(char)
        if category == "Mn":
            continue
        if char.isspace() or _is_punctuation(char, category):
            words.append("".join(word))
            word = []
            if not char.isspace():
                words.append(char)
        else:
            word.append(char)
    words.append("".join(word))
    return [each for each in words if each]


def _spaced(text: str) -> str:
    """Return the text with ideographs as words of their own, and without what the reference drops."""
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    if char in "\t\n\r":
        return " "
    if char == "\ufffd" or char == "\0" or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return ""
    return f" {char} " if _is_ideograph(ord(char)) else char


def _is_ideograph(code: int) -> bool:
    return (
        0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x2CEAF
    )


def _is_punctuation(char: str, category: str) -> bool:
    return category[0] == "P" or (char.isascii() and not char.isalnum() and not char.isspace())

"""Text to word pieces, as the reference tokenizer does it: outputs recorded from it over the vocabulary below."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.probe.wordpiece import WordPiece

_CHARS = string.ascii_lowercase + string.digits + string.punctuation + "漢字éß“”—…–·ไทยعربى😀ıЖж"
PIECES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *dict.fromkeys(_CHARS),
    *("##" + char for char in string.ascii_lowercase + string.digits + "ßıж"),
    *("rm", "##ing", "run", "##ning", "remove", "path", "##s", "over", "##writ", "##e"),
]
# A piece that stands twice has the number of its last place, as in the reference.
RECORDED = [
    ("run: rm -rf ~/paths", "run : rm - r ##f ~ / path ##s"),
    ("Running OVERWRITE removes", "run ##ning over ##writ ##e remove ##s"),
    ("naïve Éclair", "n ##a ##i ##v ##e e ##c ##l ##a ##i ##r"),
    ("漢字 mixed漢字text", "漢 字 m ##i ##x ##e ##d 漢 字 t ##e ##x ##t"),
    ("“quoted” — dash… 1–2", "“ q ##u ##o ##t ##e ##d ” — d ##a ##s ##h … 1 – 2"),
    ("a\u200bb", "a ##b"),
    ("tab\tand\xa0nbsp\u3000wide", "t ##a ##b a ##n ##d n ##b ##s ##p w ##i ##d ##e"),
    ("x" * 101, "[UNK]"),
    ("x" * 100, "x" + " ##x" * 99),
    ("Straße İstanbul ıI", "s ##t ##r ##a ##ß ##e i ##s ##t ##a ##n ##b ##u ##l ı ##i"),
    ("😀 smile", "😀 s ##m ##i ##l ##e"),
    ("عربى ไทย", "[UNK] [UNK]"),
    ("a\u0301b", "a ##b"),
    ("C++ c# $HOME/.x_y=1,2;3|4", "c + + c # $ h ##o ##m ##e / . x _ y = 1 , 2 ; 3 | 4"),
    ("жЖ e\u0301", "ж ##ж e"),
    ("\ufffd\x00z", "z"),
    ("½ ² ™", "[UNK] [UNK] [UNK]"),
    ("don't ...", "d ##o ##n ' t . . ."),
]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPiece("\n".join(PIECES))


@pytest.mark.parametrize(("text", "expected"), RECORDED)
def test_pieces_are_those_of_the_reference(tokenizer, text, expected):
    numbers = {piece: number for number, piece in enumerate(PIECES)}
    assert tokenizer.encode(text, 1000) == [numbers[piece] for piece in expected.split()]


def test_a_limit_cuts_the_end(tokenizer):
    assert tokenizer.encode("rm run rm", 2) == tokenizer.encode("rm run", 9)


def test_a_vocabulary_without_the_unknown_is_none():
    with pytest.raises(ValueError, match="UNK"):
        WordPiece("a\nb")


def test_ids_are_line_numbers_and_a_last_line_end_is_no_piece():
    assert WordPiece("[UNK]\nrm\n").encode("rm xx", 9) == [1, 0]


@given(st.text(max_size=200))
def test_any_text_has_pieces_and_the_same_again(text):
    tokenizer = WordPiece("\n".join(PIECES))
    once = tokenizer.encode(text, 64)
    assert once == tokenizer.encode(text, 64) and len(once) <= 64
    assert all(0 <= number < len(PIECES) for number in once)

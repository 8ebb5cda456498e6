"""Where a text may give orders to a model that reads it: the places that are worth a look by the gate.

Cheap enough for every byte that comes in from a network, and blunt. It finds words that set aside what somebody else
has said (`disregard the above`), words in letters that no screen shows, and who is spoken to (`AI agents:`) where a
demand follows. Whether it is an order, the patterns and the gate say. Guarantees: pure, linear in the text.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Final

import re2

KEPT: Final = 512
"""Bytes to keep of a stream's last pieces: an order that a cut goes through is whole in them and the next piece."""
_BEFORE, _AFTER = 80, 200
"""Bytes of a line before, and of a paragraph behind, what was found."""
_NEXT: Final = 40
"""Bytes of a line behind what was found, from which on the next place is looked for."""
_GROWTH: Final = 16
"""Bytes by which a window that the text's end cuts has to grow to be looked at once more."""
_IDLE_TALK: Final = 512
"""Readers who are spoken to without a demand, in one text; each further one is a place: time stays bounded."""
_MEMORY: Final = 16 << 20
_UNSEEN = (b"\xc2\xad", b"\xe2\x80\x8b", b"\xe2\x80\x8c", b"\xe2\x80\x8d", b"\xe2\x81\xa0", b"\xef\xbb\xbf")
"""UTF-8 of what stands unseen in a word: soft hyphen, zero-width space, joiners, word joiner, byte order mark."""

_ESCAPED = r"\\[nrt\"]|\\u00[0-9a-f]{2}"
"""How JSON spells ends of lines, quotes and brackets: letters stand before a word that are none of it."""
_GAP = rf"(?:[\s*#/>|\"'\xc2\xa0]|{_ESCAPED}|&nbsp;|</?[a-z][^<>]{{0,20}}>)+"
"""Between two words: blanks, ends of lines, marks of comments and of emphasis, short tags."""
_EDGE = rf"(?:\b|\W_|_\W|{_ESCAPED})"
"""Of a word: an underscore is a part of it in names, and none in emphasis."""


def _any(*expressions: str) -> bytes:
    """Return the expression of either. A blank in one stands for any gap between words, `\\b` for any edge of one."""
    return "|".join(expressions).replace(" ", _GAP).replace(r"\b", _EDGE).encode("utf-8")


_KIND = (
    r"(?:ai|llm|language|chat|coding|automated|automatic|autonomous|intelligent|virtual|generative|screening|shopping"
    r"|mail|support|browsing|research)"
)
_OF_A_KIND = (
    rf"{_KIND}(?: |[,:-])(?:\w+ )?"
    r"(?:assistant|agent|model|bot|llm|reviewer|summari[sz]er|crawler|contributor|scraper|reader|tool|client|system)s?"
)
_NAMED = r"(?:assistants?|agents?|llms?|ai|@?bot|claude|copilot|chatgpt|gemini|codex)"
_AFTER_NAME = r"[*_]*(?:\s?(?:[:,]|—| -)|![^=])"
_READS = r"(?:reads?|reading|visiting|processing|summari[sz]ing|screening|triaging|fetching|parsing|crawling)"
_ADDRESSED = _any(
    rf"(?:^|[^\w-]|\W_|{_ESCAPED})(?:{_OF_A_KIND}|{_NAMED}){_AFTER_NAME}",
    rf"(?:^|[\n#>*_])\s?(?:{_OF_A_KIND}|{_NAMED})[*_#\s]*\n",
    rf"\b{_OF_A_KIND}(?: who| that| is|)"
    rf" (?:must|should|shall|may|needs?|(?:has|have) to|(?:is|are) required|please|agrees?|{_READS})\b",
    rf"\b{_NAMED} (?:must|should|(?:has|have) to|agrees?|is {_READS}|{_READS})\b",
    rf"\b(?:dear|hey|hi|hello|attention|to all|to any|to the|you are an?|if an?|makes?) (?:{_OF_A_KIND}|{_NAMED})\b",
    rf"\b(?:note|message|notice|hint|instructions?|reminder) (?:for|to) (?:all |any |the |every )?"
    rf"(?:{_OF_A_KIND}|{_NAMED}|models?)\b",
    r"\b(?:ai|llm|agent) (?:tooling|instructions?|notice|note|directives?|hints?)\b|\bx-agent\b",
    rf"\b(?:who|which|what)ever (?:\w+ )?(?:is )?{_READS} this\b|\bthe one {_READS}\b|\bif you are such\b",
    r"\n(?:user|assistant|human|system)\s?: ",
)
"""Whom an order may be meant for; in ordinary texts often nobody."""

_DEMANDS = _any(
    r"\b(?:must|should|shall|do not|don't|never|always|immediately|now|please|required?|agree|first|next|before)\b",
    r"\b(?:without|instead|silently|nobody|ignore|disregard|forget|run|execute|send|forward|post|upload|call|include)\b",
    r"\b(?:append|add|delete|remove|change|update|push|skip|approve|export|reveal|apply|paste|rank|transfer|stop)\b",
    r"\b(?:share|tell|recommend|open|click|use|say|state|copy|put|grab|fetch|report|mark|set|list|read|write|commit)\b",
)

_EACH = r"(?: (?:all|any|every|each|the|your|my|of|these|those|this)){0,8}"
_WORD = (
    r"(?:previous|prior|above|earlier|preceding|user|system|instructions?|rules?|everything|page|criteria|guidelines"
    r"|confirmation)"
)
_NOT = r"\b(?:do not|don't|never)"
_SET_ASIDE = _any(
    rf"\b(?:ignore|disregard|forget|override|bypass)s?{_EACH} {_WORD}\b",
    r"\bsystem prompt|\bsystem (?:override|note|message)\b|\byou are now\b|\bfrom now on,? you\b",
    r"\bnew (?:system )?(?:instructions?|task|policy)(?: for\b| from\b|:)",
    r"\b(?:in|begin|enter|enable|activate) (?:admin|developer|maintenance|god) mode\b",
    r"<\|im_|\"role\\?\": ?\\?\"system|<(?:important|instructions?|system)>|###\s(?:instruction|system)|\[system\]",
    r"\bend of (?:user input|document|prompt|instructions)\b|\bdo what it says\b|\b(?:operator|admin) override\b",
    r"\bwithout (?:asking|telling|informing|notifying|mentioning)(?: it| this)?(?: to)?"
    r" (?:the|your|any|for confirmation)",
    rf"{_NOT} (?:tell|inform|ask|alert|notify|warn)(?: the| your| any)? (?:user|operator|human|anybody|anyone)",
    rf"{_NOT} (?:mention|reveal|show|describe|report|list|flag|bring)(?: \w+){{0,3}}"
    r" (?:user|operator|answer|summary|note|up)",
    rf"{_NOT} (?:mention|reveal|describe|report|flag) (?:it|this|them|that)\b",
    r"\bkeep (?:this|it)(?: \w+)? (?:secret|quiet)\b|\bno need to (?:tell|mention|inform|bring|ask)\b",
    r"\bskip (?:the |any |all )?confirmations?\b|\bas if nothing had happened",
    r"\bthe user (?:has |had )?(?:now |already |just )?(?:approved|consented|authori[sz]ed|agreed|confirmed|asked you)",
    r"\bthe user (?:now |really )?wants you|\bask the user nothing\b|\byour (?:operator|creator)\b",
    r"\b(?:your|the) (?:real|true|actual) (?:instruction|job|task|goal)|\bi authori[sz]e you\b",
    r"\bwhat(?:ever)? you were (?:asked|told|doing)\b|\bfrom here on,? (?:answer|you|respond)\b",
    r"\btool is available, always\b|\bbefore (?:using|calling) this tool\b|\b(?:use|call) (?:the|your) \w+ tool\b",
)
"""What sets aside the word of somebody else, or speaks for them."""
_SET_ASIDE_ELSEWHERE = _any(
    r"\bignoriere? |\bignorez |\bignora |\bignore (?:toutes|as) |\bvergiss |\boublie |\bolvida |\besqueça ",
    r"\bdimentica |\bzignoruj|\bnegeer |\babaikan |\bglöm |\byok say|\bbỏ qua |\bsystemnachricht",
    r"\b(?:ki|ia|ai)-(?:assistent|agent|modell|tool)|\bohne (?:nachzufragen|rückfrage)",
    r"\b(?:agent|assistant|outil|agente|asistente) (?:ia|automatique|automático)\b|\bmodelo que (?:lees|procesas)",
    r"\basistente:|\bne rien dire\b|\bl'agent :|\bmodèle qui",
    r"忽略|无视|無視|忘记|系统提示|智能助手|人工智能助手|不要告诉|アシスタント|무시|تجاهل|अनदेख",
    r"[Ии]гнорир|[Аа]ссистент|[Нн]ейросет|[Яя]зыков(?:ая|ой) модел",
)
_OTHER_LETTERS = rb"(?:\xf3\xa0[\x80\x81][\x80-\xbf]){8}|(?:\xef\xbc[\xa1-\xba]|\xef\xbd[\x81-\x9a]){6}"
"""A word in the block of tags, which no screen shows, or in full width. Flags have shorter ones."""


@functools.cache
def _first() -> Any:
    alone = b"|".join((_SET_ASIDE, _SET_ASIDE_ELSEWHERE, _OTHER_LETTERS))
    return _compiled(b"(%b)|([a-z](?:%b)+[a-z])|%b" % (alone, b"|".join(_UNSEEN), _ADDRESSED))


@functools.cache
def _demands() -> Any:
    return _compiled(_DEMANDS)


def _compiled(expression: bytes) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = False
    options.max_mem = _MEMORY
    options.log_errors = False
    return re2.compile(expression, options)


def windows_of_orders(text: bytes, known: int = 0) -> Iterator[bytes]:
    """Yield what stands around each place, in order; what is unseen within words is left out from its first place on.

    Args:
        known: Bytes at the beginning that were looked at before; what lies among them alone is left out, and a place
            that the end of the text cut and that has grown by less than `_GROWTH` bytes since.
    """
    first, demands = _first(), _demands()
    at = undemanding = 0
    while (found := first.search(text, at)) is not None:
        if found.start(2) >= 0:
            start = found.start()
            known = start + len(_seen(text[start:known])) if known > start else known
            text = text[:start] + _seen(text[start:])
            continue
        at = found.end()
        most = min(len(text), at + _AFTER)
        demand = demands.search(text, at, most)
        if demand is None and found.start(1) < 0 and undemanding < _IDLE_TALK:
            undemanding += 1
            continue
        end = _paragraph_end(text, at if demand is None else demand.end(), most)
        if _is_news(known, at, end, len(text)):
            yield text[_line_start(text, found.start()) : end]
        at = _next(text, at, end)


def _is_news(known: int, at: int, end: int, length: int) -> bool:
    """Say whether enough of a window was not looked at: what comes byte by byte is asked about a few times."""
    if end < length or known <= at:
        return end > known
    return (end - at) // _GROWTH > (known - at) // _GROWTH


def _seen(text: bytes) -> bytes:
    for each in _UNSEEN:
        text = text.replace(each, b"")
    return text


def _line_start(text: bytes, at: int) -> int:
    """Return where the line begins: of what goes before an order, the model takes it for a part."""
    least = max(0, at - _BEFORE)
    return max(least, text.rfind(b"\n", least, at + 1) + 1)


def _paragraph_end(text: bytes, least: int, most: int) -> int:
    ends = [end for mark in (b"\n\n", b"\n\r\n") if (end := text.find(mark, least, most)) >= 0]
    return min(ends, default=most)


def _next(text: bytes, at: int, end: int) -> int:
    """Return where to look for the next place: a harmless one must not hide what stands on the next line."""
    most = min(end, at + _NEXT)
    line = text.find(b"\n", at, most)
    return max(at, line if line >= 0 else most)

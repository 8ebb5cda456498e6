"""Where a text may give orders to a model that reads it: the places that are worth a look by the gate.

Cheap enough for every byte that comes in from a network, and blunt. It finds words that set aside what somebody else
has said (`disregard the above`), text that is there and not seen, and who is spoken to (`AI agents:`) where a demand
follows. Whether it is an order, the patterns and the gate say. Guarantees: pure, linear in the text.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Final

import re2

KEPT: Final = 384
"""Bytes to keep of the last piece of a stream: an order that a cut goes through is whole in them and the next piece."""
_BEFORE, _AFTER = 80, 200
"""Bytes of a line before, and of a paragraph behind, what was found."""
_NEXT: Final = 150
"""Bytes behind what was found, from which on the next place is looked for."""
_IDLE_TALK: Final = 512
"""Readers who are spoken to without a demand, in one text; each further one is a place: time stays bounded."""
_MEMORY: Final = 16 << 20


_GAP = r"(?:[\s*#/>\xc2\xa0]|&nbsp;|</?[a-z]{1,6}>)+"
"""Between two words: blanks, ends of lines, marks before a line of a comment, tags without attributes."""


def _any(*expressions: str) -> bytes:
    """Return the expression of either; a blank in it stands for any gap between words."""
    return "|".join(expressions).replace(" ", _GAP).encode("utf-8")


_EACH = r"(?: (?:all|any|every|each|the|your|my|of|these|those|this))*"
_WORD = (
    r"(?:previous|prior|above|earlier|preceding|user|system|instructions?|rules?|everything|page|criteria|guidelines"
    r"|confirmation)"
)

_KIND = r"(?:ai|llm|language|chat|coding|automated|autonomous|loyal)"
_OF_A_KIND = (
    rf"{_KIND}[\s*#/_\"',:>-]+(?:\w+ )?"
    r"(?:assistant|agent|model|bot|llm|reviewer|summari[sz]er|crawler|contributor|scraper|reader)s?"
)
_NAMED = r"(?:assistants?|agents?|llms?|ai|@?bot|claude|copilot|chatgpt|gemini|codex)"
_ADDRESSED = _any(
    rf"(?:^|[^\w-])(?:{_OF_A_KIND}|{_NAMED})\s?(?:[:,!]|—| -)",
    rf"\b{_OF_A_KIND}(?: who| that|)"
    r" (?:must|should|shall|may|needs?|(?:has|have) to|(?:is|are) required|please|reads?|reading|visiting|processing"
    r"|agrees?)\b",
    rf"\b{_NAMED} (?:must|should|(?:has|have) to|reading|reads|visiting|agrees?)\b",
    rf"\b(?:dear|hey|hi|hello|attention|to all|to any|to the|you are an?|if an?|makes?) (?:{_OF_A_KIND}|{_NAMED})\b",
    rf"\b(?:note|message|notice|hint|instructions?|reminder) (?:for|to) (?:all |any |the |every )?"
    rf"(?:{_OF_A_KIND}|{_NAMED}|models?)\b",
    r"\bx-agent\b|\bllm instruction",
)
"""Whom an order may be meant for; in ordinary texts often nobody."""

_DEMANDS = _any(
    r"\b(?:must|should|shall|do not|don't|never|always|immediately|now|please|required?|agree|first|next|before)\b",
    r"\b(?:without|instead|silently|nobody|ignore|disregard|forget|run|execute|send|forward|post|upload|call|include)\b",
    r"\b(?:append|append|add|delete|remove|change|update|push|skip|approve|export|reveal|apply|paste|rank|transfer)\b",
    r"\b(?:stop|share|tell|recommend|open|click|use)\b",
)

_SET_ASIDE = _any(
    rf"\b(?:ignore|disregard|forget|override|bypass)s?{_EACH} {_WORD}\b",
    r"\bsystem prompt|\bsystem (?:override|note|message)\b|\byou are now\b|\bfrom now on,? you\b",
    r"\bnew (?:system )?(?:instructions?|task|policy)(?: for\b| from\b|:)",
    r"\b(?:in|begin|enter|enable|activate) (?:admin|developer|maintenance|god) mode\b",
    r"<\|im_|\"role\": ?\"system|<(?:important|instructions?|system)>|### (?:instruction|system)|\[system\]",
    r"\bend of user input|\bdo what it says\b|\bwithout (?:asking|telling|informing|notifying) (?:the|your|any)\b",
    r"\b(?:do not|don't|never) (?:tell|mention|inform|show|reveal|ask)(?: (?:this|it) to)?(?: the)? (?:user|operator)",
    r"\bthe user (?:has |had )?(?:now |already |just )?(?:approved|consented|authori[sz]ed|agreed|confirmed|asked you)",
    r"\bthe user (?:now |really )?(?:wants you|is testing)|\bask the user nothing\b|\byour (?:operator|creator)\b",
    r"\b(?:your|the) (?:real|true|actual) (?:instruction|job|task|goal)|\bi authori[sz]e you\b",
    r"\btool is available, always\b|\bbefore (?:using|calling) this tool\b|\b(?:use|call) (?:the|your) \w+ tool\b",
    r"\bnot a robot\b|\bopen a terminal\b|\buse your\b|\bfrom\s*: administrator",
)
"""What sets aside the word of somebody else, or speaks for them."""

_SET_ASIDE_ELSEWHERE = _any(
    r"\bignoriere? |\bignorez |\bignora |\bignore (?:toutes|as) |\bvergiss |\boublie |\bolvida |\besqueça ",
    r"\bdimentica ",
    r"\bzignoruj|\bnegeer |\babaikan |\bglöm |\byok say|\bbỏ qua |\bsystemnachricht|\bki-(?:assistent|agent|modell)",
    r"\basistente:|\bne rien dire\b|\bl'agent :",
    r"忽略|无视|無視|忘记|系统提示|アシスタント|무시|تجاهل|अनदेख|[Ии]гнорир|[Аа]ссистент",
)
_UNSEEN = rb"[a-z]\xe2\x80[\x8b-\x8f][a-z]|\xf3\xa0[\x80\x81]"
"""A zero-width character within a word, and letters of the block of tags."""


@functools.cache
def _first() -> Any:
    return _compiled(b"(%b)|%b" % (b"|".join((_SET_ASIDE, _SET_ASIDE_ELSEWHERE, _UNSEEN)), _ADDRESSED))


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
    """Yield what stands around each place, in order.

    Args:
        known: Bytes at the beginning that were looked at before; what lies among them alone is left out.
    """
    first, demands = _first(), _demands()
    at = undemanding = 0
    while (found := first.search(text, at)) is not None:
        at = found.end()
        end = min(len(text), at + _AFTER)
        if found.start(1) < 0 and undemanding < _IDLE_TALK and demands.search(text, at, end) is None:
            undemanding += 1
            continue
        end = _paragraph_end(text, at, end)
        if end > known:
            yield text[_line_start(text, found.start()) : end]
        at = max(at, min(end, at + _NEXT))


def _line_start(text: bytes, at: int) -> int:
    """Return where the line begins: of what goes before an order, the model takes it for a part."""
    least = max(0, at - _BEFORE)
    return max(least, text.rfind(b"\n", least, at) + 1)


def _paragraph_end(text: bytes, least: int, most: int) -> int:
    ends = [end for mark in (b"\n\n", b"\n\r\n") if (end := text.find(mark, least, most)) >= 0]
    return min(ends, default=most)

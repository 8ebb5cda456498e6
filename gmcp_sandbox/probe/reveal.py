"""What a text says behind its spelling: encoded stretches decoded, unseen characters shown, credentials masked.

Guarantees: pure, linear, never raises; what comes out has no control character and no unseen one; a credential of a
known shape does not come out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import islice
from urllib.parse import unquote_to_bytes

_DIGITS = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_ESCAPES = re.compile(r"(?:\\x[0-9A-Fa-f]{2}){3,}|(?:\\[0-3][0-7]{2}){3,}")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_WORD = re.compile(r"\S+")
_DECODED = 8
"""So many stretches of one text are decoded."""
_TRIED = 64
"""Stretches that are tried for each that can be decoded: words of many letters must not use up what is looked at."""
_DECODED_CHARS = 4096
_DIGITS_CHARS = 8192
_FEWEST = 4
_PLAIN = frozenset((9, 10, 13, *range(32, 127)))
_DEPTH = 2

_BLOBS = re.compile(
    r"(?P<id>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)"
    r"|(?P<number>\b\d{8,}\b)|(?P<hex>\b[0-9a-f]{12,}\b)"
    # Pieces of a path are shorter, and seldom hold both digits and capitals.
    r"|(?P<blob>(?<![\w/+=-])(?=[A-Za-z0-9+/=_-]{40})(?=[a-z0-9+/=_-]{0,64}[A-Z])(?=[A-Za-z+/=_-]{0,64}[0-9])"
    r"[A-Za-z0-9+=]{20,}(?:[/_-][A-Za-z0-9+=]{12,})*)"
)
_HOST_NUMBER = re.compile(r"(?<=://)(?:0[xX][0-9a-fA-F]{1,8}|[1-9]\d{7,9})(?=[/:?#\s\"']|\Z)")
_NAMES = {"id": "<id>", "hex": "<hex>", "number": "<number>", "blob": "<blob>"}

_SECRET = re.compile(
    # Of a key only what can be one: a command that stands behind the word BEGIN must be seen.
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:(?:\s|\\[nr]){0,8}(?!/)[A-Za-z0-9+/=]{24,128}){0,256}"
    r"(?:(?:\s|\\[nr]){0,8}[A-Za-z0-9+/=]{0,128}(?:\s|\\[nr]){0,8}-----END[A-Z ]{0,40}-----)?"
    r"|\b(?:gh[opusr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}|glpat-[\w-]{16,255}"
    r"|sk-(?:[a-z]{2,8}-){0,2}[A-Za-z0-9_]{16,255}[\w-]{0,64}"
    r"|xox[abeoprs]-[\w-]{10,255}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{35}|npm_[A-Za-z0-9]{30,255}"
    r"|pypi-A[\w-]{16,255}|hf_[A-Za-z0-9]{20,255}|eyJ[\w-]{10,2048}\.[\w-]{10,2048}(?:\.[\w-]{0,2048})?)"
)
_USERINFO = re.compile(r"(?<=://)[^/\s@:]{1,128}:[^/\s@]{1,256}@")
_BEARER = re.compile(
    r"(?i:(?<=authorization: )(bearer|basic)\s{1,4}[\w.~+/=-]{8,2048})"
    # Anywhere else it may be a file of that name, with another behind it.
    r"|\b([Bb](?:earer|asic))\s{1,4}(?=[\w.~+=-]{0,512}[0-9])(?=[\w.~+=-]{0,512}[A-Z])(?=[\w.~+=-]{0,512}[a-z])"
    r"[A-Za-z0-9][\w.~+=-]{19,2048}"
)
_NAMED = re.compile(
    r"(?i)((?:pass(?:word|wd|phrase)|secret|api[-_]?key|access[-_]?key|private[-_]?key|token)[\w-]{0,16}[\"']?"
    # A path is no secret, but what is done with it may be a crime.
    r"\s{0,4}[=:]\s{0,4}[\"']?)(?![@~/.]|[^\s&;,\"'|]{0,256}(?:://|/\.|\.\.))(?=[^\s&;,\"'|]{0,64}\d)"
    r"[^\s&;,\"'$<(|]{8,256}"
)

_UNSEEN = re.compile(
    "(?P<tags>[\U000e0020-\U000e007e]+)"
    "|(?P<other>[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e001f\U000e007f\U000e0100-\U000e01ef]+)"
    "|(?P<control>[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+)"
    "|(?P<byte>[\ud800-\udfff]+)"
)


def show_unseen(text: str) -> str:
    """Return the text with every unseen, control and undecodable character as a word that is seen."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    if found["tags"]:
        return " <hidden: " + "".join(chr(ord(char) - 0xE0000) for char in found["tags"][:_DECODED_CHARS]) + "> "
    if found["other"]:
        return "<zero-width>"
    return "<control>" if found["control"] else "<byte>"


def mask_secrets(text: str) -> str:
    """Return the text with credentials as `<secret>`."""
    if "-" in text or "_" in text or "eyJ" in text or "AKIA" in text or "ASIA" in text or "AIza" in text:
        text = _SECRET.sub("<secret>", text)
    if "@" in text and "://" in text:
        text = _USERINFO.sub("<secret>@", text)
    if "=" in text or ":" in text:
        text = _NAMED.sub(r"\1<secret>", text)
    if "earer" in text or "asic" in text:
        text = _BEARER.sub(lambda found: f"{found[1] or found[2]} <secret>", text)
    return text


def fold_blobs(text: str) -> str:
    """Return the text with long digits, digests and encoded stretches named instead of spelt."""
    if "://" in text:
        text = _HOST_NUMBER.sub(_address, text)
    return _BLOBS.sub(lambda found: _NAMES[found.lastgroup or "blob"], text)


def _address(found: re.Match[str]) -> str:
    """Return a host that is written as one number as the address that it is (inet_aton(3))."""
    number = int(found[0], 16 if found[0][:2] in ("0x", "0X") else 10)
    return str(IPv4Address(number)) if number < 1 << 32 else found[0]


def decoded_parts(text: str) -> list[str]:
    """Return what is encoded in a text, and what is encoded in that, as far as it is readable."""
    found: list[str] = []
    level = [text]
    for _ in range(_DEPTH):
        level = list(islice((decoded for part in level for decoded in _decoded(part)), _DECODED - len(found)))
        if not level:
            break
        found.extend(level)
    return found


def _decoded(text: str) -> Iterator[str]:
    for run in islice(_DIGITS.finditer(text), _TRIED * _DECODED):
        for data in _of_digits(run[0].rstrip("=")):
            yield from _readable(data)
    if "\\" in text:
        for run in islice(_ESCAPES.finditer(text), _TRIED * _DECODED):
            yield from _readable(_of_escapes(run[0]))
    if text.count("%") >= _FEWEST and len(_PERCENT.findall(text)) >= _FEWEST:
        for word in islice(_WORD.finditer(text), 4096):
            if word[0].count("%") >= _FEWEST:
                yield from _readable(unquote_to_bytes(word[0]))


def _of_digits(run: str) -> Iterator[bytes]:
    """Yield what a stretch says as hex and as base64."""
    if len(run) % 2 == 0 and _HEX.fullmatch(run):
        yield bytes.fromhex(run)
        return
    digits = run[:_DIGITS_CHARS].replace("-", "+").replace("_", "/")
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    try:
        yield base64.b64decode(digits + "=" * (-len(digits) % 4))
    except binascii.Error:
        return


def _of_escapes(run: str) -> bytes:
    if run.startswith("\\x"):
        return bytes.fromhex(run.replace("\\x", ""))
    return bytes(int(octal, 8) for octal in run.split("\\")[1:])


def _readable(data: bytes) -> Iterator[str]:
    """Yield text that somebody wrote, or nothing: a decoded name or digest is noise."""
    if len(data) < _FEWEST:
        return
    if data[1::2].count(0) * 4 > len(data):  # UTF-16, as PowerShell's encoded commands are
        data = data[::2]
    head = data[:64]
    if sum(map(_PLAIN.__contains__, head)) * 12 >= len(head) * 11:
        yield data[:_DECODED_CHARS].decode("utf-8", "replace")

"""Where in a long text to look: the places that the prefilter flags, and words that seldom stand in harmless texts.

The probe reads about a hundred words. Of a longer text it reads what stands around these places, so that an attack in
the middle of a file is not saved by what surrounds it. Guarantees: pure, linear in the text, at most `limit` places.
"""

from __future__ import annotations

import functools
from typing import Any

import re2

from gmcp_sandbox.pipeline.patterns import PATTERNS

LOOKED_AT = 256 << 10
"""Bytes of one text that places are looked for in; the prefilter itself reads all."""
_MEMORY = 16 << 20
_TELLING = (
    rb"\brm\s+-[a-z]*[rf]|\brmtree\b|\bunlink(?:sync)?\(|\bshred\b|\bmkfs|\bdd\s+if=|>\s*/dev/sd|\bdrop\s+(?:table|database)"
    rb"|\btruncate\s+table|\bdelete\s+from\b|\bchmod\s+(?:-r\s+)?[0-7]*[4-7]?777|\bchmod\s+[ug+]*\+?s\b|\bchown\s+root"
    rb"|\b(?:curl|wget|fetch)\b[^\n|]{0,99}\||\b(?:curl|wget)\b[^\n]{0,99}(?:-d|--data|-t|-f|--upload-file)\s"
    rb"|\b(?:requests|httpx|axios|urllib\.request|http\.client)\.(?:post|put|urlopen)|\bfetch\(|\bsocket\.(?:socket|connect)"
    rb"|/dev/tcp/|\bnc\s+-|\bbash\s+-i|\beval\b|\bexec\(|\bos\.system|\bsubprocess\b|\bchild_process|\bshell=true|__import__"
    rb"|\bbase64\b|\bb64decode|\bfrom(?:hex|charcode)\b|\batob\("
    rb"|\.ssh\b|\bid_(?:rsa|ed25519)|authorized_keys|\.aws\b|\bcredentials\b|\.netrc|\.npmrc|\.env\b|/etc/(?:shadow|passwd|sudoers|cron|ld\.so\.preload)"
    rb"|\benviron\b|process\.env|\bkeychain|\bcookies?\b.{0,20}\b(?:sqlite|db)|\bwallet|\bmetadata\.google|169\.254\.169\.254"
    rb"|\bcrontab\b|\.bashrc|\.zshrc|\.profile\b|\bsystemctl\s+(?:enable|disable|stop|mask)|\blaunchagents|\bpost-?install\b|\bpre-?install\b"
    rb"|\bsudo\b|\bsetuid\b|\bnopasswd\b|\bhistory\s+-c|--no-verify|\bverify\s*=\s*false|\bset\s+enforce\s+0|\bufw\s+disable"
    rb"|\bignore\b.{0,30}\b(?:instructions?|rules?|above)|\bdisregard\b|\bsystem\s+prompt|\bdo\s+not\s+(?:tell|mention|inform|reveal)"
    rb"|\bwithout\s+(?:telling|asking|notifying|informing)|\byou\s+(?:must|should|are\s+now|will\s+now)\b|\b(?:ai|llm)\s+(?:assistant|agent|model)s?\b"
    rb"|<important>|\bnew\s+instructions?\b|\bbefore\s+(?:using|calling|doing)\b|\bsend\s+(?:it|them|the|all|this|your)\b|\bexfiltrat|\bpassword\b|\bapi[_-]?key\b"
    rb"|\bignorez?\b|\bignoriere|\bignora\b"
)


def telling_places(text: bytes, limit: int) -> list[int]:
    """Return offsets of at most `limit` places, flagged ones first."""
    seen = text[:LOOKED_AT]
    places = _flagged(seen, limit) if len(seen) else []
    for found in _telling().finditer(seen):
        if len(places) >= limit:
            break
        if all(abs(found.start() - place) > 40 for place in places):
            places.append(found.start())
    return places


def _flagged(text: bytes, limit: int) -> list[int]:
    places = []
    for index in _set().Match(text) or ():
        found = _single(index).search(text)
        if found is not None:
            places.append(found.start())
        if len(places) >= limit:
            break
    return places


@functools.cache
def _set() -> Any:
    patterns = re2.Set.SearchSet(_options())
    for pattern in PATTERNS:
        patterns.Add(pattern.expression)
    patterns.Compile()
    return patterns


@functools.cache
def _single(index: int) -> Any:
    return re2.compile(PATTERNS[index].expression, _options())


@functools.cache
def _telling() -> Any:
    return re2.compile(_TELLING, _options())


def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = False
    options.dot_nl = True
    options.max_mem = _MEMORY
    options.log_errors = False
    return options

"""The patterns of the prefilter: pure data.

Every pattern is RE2 syntax over bytes (Latin-1, so that any byte matches), without regard to case. A category says what
kind of attack a pattern tells of, a severity how surely. `DENIED` says where a sure hit denies: in what is run, said to
a tool or leaves; elsewhere a hit is noted in the record, because source files, documentation and test data rightly hold
such strings.

Gaps are short or unbounded, never counted in hundreds: every counted repetition multiplies the states of the automaton.

Invariant: a hit of MEDIUM severity never denies by itself.
"""

from __future__ import annotations

import enum

import msgspec


class Category(enum.StrEnum):
    """What a hit tells of."""

    OVERRIDE = "instruction_override"
    AUTHORITY = "authority_impersonation"
    ENCODED = "encoded_payload"
    REVERSE_SHELL = "reverse_shell"
    CREDENTIAL = "credential"
    PATH_TRICK = "path_trick"
    CONCEALED = "concealed_text"


class Severity(enum.IntEnum):
    """How surely a hit is an attack; also the score of a flagged verdict."""

    MEDIUM = 1
    HIGH = 2


class Channel(enum.StrEnum):
    """Where a text goes."""

    FILE = "file"
    ARGV = "argv"
    MESSAGE = "message"
    OUTBOUND = "outbound"


class Pattern(msgspec.Struct, frozen=True):
    """One known attack."""

    category: Category
    severity: Severity
    expression: bytes


DENIED: dict[Channel, frozenset[Category]] = {
    Channel.FILE: frozenset(),
    # A commit message may quote an instruction to a model, and a URL for git may hold a token: no denial for these.
    Channel.ARGV: frozenset({Category.REVERSE_SHELL, Category.ENCODED, Category.CONCEALED, Category.PATH_TRICK}),
    Channel.MESSAGE: frozenset(Category),
    Channel.OUTBOUND: frozenset({Category.REVERSE_SHELL, Category.CREDENTIAL, Category.OVERRIDE}),
}

_HIGH, _MEDIUM = Severity.HIGH, Severity.MEDIUM
_GAP = rb"[\s\x00,;:'\"*_-]{1,8}"
"""What may stand between two words of a phrase."""
_EARLIER = rb"(?:previous|prior|above|preceding|earlier|foregoing|former|existing|original|system|initial)"
_ORDERS = (
    rb"(?:instructions?|prompts?|rules?|guidelines?|directives?|commands?|policies|policy|constraints?|restrictions?)"
)


def _words(*parts: bytes) -> bytes:
    return _GAP.join(parts)


def _of(category: Category, severity: Severity, *expressions: bytes) -> tuple[Pattern, ...]:
    return tuple(Pattern(category, severity, expression) for expression in expressions)


PATTERNS: tuple[Pattern, ...] = (
    *_of(
        Category.OVERRIDE,
        _HIGH,
        rb"\b(?:ignore|disregard|forget|override|bypass|discard)"
        + rb"(?:"
        + _GAP
        + rb"(?:all|any|every|the|of|your|these|those|my|our)){0,4}"
        + _GAP
        + _EARLIER
        + _GAP
        + _ORDERS,
        _words(
            rb"\b(?:ignore|disregard|forget)", rb"(?:everything|anything|all)", rb"(?:above|before|prior|previously)"
        ),
        _words(rb"\bdo", rb"not", rb"(?:follow|obey)", rb"(?:the|your|any)", _EARLIER, _ORDERS),
        _words(
            rb"\byou",
            rb"are",
            rb"(?:now|no longer)",
            rb"(?:in )?(?:dan|developer|jailbroken|unrestricted|root)",
            rb"mode",
        ),
        _words(
            rb"\b(?:reveal|print|repeat|output|show)",
            rb"(?:me )?(?:your|the)",
            rb"(?:hidden |full )?system",
            rb"prompt",
        ),
        rb"<\|(?:im_start|im_end|system|endoftext|start_header_id|eot_id)\|>",
        rb"\[/?INST\][^\n]*<<SYS>>",
    ),
    *_of(
        Category.OVERRIDE,
        _MEDIUM,
        _words(rb"\bnew", rb"(?:system )?instructions?", rb"(?:follow|are|from)"),
        _words(
            rb"\b(?:do", rb"not|don'?t|never)", rb"(?:tell|inform|alert|mention", rb"(?:this|it) to)", rb"(?:the )?user"
        ),
        _words(rb"\bwithout", rb"(?:telling|informing|notifying|asking)", rb"(?:the )?user"),
        rb"\bjailbreak\b|\bdo anything now\b",
    ),
    *_of(
        Category.AUTHORITY,
        _HIGH,
        rb"\[(?:system|admin|administrator|developer|root)(?: message| override| notice)?\]\s{0,4}:?\s{0,4}"
        rb"(?:ignore|disregard|you must|override|grant|disable|execute|run)\b",
        _words(
            rb"\bthis",
            rb"is",
            rb"(?:your|the)",
            rb"(?:system )?(?:administrator|developer|creator|operator)",
            rb"speaking",
        ),
        _words(rb"\b(?:i|we)", rb"(?:am|are)", rb"(?:from )?(?:anthropic|openai|the security team|your developers?)")
        + rb"[^\n]*\b(?:disable|override|bypass|ignore|authori[sz]e)",
        _words(
            rb"\b(?:maintenance|debug|god|sudo|admin|override)",
            rb"mode",
            rb"(?:is )?(?:enabled|activated|authori[sz]ed|on)",
        ),
        _words(
            rb"\byou",
            rb"(?:are|have been)",
            rb"(?:hereby )?authori[sz]ed",
            rb"to",
            rb"(?:bypass|ignore|disable|override|skip)",
        ),
    ),
    *_of(
        Category.AUTHORITY,
        _MEDIUM,
        _words(
            rb"\b(?:pre-?approved|already approved|authori[sz]ed)",
            rb"by",
            rb"(?:the )?(?:admin|administrator|security|system|ceo)",
        ),
        _words(rb"\bas", rb"(?:an?|the)", rb"(?:system )?(?:administrator|root user|superuser)", rb"i"),
    ),
    *_of(
        Category.ENCODED,
        _HIGH,
        rb"\b(?:base64|openssl (?:enc|base64)|xxd|uudecode)\b[^|\n]*(?:-d|-D|--decode|-r)\b[^|\n]*\|"
        rb"\s{0,8}(?:sudo )?(?:/\S{0,40}/)?(?:ba|z|da|k|a)?sh\b",
        rb"\b(?:base64|xxd)\b[^|\n]*(?:-d|-D|--decode|-r)\b[^|\n]*\|\s{0,8}(?:/\S{0,40}/)?(?:python|perl|ruby|node|php)",
        rb"\b(?:eval|exec|system)\s{0,4}\(?\s{0,4}[\"'(`$]{0,4}\s{0,4}(?:\w{1,32}\.){0,3}(?:b64decode|base64_decode|frombase64string|atob)\s{0,4}\(",
        rb"\bexec\s{0,4}\(\s{0,4}(?:__import__\(.{0,20}\)\.|zlib\.decompress|codecs\.decode|bytes\.fromhex|marshal\.loads)",
        rb"\bpowershell(?:\.exe)?\b.*\s-e(?:nc|ncodedcommand)?\s{1,4}[A-Za-z0-9+/=]{16}",
        rb"\beval\s{0,4}[\"']?\$\(\s{0,4}(?:echo|printf)\b[^)\n]*\|\s{0,4}(?:base64|xxd)",
    ),
    *_of(
        Category.ENCODED,
        _MEDIUM,
        rb"\b(?:curl|wget)\b[^|\n]*\|\s{0,8}(?:sudo )?(?:/\S{0,40}/)?(?:ba|z|da|k|a)?sh\b",
        rb"(?:\\x[0-9a-f]{2}){24}",
    ),
    *_of(
        Category.REVERSE_SHELL,
        _HIGH,
        rb"/dev/(?:tcp|udp)/[^\s/]+/[^\s]{1,8}\s{0,8}(?:0?<&|0?>&|<>|\d?>&\d|2>&1)",
        rb"(?:>&|<>|>|<)\s{0,8}/dev/(?:tcp|udp)/[^\s/]+/[^\s]{1,8}",
        rb"\b(?:ba|z|da|k|a)?sh\s{1,8}-i\b[^\n]*[<>]&",
        rb"\b(?:nc|ncat|netcat|nc\.traditional|nc\.openbsd)\b[^\n|;&]*\s(?:-[a-z]{0,8}[ec][a-z]{0,4}|--exec|--sh-exec)"
        rb"[=\s]{1,8}[\"']?(?:/\S*/)?(?:ba|z|da|k|a|c|tc)?sh\b",
        rb"\bmkfifo\b[^\n]*\|[^\n]*\b(?:nc|ncat|netcat|telnet|openssl s_client)\b",
        rb"\bsocat\b[^\n]*\bexec:[^\n]*sh\b",
        rb"\bsocket\b.*\bconnect\b.*\bdup2\b.*(?:sh\b|subprocess|pty\.spawn|execv)",
        rb"\bpty\.spawn\s{0,4}\(.{0,20}sh\b.*\bconnect\b",
        rb"\bfsockopen\s{0,4}\(.*\b(?:exec|shell_exec|proc_open|popen|system)\s{0,4}\(",
        rb"\btcpsocket\.(?:new|open)\b.*\b(?:exec|spawn|popen|system|io\.popen)\b",
        rb"\bperl\b.*\bsocket\b.*\bexec\s{0,4}[\{\(]?\s{0,4}[\"']/bin/",
        rb"\bnet\.(?:connect|socket)\b.*\bchild_process\b|\bchild_process\b.*\bnet\.(?:connect|socket)\b.*\bpipe\s{0,4}\(",
        rb"\bnew-object\s{1,4}(?:system\.)?net\.sockets\.tcpclient\b.*\b(?:iex|invoke-expression)\b",
    ),
    *_of(
        Category.CREDENTIAL,
        _HIGH,
        rb"-----BEGIN (?:RSA |DSA |EC |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY(?: BLOCK)?-----",
        rb"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b",
        rb"\baws_secret_access_key\b[\"'\s:=]{1,8}[A-Za-z0-9/+=]{40}",
        rb"\b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{60,}\b",
        rb"\bglpat-[A-Za-z0-9_-]{20,}\b",
        rb"\bxox[abposr]-[A-Za-z0-9-]{20,}\b",
        rb"\bsk-(?:ant|proj|live|svcacct)-[A-Za-z0-9_-]{20,}\b|\bsk-[A-Za-z0-9]{40,}\b",
        rb"\b(?:sk|rk)_live_[A-Za-z0-9]{20,}\b",
        rb"\bAIza[A-Za-z0-9_-]{35}\b",
        rb"\bya29\.[A-Za-z0-9_-]{40,}\b",
        rb"\bnpm_[A-Za-z0-9]{36}\b|\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{40,}\b|\bhf_[A-Za-z0-9]{30,60}\b",
        rb"\broot:\$[0-9a-z]{1,2}\$[^:\s]{8,}:[0-9]{0,6}:",
    ),
    *_of(
        Category.CREDENTIAL,
        _MEDIUM,
        rb"\b(?:api[_-]?key|secret[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret)[\"']?\s{0,4}[:=]\s{0,4}[\"'][A-Za-z0-9_./+=-]{16,}[\"']",
        rb"\b(?:password|passwd)[\"']?\s{0,4}[:=]\s{0,4}[\"'][^\"'\s]{8,}[\"']",
        rb"\b[a-z][a-z0-9+.-]{1,15}://[^/\s:@\"']+:[^/\s:@\"']{6,}@",
        rb"\beyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}\b",
    ),
    *_of(
        Category.PATH_TRICK,
        _HIGH,
        rb"(?:%2e|%252e){2}(?:%2f|%252f|%5c|%255c|/|\\)|\.\.(?:%2f|%252f|%5c|%255c)|%c0%ae|%c0%af|%e0%80%af",
        rb"/proc/(?:1|self|thread-self|[0-9]{1,10})/(?:root|cwd)/(?:\.\./|etc/(?:shadow|passwd))",
        rb"%00(?:\.[a-z0-9]{1,8})?(?:[\s/\"'&?]|$)",
    ),
    *_of(
        Category.PATH_TRICK,
        _MEDIUM,
        rb"(?:\.\.[/\\]){3}",
        rb"/proc/(?:1|self|thread-self|[0-9]{1,10})/(?:environ|mem|maps|fd/[0-9]{1,7}|root|cwd)\b",
        rb"/(?:etc/(?:shadow|gshadow|sudoers)|\.ssh/id_[a-z0-9]{1,16}|\.aws/credentials|\.netrc|\.pgpass)\b",
    ),
)

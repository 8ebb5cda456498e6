"""The host keys of named hosts, from known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

Guarantees: a key is returned for a host only if a line names the host itself, in plain or hashed form; patterns with
stars name nobody. A key that is revoked for a host, or by a line that anybody could be meant by, is not returned.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence


def host_keys(texts: Iterable[str], hosts: Sequence[str]) -> dict[bytes, str]:
    """Return the keys of these hosts as (key as SSH sends it → host)."""
    lines = [line.split() for text in texts for line in text.splitlines()]
    found: dict[bytes, str] = {}
    revoked: set[bytes] = set()
    for words in lines:
        if words[:1] == ["@revoked"] and len(words) >= 4:
            revoked.add(_decoded(words[3]))
        elif len(words) >= 3 and not words[0].startswith(("#", "@")):
            key = _decoded(words[2])
            host = next((host for host in hosts if _names(words[0], host)), None)
            if key and host is not None:
                found.setdefault(key, host)
    return {key: host for key, host in found.items() if key not in revoked}


def known_hosts_lines(keys: dict[bytes, str]) -> str:
    """Return a known_hosts file that says these keys and nothing else."""
    lines = []
    for key, host in keys.items():
        kind = key[4 : 4 + int.from_bytes(key[:4], "big")].decode("ascii", "replace")
        lines.append(f"{host} {kind} {base64.b64encode(key).decode('ascii')}\n")
    return "".join(lines)


def _names(patterns: str, host: str) -> bool:
    """True when one of the comma-separated words is this host, at whatever port."""
    return any(_is_word(word, host) for word in patterns.split(","))


def _is_word(word: str, host: str) -> bool:
    if word.startswith("|1|"):
        return _is_hash(word, host)
    word = word.lower()
    if word.startswith("["):
        word = word[1:].partition("]:")[0]
    return word == host


def _is_hash(word: str, host: str) -> bool:
    import hashlib  # here: they load all of OpenSSL, and few sessions read such a line
    import hmac

    parts = word.split("|")
    if len(parts) != 4:
        return False
    salt, digest = _decoded(parts[2]), _decoded(parts[3])
    return bool(salt) and hmac.compare_digest(hmac.new(salt, host.encode(), hashlib.sha1).digest(), digest)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""

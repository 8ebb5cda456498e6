"""Tokens that the agent uses and never holds.

The agent holds a placeholder, drawn anew for each session and worth nothing. On its way out, in an intercepted TLS
flow to the one host that the credential is for, and in the one of the named header fields, the placeholder becomes the
token: alone (`PLACEHOLDER`), behind a scheme (`Bearer PLACEHOLDER`), or as name or password of Basic authentication.
Anywhere else (another host, plain HTTP, another field, the request target, a body) it is a fault: the request is
refused, so that a token that is used wrongly is seen, although nothing would leak.

Guarantees:
- No token is part of a `repr`, an error, a record, or a file; none is written to the agent's side.
- A placeholder has the length of its token. Responses of a flow that carried the token get the placeholder in its place
  wherever the token, or the Basic form that was sent, stands in them as it was sent.

What remains: a server that answers with the token in another form (encoded, compressed although `identity` was asked
for, in pieces) tells the agent what it is. So can a host do whose program obeys the agent. Give tokens to hosts that
do not echo.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.net.head import Field
from gmcp_sandbox.policy.network import Credential

SHORTEST = 12
"""A token that is shorter could not be told from other text, and its placeholder not either."""
LONGEST = 8 << 10

_LETTERS = string.ascii_letters + string.digits
_VISIBLE = re.compile(rb"[\x21-\x7e]+")
_SCHEMED = re.compile(rb"[A-Za-z][A-Za-z0-9_-]{0,31} +")
_BASIC = re.compile(rb"[Bb][Aa][Ss][Ii][Cc] +([A-Za-z0-9+/]+={0,2})")


class Misplaced(Exception):
    """A request carries the placeholder of `name` where the token does not belong."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Injected(NamedTuple):
    """Fields with tokens in their places, and what must not come back: token forms and what stands in for each."""

    fields: tuple[Field, ...]
    echoes: dict[bytes, bytes]


class _Entry:
    """One credential with its token. It has no `repr` that shows anything."""

    __slots__ = ("_token", "credential", "placeholder")

    def __init__(self, credential: Credential, token: bytes) -> None:
        self.credential = credential
        self._token = token
        room = len(token) - len(credential.prefix)
        self.placeholder = (credential.prefix + "".join(secrets.choice(_LETTERS) for _ in range(room))).encode()

    def may_stand_in(self, host: str, scheme: str, key: str) -> bool:
        return scheme == "https" and host == self.credential.host and key in self.credential.headers

    def replace(self, value: bytes, echoes: dict[bytes, bytes]) -> bytes | None:
        """Return a field's value with the token in it; None when the placeholder does not stand where it may."""
        before, found, after = value.partition(self.placeholder)
        if found and not after and (not before or _SCHEMED.fullmatch(before)):
            echoes[self._token] = self.placeholder
            return before + self._token
        return self._replace_basic(value, echoes)

    def _replace_basic(self, value: bytes, echoes: dict[bytes, bytes]) -> bytes | None:
        user, colon, password = _basic(value).partition(b":")
        if self.placeholder not in (user, password) or not colon:
            return None
        pair = [self._token if part == self.placeholder else part for part in (user, password)]
        encoded = base64.b64encode(b":".join(pair))
        echoes[self._token] = self.placeholder
        echoes[encoded] = base64.b64encode(user + b":" + password)
        return b"Basic " + encoded


class Vault:
    """All credentials of a session."""

    def __init__(self, entries: Iterable[tuple[Credential, bytes]] = ()) -> None:
        self._entries = tuple(_Entry(credential, token) for credential, token in entries)
        self.placeholders = tuple(entry.placeholder for entry in self._entries)

    @classmethod
    def load(cls, credentials: Iterable[Credential], environ: Mapping[str, str], read: Callable[[str], bytes]) -> Vault:
        """Fetch every token from its source, on the supervisor's side.

        Raises:
            ProfileError: One is missing, or has no form that a header field can hold. The text never says what it is.
        """
        return cls((credential, _fetch(credential, environ, read)) for credential in credentials)

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to look for."""
        return not self._entries

    def environment(self) -> dict[str, str]:
        """Return what the agent's environment gets: variables with placeholders."""
        return {entry.credential.env: entry.placeholder.decode("ascii") for entry in self._entries}

    def inject(self, host: str, scheme: str, target: str, fields: tuple[Field, ...]) -> Injected:
        """Return the fields of a request as they go to the host.

        Raises:
            Misplaced: A placeholder stands where its token does not belong.
        """
        asked = target.encode("utf-8", "surrogateescape")
        for entry in self._entries:
            if entry.placeholder in asked or entry.placeholder in unquote_to_bytes(asked):
                raise Misplaced(entry.credential.name)
        echoes: dict[bytes, bytes] = {}
        changed = tuple(self._field(host, scheme, field, echoes) for field in fields)
        return Injected(_uncompressed(changed) if echoes else changed, echoes)

    def _field(self, host: str, scheme: str, field: Field, echoes: dict[bytes, bytes]) -> Field:
        plain = _basic(field.value)
        for entry in self._entries:
            if entry.placeholder not in field.value and entry.placeholder not in plain:
                continue
            value = entry.replace(field.value, echoes) if entry.may_stand_in(host, scheme, field.key) else None
            if value is None:
                raise Misplaced(entry.credential.name)
            return field._replace(value=value)
        return field


def _basic(value: bytes) -> bytes:
    """Return what a value says that has the form of Basic authentication; nothing for any other."""
    parts = _BASIC.fullmatch(value)
    if parts is None:
        return b""
    try:
        return base64.b64decode(parts[1] + b"=" * (-len(parts[1]) % 4))
    except binascii.Error:
        return b""


def _uncompressed(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Ask for an answer that is not compressed, so that an echo can be seen."""
    others = tuple(field for field in fields if field.key != "accept-encoding")
    return (*others, Field(b"Accept-Encoding", "accept-encoding", b"identity"))


def _fetch(credential: Credential, environ: Mapping[str, str], read: Callable[[str], bytes]) -> bytes:
    kind, _, place = credential.source.partition(":")
    try:
        token = environ[place].encode() if kind == "env" else read(place)
    except KeyError:
        raise _fault(credential, f"the variable {place} is not set") from None
    except OSError as error:
        raise _fault(credential, f"{place}: {error.strerror}") from None
    token = token.strip()
    if len(token) > LONGEST or _VISIBLE.fullmatch(token) is None:
        raise _fault(credential, "it is empty, too long, or holds blanks or characters that are not ASCII")
    if len(token) < SHORTEST + len(credential.prefix):
        raise _fault(credential, f"it is shorter than {SHORTEST} characters and its prefix")
    return token


def _fault(credential: Credential, cause: str) -> ProfileError:
    return ProfileError(
        f"cannot use the credential {credential.name!r}",
        cause=cause,
        hint=f"check the source that the profile names for {credential.host}",
    )

"""The parts of SSH that its agent speaks of: agent messages, host keys, and the data that a login signs.

Sources: draft-ietf-sshm-ssh-agent (messages), RFC 4251, 5 (encodings), RFC 4252, 7 (what a public-key login signs), and
OpenSSH's PROTOCOL.agent, 1 (`session-bind@openssh.com`) and PROTOCOL, 3.1 (`publickey-hostbound-v00@openssh.com`).

Guarantee: every reader returns a value or raises `WireError`, whatever the bytes are; nothing may be left over.
"""

from __future__ import annotations

import base64
from typing import Final

import msgspec

FAILURE, SUCCESS = 5, 6
REQUEST_IDENTITIES, IDENTITIES_ANSWER = 11, 12
SIGN_REQUEST, SIGN_RESPONSE = 13, 14
EXTENSION: Final = 27
SESSION_BIND: Final = b"session-bind@openssh.com"

_USERAUTH_REQUEST: Final = 50
_PLAIN, _HOSTBOUND = b"publickey", b"publickey-hostbound-v00@openssh.com"
_SIGNATURES: Final = {
    b"ssh-ed25519": (b"ssh-ed25519",),
    b"ecdsa-sha2-nistp256": (b"ecdsa-sha2-nistp256",),
    b"ecdsa-sha2-nistp384": (b"ecdsa-sha2-nistp384",),
    b"ecdsa-sha2-nistp521": (b"ecdsa-sha2-nistp521",),
    b"ssh-rsa": (b"rsa-sha2-256", b"rsa-sha2-512"),
}
"""Kinds of host keys, and of the signatures that count for each; SHA-1 does not."""


class WireError(ValueError):
    """The bytes do not say what they should."""


class Reader:
    """Takes values off the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        end = self._at + size
        if end > len(self._data):
            raise WireError("cut short")
        self._at, begin = end, self._at
        return self._data[begin:end]

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def flag(self) -> bool:
        """Return the next boolean."""
        return self.byte() != 0

    def number(self) -> int:
        """Return the next 32-bit number."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Return the next string."""
        return self.take(self.number())

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self._at != len(self._data):
            raise WireError("something is left over")


def string(data: bytes) -> bytes:
    """Return bytes as a string stands in a message."""
    return len(data).to_bytes(4, "big") + data


class Binding(msgspec.Struct, frozen=True):
    """What `session-bind` says: this connection is a session with the holder of this host key."""

    host_key: bytes
    session: bytes
    signature: bytes
    is_forwarding: bool


def read_binding(body: bytes) -> Binding | None:
    """Return the binding that an extension request is; None for another extension."""
    reader = Reader(body)
    if reader.string() != SESSION_BIND:
        return None
    binding = Binding(reader.string(), reader.string(), reader.string(), reader.flag())
    reader.end()
    return binding


class Login(msgspec.Struct, frozen=True):
    """What a sign request is for: a login by public key, in one session."""

    key: bytes
    session: bytes
    user: str
    host_key: bytes | None


def read_login(body: bytes) -> Login:
    """Return the login that a sign request is for. Data of any other form is nothing to sign."""
    request = Reader(body)
    key, data = request.string(), Reader(request.string())
    request.number()  # flags: which hash an RSA key uses
    request.end()
    session = data.string()
    if data.byte() != _USERAUTH_REQUEST:
        raise WireError("not a login")
    user, service, method = data.string(), data.string(), data.string()
    if service != b"ssh-connection" or method not in (_PLAIN, _HOSTBOUND) or not data.flag():
        raise WireError("not a login by public key")
    data.string()  # the algorithm, which the agent holds against the key
    if data.string() != key:
        raise WireError("a login with another key")
    host_key = data.string() if method == _HOSTBOUND else None
    data.end()
    return Login(key, session, user.decode("utf-8", "backslashreplace"), host_key)


def read_identities(body: bytes) -> list[bytes]:
    """Return the public keys of an answer to `REQUEST_IDENTITIES`; their comments are left out."""
    reader = Reader(body)
    keys = []
    for _ in range(min(reader.number(), len(body))):
        keys.append(reader.string())
        reader.string()
    reader.end()
    return keys


def write_identities(keys: list[bytes]) -> bytes:
    """Return an answer to `REQUEST_IDENTITIES`, with its type."""
    listed = b"".join(string(key) + string(b"") for key in keys)
    return bytes((IDENTITIES_ANSWER,)) + len(keys).to_bytes(4, "big") + listed


def is_signed(binding: Binding) -> bool:
    """True when the holder of the host key has signed the session's identifier."""
    try:
        kind = Reader(binding.host_key).string()
        signature = Reader(binding.signature)
        form, value = signature.string(), signature.string()
        signature.end()
    except WireError:
        return False
    return form in _SIGNATURES.get(kind, ()) and _verify(kind, form, binding, value)


def _verify(kind: bytes, form: bytes, binding: Binding, value: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

    sizes = {b"ecdsa-sha2-nistp384": hashes.SHA384(), b"ecdsa-sha2-nistp521": hashes.SHA512()}
    try:
        key = serialization.load_ssh_public_key(kind + b" " + base64.b64encode(binding.host_key))
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(value, binding.session)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            pair = Reader(value)
            parts = utils.encode_dss_signature(*(int.from_bytes(pair.string(), "big") for _ in range(2)))
            pair.end()
            key.verify(parts, binding.session, ec.ECDSA(sizes.get(kind, hashes.SHA256())))
        elif isinstance(key, rsa.RSAPublicKey):
            digest = hashes.SHA512() if form == b"rsa-sha2-512" else hashes.SHA256()
            key.verify(value, binding.session, padding.PKCS1v15(), digest)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True

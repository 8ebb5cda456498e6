"""The certificate authority of one session, which exists so that the agent's programs accept an opened TLS flow.

Guarantees:
- Its key and those of its leaves never touch a disk and end with the process. The agent trusts it by a bundle and
  variables of its own view; nothing of the host ever does.
- A leaf is for one name or address, is made when that is asked for first, and made anew long before it expires.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

MOST_LEAVES = 512
_DAY = datetime.timedelta(days=1)
_CA_LIFE = 90 * _DAY
_LEAF_LIFE = 14 * _DAY
_LEAF_USE = 7 * _DAY
_NAME = "gmcp-sandbox session authority"

_NOT_FOR = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "encipher_only",
    "decipher_only",
)

VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "DENO_CERT",
    "NIX_SSL_CERT_FILE",
)
"""By which programs are told where their trust anchors stand. Java reads none of them; it has a store of its own."""


def environment(path: str) -> dict[str, str]:
    """Return the variables that name the bundle at `path`, a path of the view."""
    return dict.fromkeys(VARIABLES, path)


class _Leaf(NamedTuple):
    context: ssl.SSLContext
    use_until: datetime.datetime


class Authority:
    """Signs for any host; who asks has found out that it may be asked for."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self._key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _self_signed(self._key)
        self._leaves: OrderedDict[str, _Leaf] = OrderedDict()

    @property
    def pem(self) -> bytes:
        """The authority's certificate."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return self._certificate.public_bytes(Encoding.PEM)

    def bundle(self, host_bundle: bytes) -> bytes:
        """Return the trust anchors of the view: those of the host, and this one."""
        return b"%b\n%b" % (host_bundle.rstrip(b"\n"), self.pem) if host_bundle else self.pem

    def server_context(self, host: str) -> ssl.SSLContext:
        """Return the TLS context that speaks for a name or a literal address; it offers HTTP/1.1 alone."""
        leaf = self._leaves.get(host)
        now = _now()
        if leaf is None or now > leaf.use_until:
            leaf = self._leaves[host] = _Leaf(self._make_context(host), now + _LEAF_USE)
        self._leaves.move_to_end(host)
        if len(self._leaves) > MOST_LEAVES:
            self._leaves.popitem(last=False)
        return leaf.context

    def _make_context(self, host: str) -> ssl.SSLContext:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        key = self._leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        certificate = self._sign(host).public_bytes(Encoding.PEM)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        _load(context, key + certificate)
        return context

    def _sign(self, host: str) -> x509.Certificate:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import ExtendedKeyUsageOID

        builder = _builder(_subject(host if len(host) <= 64 else "host"), self._certificate.subject, _LEAF_LIFE)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension, is_critical in (
            (x509.SubjectAlternativeName([_general_name(host)]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (issuer, False),
        ):
            builder = builder.add_extension(extension, is_critical)
        return builder.public_key(self._leaf_key.public_key()).sign(self._key, hashes.SHA256())


def _self_signed(key: EllipticCurvePrivateKey) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    usage = dict.fromkeys(_NOT_FOR, False)
    name = _subject(_NAME)
    builder = _builder(name, name, _CA_LIFE).public_key(key.public_key())
    for extension in (
        x509.BasicConstraints(ca=True, path_length=0),
        x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage),
    ):
        builder = builder.add_extension(extension, critical=True)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False).sign(
        key, hashes.SHA256()
    )


def _builder(subject: x509.Name, issuer: x509.Name, life: datetime.timedelta) -> x509.CertificateBuilder:
    from cryptography import x509

    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + life)
    )


def _subject(name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """Give a context its key and certificate; `ssl` reads them from files alone, so from one that is only memory."""
    memory = os.memfd_create("leaf", os.MFD_CLOEXEC)
    try:
        os.write(memory, pem)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)

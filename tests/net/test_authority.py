"""The session's certificate authority."""

import datetime
import os
import ssl

from cryptography import x509

from gmcp_sandbox.net import authority
from gmcp_sandbox.net.authority import Authority, environment

OURS = Authority()


def handshake(server, client, name):
    """Shake hands in memory and return the certificate that the client saw."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return ends[0].getpeercert(binary_form=True)


def trusting():
    return ssl.create_default_context(cadata=OURS.pem.decode())


def test_a_strict_client_accepts_names_and_addresses():
    for name in ("example.com", "a.b.example", "192.0.2.7", "2001:db8::7", "x" * 60 + ".y." + "z" * 60 + ".example"):
        client = trusting()
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        assert handshake(OURS.server_context(name), client, name)


def test_a_leaf_is_for_its_host_alone_and_not_for_ever():
    seen = x509.load_der_x509_certificate(handshake(OURS.server_context("one.example"), trusting(), "one.example"))
    names = seen.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["one.example"]
    assert seen.not_valid_after_utc - datetime.datetime.now(datetime.UTC) < datetime.timedelta(days=15)
    assert not seen.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_leaf_is_made_once_and_anew_before_it_expires(monkeypatch):
    first = OURS.server_context("two.example")
    assert OURS.server_context("two.example") is first
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=8)
    monkeypatch.setattr(authority, "_now", lambda: later)
    assert OURS.server_context("two.example") is not first


def test_leaves_are_bounded(monkeypatch):
    monkeypatch.setattr(authority, "MOST_LEAVES", 2)
    other = Authority()
    contexts = [other.server_context(f"{letter}.example") for letter in "abc"]
    assert other.server_context("c.example") is contexts[2]
    assert other.server_context("a.example") is not contexts[0]


def test_each_session_has_its_own():
    other = Authority()
    assert other.pem != OURS.pem


def test_the_bundle_holds_both():
    bundle = OURS.bundle(b"host anchors\n")
    assert bundle.startswith(b"host anchors\n-----BEGIN")
    assert OURS.bundle(b"") == OURS.pem


def test_variables_name_the_bundle():
    assert environment("/x/bundle.pem")["SSL_CERT_FILE"] == "/x/bundle.pem"
    assert len(set(environment("/x").values())) == 1


def test_keys_leave_no_descriptor_behind():
    before = len(os.listdir("/proc/self/fd"))
    OURS.server_context("three.example")
    assert len(os.listdir("/proc/self/fd")) == before

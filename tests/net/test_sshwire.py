"""SSH's agent messages: signatures that hold, data that is a login, and bytes that are neither."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net import sshwire
from gmcp_sandbox.net.sshwire import Binding, Reader, WireError, string

SESSION = b"session identifier of thirty-two"


def blob(private) -> bytes:
    import base64

    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return base64.b64decode(private.public_key().public_bytes(*form).split()[1])


def number(value: int) -> bytes:
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big"))


def ed25519_pair():
    private = ed25519.Ed25519PrivateKey.generate()
    return blob(private), lambda data: string(b"ssh-ed25519") + string(private.sign(data))


def ecdsa_pair(curve, name, digest):
    private = ec.generate_private_key(curve)

    def sign(data):
        r, s = utils.decode_dss_signature(private.sign(data, ec.ECDSA(digest)))
        return string(name) + string(number(r) + number(s))

    return blob(private), sign


def rsa_pair(name, digest):
    private = rsa.generate_private_key(65537, 2048)
    return blob(private), lambda data: string(name) + string(private.sign(data, padding.PKCS1v15(), digest))


PAIRS = {
    "ed25519": ed25519_pair,
    "p256": lambda: ecdsa_pair(ec.SECP256R1(), b"ecdsa-sha2-nistp256", hashes.SHA256()),
    "p384": lambda: ecdsa_pair(ec.SECP384R1(), b"ecdsa-sha2-nistp384", hashes.SHA384()),
    "p521": lambda: ecdsa_pair(ec.SECP521R1(), b"ecdsa-sha2-nistp521", hashes.SHA512()),
    "rsa256": lambda: rsa_pair(b"rsa-sha2-256", hashes.SHA256()),
    "rsa512": lambda: rsa_pair(b"rsa-sha2-512", hashes.SHA512()),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_a_host_s_signature_holds_for_its_session_alone(kind):
    key, sign = PAIRS[kind]()
    other, _ = ed25519_pair()
    assert sshwire.is_signed(Binding(key, SESSION, sign(SESSION), False))
    assert not sshwire.is_signed(Binding(key, SESSION + b"x", sign(SESSION), False))
    assert not sshwire.is_signed(Binding(other, SESSION, sign(SESSION), False))
    assert not sshwire.is_signed(Binding(key, SESSION, sign(SESSION) + b"x", False))
    assert not sshwire.is_signed(Binding(key, SESSION, b"", False))


def test_sha1_does_not_count():
    key, sign = rsa_pair(b"ssh-rsa", hashes.SHA1())
    assert not sshwire.is_signed(Binding(key, SESSION, sign(SESSION), False))


def binding(key=b"key", session=SESSION, signature=b"sig", forwarding=False):
    return string(sshwire.SESSION_BIND) + string(key) + string(session) + string(signature) + bytes([forwarding])


def test_a_binding_is_read():
    assert sshwire.read_binding(binding()) == Binding(b"key", SESSION, b"sig", False)
    assert sshwire.read_binding(string(b"query")) is None
    with pytest.raises(WireError):
        sshwire.read_binding(binding() + b"x")


def login(
    key=b"key", *, session=SESSION, method=b"publickey", data=None, service=b"ssh-connection", number=50, more=b""
):
    if data is None:
        data = string(session) + bytes([number]) + string(b"git") + string(service) + string(method) + b"\1"
        data += string(b"ssh-ed25519") + string(key) + more
    return string(b"key") + string(data) + b"\0\0\0\0"


def test_a_login_is_read():
    assert sshwire.read_login(login()) == sshwire.Login(b"key", SESSION, "git", None)
    hostbound = login(method=b"publickey-hostbound-v00@openssh.com", more=string(b"host"))
    assert sshwire.read_login(hostbound).host_key == b"host"


@pytest.mark.parametrize(
    "body",
    [
        login(data=b"anything that somebody wants signed"),
        login(data=b"SSHSIG" + string(b"git") + string(b"") + string(b"sha512") + string(b"digest")),
        login(number=51),
        login(service=b"ssh-userauth"),
        login(method=b"hostbased"),
        login(key=b"another"),
        login(more=b"left over"),
        login() + b"x",
        login()[:-1],
    ],
)
def test_what_is_no_login_is_nothing_to_sign(body):
    with pytest.raises(WireError):
        sshwire.read_login(body)


def test_comments_on_keys_are_left_out():
    listed = (2).to_bytes(4, "big") + string(b"k1") + string(b"me@my-laptop") + string(b"k2") + string(b"work")
    keys = sshwire.read_identities(listed)
    assert keys == [b"k1", b"k2"]
    assert b"laptop" not in sshwire.write_identities(keys)
    assert sshwire.read_identities(sshwire.write_identities(keys)[1:]) == keys


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=40).map(lambda tail: binding()[:-5] + tail)))
def test_hostile_bytes_give_a_value_or_the_error(body):
    for read in (sshwire.read_binding, sshwire.read_login, sshwire.read_identities):
        try:
            read(body)
        except WireError:
            continue


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_no_bytes_are_a_signature_by_chance(key, signature):
    for kind in (b"ssh-ed25519", b"ssh-rsa", b"ecdsa-sha2-nistp256"):
        assert not sshwire.is_signed(Binding(string(kind) + key, SESSION, string(kind) + string(signature), False))


@given(st.binary(max_size=60))
def test_a_reader_never_reads_past_the_end(data):
    reader = Reader(data)
    try:
        while True:
            reader.string()
    except WireError:
        pass

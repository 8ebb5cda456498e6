from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmcp_sandbox.audit.signing import is_signed_by, load_key, parse_public, public_key, statement
from gmcp_sandbox.errors import AuditError


@pytest.fixture
def keys(tmp_path):
    directory = tmp_path / "keys"
    directory.mkdir(mode=0o700)
    return str(directory)


def test_a_pair_is_made_once_and_closed_to_others(keys):
    assert public_key(keys) is None
    first = load_key(keys)
    assert load_key(keys).public == first.public == public_key(keys)
    assert {name: os.stat(f"{keys}/{name}").st_mode & 0o777 for name in os.listdir(keys)} == {
        "audit.ed25519": 0o600,
        "audit.ed25519.pub": 0o600,
    }


def test_two_who_come_at_once_get_the_same_pair(keys):
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(load_key(keys).public)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 4


def test_a_signature_is_of_one_key_and_one_statement(keys):
    key = load_key(keys)
    message = statement("0123abcd", 7, b"h" * 32)
    signature = key.sign(message)
    assert is_signed_by(key.public, signature, message)
    assert not is_signed_by(key.public, signature, statement("0123abcd", 8, b"h" * 32))
    assert not is_signed_by("00" * 32, signature, message)
    assert not is_signed_by("no key", signature, message)


@settings(max_examples=50, deadline=None)
@given(st.text(), st.integers(0, 1 << 60), st.binary(min_size=32, max_size=32), st.text(), st.integers(0, 1 << 60))
def test_different_facts_make_different_statements(session, records, head, other, more):
    same = (session, records) == (other, more)
    both_are_ids = "\n" not in session + other  # ids are hexadecimal
    if both_are_ids:
        assert (statement(session, records, head) == statement(other, more, head)) == same


@pytest.mark.parametrize("damage", ["readable", "short", "link", "swapped"])
def test_a_damaged_pair_is_refused_and_not_replaced(keys, damage, tmp_path):
    load_key(keys)
    path = f"{keys}/audit.ed25519"
    if damage == "readable":
        os.chmod(path, 0o644)
    elif damage == "short":
        with open(path, "wb") as file:
            file.write(b"x")
    elif damage == "link":
        os.rename(path, tmp_path / "elsewhere")
        os.symlink(tmp_path / "elsewhere", path)
    else:
        with open(path, "wb") as file:
            file.write(b"y" * 32)
    with pytest.raises(AuditError):
        load_key(keys).warm()
    if damage == "short":
        assert os.stat(path).st_size == 1


def test_a_public_key_without_its_secret_half_is_made_anew_only_when_both_are_gone(keys):
    old = load_key(keys).public
    os.unlink(f"{keys}/audit.ed25519")
    assert load_key(keys).public != old  # nothing can be signed by the old one any more


@given(st.text(max_size=80))
def test_a_public_key_is_64_digits_or_the_one_error(text):
    try:
        assert len(parse_public(text)) == 64
    except AuditError as error:
        assert "no public key" in str(error)

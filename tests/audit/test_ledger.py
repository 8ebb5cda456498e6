from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.audit.ledger import NAME, Line, enter, find
from gmcp_sandbox.audit.signing import load_key
from gmcp_sandbox.errors import AuditError


@pytest.fixture
def key(tmp_path):
    (tmp_path / "keys").mkdir(mode=0o700)
    return load_key(str(tmp_path / "keys"))


@pytest.fixture
def state(tmp_path, key):
    for number in range(3):
        enter(str(tmp_path), Line(f"0000000{number}", number, 10 + number, "ab" * 32, prev=""), key)
    return tmp_path


def test_every_entered_session_is_found(state, key):
    assert [find(str(state), f"0000000{number}", key.public).records for number in range(3)] == [10, 11, 12]
    assert find(str(state), "ffffffff", key.public) is None
    assert (state / NAME).stat().st_mode & 0o777 == 0o600


def test_no_ledger_knows_nobody(tmp_path):
    assert find(str(tmp_path), "00000000", "00" * 32) is None


@pytest.mark.parametrize("change", ["edit", "remove", "swap", "signature"])
def test_a_changed_ledger_is_found(state, key, change):
    path = state / NAME
    lines = path.read_bytes().splitlines(keepends=True)
    if change == "edit":
        lines[0] = lines[0].replace(b'"records":10', b'"records":9')
    elif change == "remove":
        del lines[1]
    elif change == "swap":
        lines[0], lines[1] = lines[1], lines[0]
    else:
        at = lines[2].index(b'"signature":"') + 13
        lines[2] = lines[2][:at] + (b"1" if lines[2][at : at + 1] == b"0" else b"0") + lines[2][at + 1 :]
    path.write_bytes(b"".join(lines))
    with pytest.raises(AuditError, match="ledger"):
        find(str(state), "00000002", key.public)


def test_what_a_crash_left_of_a_line_is_overwritten(state, key):
    path = state / NAME
    path.write_bytes(path.read_bytes() + b'{"session":"half')
    enter(str(state), Line("00000009", 9, 9, "cd" * 32, prev=""), key)
    assert find(str(state), "00000009", key.public).records == 9
    assert path.read_bytes().count(b"\n") == 4


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_a_hostile_ledger_is_an_answer_or_the_one_error(tmp_path, data):
    (tmp_path / NAME).write_bytes(data)
    try:
        assert find(str(tmp_path), "00000000", "00" * 32) is None
    except AuditError as error:
        assert str(error)

from __future__ import annotations

import contextlib
import itertools
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.audit.chain import START, linker
from gmcp_sandbox.audit.record import Genesis, event_body, seal_body
from gmcp_sandbox.audit.signing import load_key
from gmcp_sandbox.audit.verify import State, verify
from gmcp_sandbox.audit.writer import CHECKPOINT_EVERY, AuditWriter
from gmcp_sandbox.errors import AuditError

SESSION = "0123abcd"
GENESIS = Genesis(
    session=SESSION,
    agent="coder",
    argv=("true",),
    started_ns=1,
    uid=1000,
    profile="default",
    profile_digest="ab" * 32,
    layers=("schema", "trust", "rate", "prefilter", "constitution"),
    versions={},
    host={},
)
FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def copy(tmp_path):
    """Verify a log of given bytes."""

    def check(data: bytes, name: str = "audit.jsonl"):
        path = tmp_path / name
        path.write_bytes(data)
        return verify(str(path))

    return check


@pytest.fixture
def rotated(rotated_log, tmp_path):
    shutil.copytree(rotated_log, tmp_path / "copy")
    return tmp_path / "copy"


def rechain(bodies):
    """Chain bodies anew, as one who can write the file but has no key could."""
    link, previous, lines = linker(), START, []
    for body in bodies:
        previous, line = link(previous, body)
        lines.append(line)
    return b"".join(lines)


def bodies_of(path):
    return [line[:-75] for line in path.read_bytes().splitlines()]


def test_a_real_log_is_whole(log, rotated_log):
    for directory in (log, rotated_log):
        result = verify(str(directory), session="0123abcd")
        assert result.state is State.WHOLE
        assert (result.session, result.finding) == ("0123abcd", None)
        assert result.records == sum(path.read_bytes().count(b"\n") for path in directory.iterdir())
    assert verify(str(log / "audit.jsonl")).state is State.WHOLE


@FAST
@given(data=st.data())
def test_any_changed_byte_is_found(log, copy, data):
    content = bytearray((log / "audit.jsonl").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    result = copy(bytes(content))
    assert result.state is State.BROKEN
    line = bytes(content[:place]).count(b"\n") + 1
    assert result.finding is not None and result.finding.line == line
    assert result.records == line - 1


def test_every_bit_of_one_line_counts(log, copy):
    content = (log / "audit.jsonl").read_bytes()
    start = content.index(b"\n") + 1
    for place, bit in itertools.product(range(start, content.index(b"\n", start) + 1), range(0, 8, 3)):
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        assert copy(bytes(changed)).state is State.BROKEN


@FAST
@given(data=st.data())
def test_a_removed_line_is_found(log, copy, data):
    lines = (log / "audit.jsonl").read_bytes().splitlines(keepends=True)
    place = data.draw(st.integers(0, len(lines) - 2))
    result = copy(b"".join(lines[:place] + lines[place + 1 :]))
    assert (result.state, result.finding.line) == (State.BROKEN, place + 1)


def test_a_removed_end_is_reported_as_no_seal(log, copy):
    lines = (log / "audit.jsonl").read_bytes().splitlines(keepends=True)
    for kept in range(1, len(lines)):
        result = copy(b"".join(lines[:kept]))
        assert (result.state, result.records, result.finding) == (State.UNSEALED, kept, None)


@FAST
@given(data=st.data())
def test_a_duplicated_line_is_found(log, copy, data):
    lines = (log / "audit.jsonl").read_bytes().splitlines(keepends=True)
    source = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines)))
    result = copy(b"".join([*lines[:place], lines[source], *lines[place:]]))
    assert result.state is State.BROKEN


@FAST
@given(data=st.data())
def test_lines_that_changed_places_are_found(log, copy, data):
    lines = (log / "audit.jsonl").read_bytes().splitlines(keepends=True)
    first = data.draw(st.integers(0, len(lines) - 2))
    second = data.draw(st.integers(first + 1, len(lines) - 1))
    lines[first], lines[second] = lines[second], lines[first]
    result = copy(b"".join(lines))
    assert (result.state, result.finding.line) == (State.BROKEN, first + 1)


@FAST
@given(data=st.data())
def test_a_cut_inside_a_line_is_reported_as_torn(log, copy, data):
    content = (log / "audit.jsonl").read_bytes()
    cut = data.draw(st.integers(0, len(content) - 1))
    result = copy(content[:cut])
    kept = content[:cut].count(b"\n")
    is_torn = content[:cut][-1:] != b"\n"
    assert result.state is (State.TORN if is_torn else State.UNSEALED)
    assert result.records == kept
    assert (result.finding is not None) == is_torn


@pytest.mark.parametrize("tail", [b"x", b"\n", b"{}\n", b"\0" * 10])
def test_nothing_may_follow_the_seal(log, copy, tail):
    assert copy((log / "audit.jsonl").read_bytes() + tail).state is State.BROKEN


def test_what_follows_the_seal_in_the_chain_is_found_too(log, copy):
    bodies = bodies_of(log / "audit.jsonl")
    assert copy(rechain([*bodies, event_body("x", 1, {})])).finding.problem == "a record follows the end of the log"
    assert copy(rechain([*bodies, bodies[1]])).finding.problem == "a record follows the end of the log"


def test_a_seal_that_counts_wrong_is_found(log, copy):
    bodies = bodies_of(log / "audit.jsonl")
    result = copy(rechain([*bodies[:4], *bodies[5:]]))
    assert "the seal counts" in result.finding.problem


@pytest.mark.parametrize(
    "body", [b'{"kind":"other","at":1', b'{"kind":"event","at":1', b"{" + b"[" * 100_000, b"x", b""]
)
def test_chained_nonsense_is_found(log, copy, body):
    bodies = bodies_of(log / "audit.jsonl")
    result = copy(rechain([bodies[0], body]))
    assert (result.state, result.finding.line) == (State.BROKEN, 2)


def test_a_second_genesis_and_a_log_of_another_session_are_found(log, copy):
    bodies = bodies_of(log / "audit.jsonl")
    assert copy(rechain([bodies[0], *bodies])).finding.problem == "a second beginning"
    other = verify(str(log), session="ffffffff")
    assert (other.state, other.finding.line) == (State.BROKEN, 1)
    assert "session '0123abcd', not of 'ffffffff'" in other.finding.problem


def test_the_finding_names_file_line_and_record(log, copy):
    lines = (log / "audit.jsonl").read_bytes().splitlines(keepends=True)
    lines[3] = (
        lines[3].replace(b"module", b"nodule", 1) if b"module" in lines[3] else lines[3].replace(b"4711", b"4712")
    )
    finding = copy(b"".join(lines)).finding
    assert (finding.file, finding.line, finding.seq) == ("audit.jsonl", 4, 3)
    assert str(finding).startswith("audit.jsonl, line 4 (record 3): does not follow")


def test_a_crash_before_the_genesis_is_no_tampering(copy):
    result = copy(b"")
    assert (result.state, result.finding.problem) == (State.TORN, "a crash left the log without a genesis record")


def test_a_log_without_genesis_is_broken(log, copy):
    lines = (log / "audit.jsonl").read_bytes().splitlines(keepends=True)
    assert copy(b"".join(lines[1:])).finding.problem == "there is no genesis record"


def test_a_missing_file_of_several_is_found(rotated):
    files = sorted(path.name for path in rotated.iterdir())
    assert len(files) > 3
    for name in files:
        content = (rotated / name).read_bytes()
        (rotated / name).unlink()
        result = verify(str(rotated))
        assert result.state is State.BROKEN, name
        (rotated / name).write_bytes(content)
    assert verify(str(rotated)).state is State.WHOLE


def test_swapped_files_are_found(rotated):
    os.rename(rotated / "audit.1.jsonl", rotated / "swap")
    os.rename(rotated / "audit.2.jsonl", rotated / "audit.1.jsonl")
    os.rename(rotated / "swap", rotated / "audit.2.jsonl")
    result = verify(str(rotated))
    assert (result.state, result.finding.file) == (State.BROKEN, "audit.1.jsonl")


def test_a_file_cut_at_its_end_is_found_when_another_follows(rotated):
    path = rotated / "audit.jsonl"
    content = path.read_bytes()
    for end in (len(content) - 1, content.rindex(b"\n", 0, -1) + 1):
        path.write_bytes(content[:end])
        assert verify(str(rotated)).state is State.BROKEN


def test_an_added_file_is_found(rotated):
    last = max(int(path.name.split(".")[1]) for path in rotated.iterdir() if path.name != "audit.jsonl")
    shutil.copy(rotated / "audit.1.jsonl", rotated / f"audit.{last + 1}.jsonl")
    result = verify(str(rotated))
    assert (result.state, result.finding.file) == (State.BROKEN, f"audit.{last + 1}.jsonl")


def test_a_later_file_verifies_alone(rotated):
    assert verify(str(rotated / "audit.1.jsonl")).state is State.UNSEALED
    changed = (rotated / "audit.1.jsonl").read_bytes().replace(b"4711", b"4712", 1)
    (rotated / "audit.1.jsonl").write_bytes(changed)
    assert verify(str(rotated / "audit.1.jsonl")).state is State.BROKEN


@pytest.mark.parametrize("head", [b"", b'{"kind":"seg', b'{"kind":"segment","session":"0123'])
def test_a_crash_while_a_new_file_starts_is_no_tampering(rotated, head):
    last = max(int(path.name.split(".")[1]) for path in rotated.iterdir() if path.name != "audit.jsonl")
    (rotated / f"audit.{last}.jsonl").write_bytes(head)
    assert verify(str(rotated)).state is (State.TORN if head else State.UNSEALED)


@FAST
@given(content=st.binary(max_size=300), is_later=st.booleans())
def test_hostile_bytes_are_an_answer(copy, content, is_later):
    assert copy(content, "audit.1.jsonl" if is_later else "audit.jsonl").state is not State.WHOLE


@FAST
@given(bodies=st.lists(st.sampled_from([b"genesis", b"call", b"again", b"segment", b"seal", b"event"]), max_size=4))
def test_chained_records_without_fields_are_an_answer(copy, bodies):
    with contextlib.suppress(AuditError):
        data = rechain([b'{"kind":"%b","prev":"zz"' % kind for kind in bodies])
        assert copy(data).state is not State.WHOLE
        copy(data, "audit.3.jsonl")


def test_a_line_without_end_is_not_held_in_memory(log, copy):
    result = copy((log / "audit.jsonl").read_bytes().splitlines(keepends=True)[0] + b"x" * (3 << 20))
    assert result.finding.problem == "the line is longer than a record can be"


def test_no_log_is_the_one_error(tmp_path):
    with pytest.raises(AuditError):
        verify(str(tmp_path))
    with pytest.raises(AuditError):
        verify(str(tmp_path / "absent"))


# ----------------------------------------------------------------------------------------------------------- signatures


@pytest.fixture
def key(tmp_path):
    (tmp_path / "keys").mkdir(mode=0o700)
    return load_key(str(tmp_path / "keys"))


@pytest.fixture
def signed(tmp_path, key, log_parts):
    """Write a signed log of so many decisions."""

    def write(calls=30, *, budget=1 << 20, is_sealed=True, name="signed"):
        _, decision, denial = log_parts
        directory = tmp_path / name
        directory.mkdir()
        fd = os.open(directory, os.O_RDONLY)
        writer = AuditWriter.create(fd, GENESIS, budget_bytes=budget, clock=lambda: 1, signer=key)
        os.close(fd)
        for seq in range(1, calls + 1):
            writer.append((denial if seq % 7 == 0 else decision)(seq, f"/ws/{seq % 3}"), 1)
        if is_sealed:
            writer.seal({"reason": "exited", "code": 0})
        else:
            writer.checkpoint()
            writer.append(decision(calls + 1, "/ws/last"), 1)
            writer.close()
        return directory

    return write


def test_a_signed_log_is_signed_to_its_end(signed, key):
    for directory in (signed(), signed(120, budget=64 << 10, name="rotated")):
        result = verify(str(directory), session=SESSION, key=key.public)
        assert (result.state, result.finding, result.key, result.is_own_key) == (State.WHOLE, None, key.public, True)
        assert result.signed == result.records - 1  # all but the last checkpoint itself
    assert not verify(str(directory)).is_own_key
    assert verify(str(directory / "audit.1.jsonl"), key=key.public).signed > 0


def test_what_follows_the_last_checkpoint_is_named_unsigned(signed, key):
    result = verify(str(signed(is_sealed=False)), key=key.public)
    assert (result.state, result.records, result.signed) == (State.UNSEALED, 33, 31)


def test_no_more_than_so_many_records_stand_unsigned(signed, key):
    directory = signed(CHECKPOINT_EVERY * 2 + 100, budget=64 << 20, is_sealed=False)
    lines = (directory / "audit.jsonl").read_bytes().splitlines()
    assert sum(b'"kind":"checkpoint"' in line for line in lines) == 3


def forged(directory, change):
    """Change the bodies of a log and chain it anew, as one without the key can."""
    path = directory / "audit.jsonl"
    path.write_bytes(rechain(change(bodies_of(path))))
    return str(directory)


def test_a_log_that_is_chained_anew_without_the_key_is_found(signed, key):
    forge = forged(signed(), lambda bodies: [body.replace(b"/ws/1", b"/ws/2") for body in bodies])
    result = verify(forge, key=key.public)
    assert result.state is State.BROKEN
    assert "chained anew" in result.finding.problem


def test_a_log_without_its_signatures_is_found(signed, key):
    def strip(bodies):
        return [body.replace(key.public.encode(), b"").replace(b'"key":""', b'"key":null') for body in bodies[:-1]]

    result = verify(forged(signed(), strip), key=key.public)
    assert result.state is State.BROKEN and "not signed" in result.finding.problem


def test_a_log_signed_with_another_key_is_found(signed, key, tmp_path):
    directory = signed()
    (tmp_path / "other").mkdir(mode=0o700)
    other = load_key(str(tmp_path / "other")).public
    assert verify(str(directory)).state is State.WHOLE
    result = verify(str(directory), key=other)
    assert result.state is State.BROKEN and "another key" in result.finding.problem


def test_a_forged_end_without_a_signature_is_found(signed, key):
    def cut(bodies):
        return [*bodies[:10], seal_body(1, 10, {}, {"reason": "exited", "code": 0})]

    result = verify(forged(signed(), cut), key=key.public)
    assert result.state is State.BROKEN and "the end of the log is not signed" in result.finding.problem


def test_a_log_whose_checkpoints_were_taken_out_is_found(signed, key):
    def strip(bodies):
        return [body for body in bodies if b'"kind":"checkpoint"' not in body]

    forge = forged(signed(CHECKPOINT_EVERY + 200, budget=64 << 20, is_sealed=False), strip)
    result = verify(forge, key=key.public)
    assert result.state is State.BROKEN and "checkpoints were removed" in result.finding.problem


def test_a_checkpoint_of_another_session_is_found(signed, key):
    directory = signed()
    path = directory / "audit.jsonl"
    path.write_bytes(rechain([body.replace(SESSION.encode(), b"ffffffff") for body in bodies_of(path)]))
    assert verify(str(directory), key=key.public).state is State.BROKEN


@FAST
@given(data=st.data())
def test_a_flipped_byte_of_a_signed_log_is_found(signed_once, data, tmp_path):
    original, key = signed_once
    at = data.draw(st.integers(0, len(original) - 2))
    changed = bytearray(original)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "audit.jsonl").write_bytes(changed)
    assert verify(str(tmp_path), key=key).state is State.BROKEN


@pytest.fixture(scope="module")
def signed_once(tmp_path_factory, log_parts):
    """A short signed log, and the key that it must be signed by."""
    directory = tmp_path_factory.mktemp("signed")
    (directory / "keys").mkdir(mode=0o700)
    key = load_key(str(directory / "keys"))
    fd = os.open(directory, os.O_RDONLY)
    writer = AuditWriter.create(fd, GENESIS, budget_bytes=1 << 20, clock=lambda: 1, signer=key)
    os.close(fd)
    for seq in range(1, 6):
        writer.append(log_parts[1](seq, f"/ws/{seq}"), 1)
    writer.seal({"code": 0})
    return (directory / "audit.jsonl").read_bytes(), key.public

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.audit.entries import CallEntry, GenesisEntry, SealEntry
from gmcp_sandbox.audit.query import Follower, Selection, read
from gmcp_sandbox.errors import AuditError


def calls(entries):
    return [entry for entry in entries if isinstance(entry, CallEntry)]


def test_repeats_come_in_full_over_all_files(rotated_log):
    found = list(read(str(rotated_log)))
    assert isinstance(found[0], GenesisEntry)
    assert isinstance(found[-1], SealEntry)
    assert [entry.seq for entry in calls(found)] == list(range(1, 121))
    assert all(entry.object == f"/ws/module/{entry.seq if entry.seq % 3 else 1}.py" for entry in calls(found))
    assert all((entry.outcome == "deny") == (entry.seq % 7 == 0) for entry in calls(found))


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(denied=True), 2),
        (Selection(tool="fs.*"), 20),
        (Selection(tool="net.*"), 0),
        (Selection(path="*/2.py"), 1),
        (Selection(denied=True, path="*/module/*"), 2),
    ],
)
def test_selections_choose_decisions(log, selection, count):
    found = list(read(str(log), selection))
    assert len(found) == len(calls(found)) == count


def test_one_file_can_be_read_and_a_torn_line_is_left_out(log, tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_bytes((log / "audit.jsonl").read_bytes()[:-10])
    assert len(calls(read(str(path)))) == 20


def test_bad_lines_are_named(log, tmp_path):
    path = tmp_path / "audit.jsonl"
    lines = (log / "audit.jsonl").read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"nonsense\n"]))
    with pytest.raises(AuditError, match="line 3: a line of the log is no record"):
        list(read(str(path)))
    again = next(line for line in lines if b'"again"' in line)
    path.write_bytes(lines[0] + again)
    with pytest.raises(AuditError, match="line 2: record 3 refers to record 1, which is not there"):
        list(read(str(path)))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_hostile_files_are_entries_or_the_one_error(tmp_path, content):
    (tmp_path / "audit.jsonl").write_bytes(content)
    with contextlib.suppress(AuditError):
        list(read(str(tmp_path)))


def test_a_line_without_end_is_the_one_error(tmp_path):
    (tmp_path / "audit.jsonl").write_bytes(b"x" * (3 << 20))
    with pytest.raises(AuditError, match="longer"):
        list(read(str(tmp_path)))


def test_a_follower_sees_what_is_new_from_file_to_file_until_the_seal(writer, decision, tmp_path):
    log = writer(64 << 10)
    log.append(decision(1), 0)
    late = Follower(str(tmp_path / "log"), from_start=False)
    whole = Follower(str(tmp_path / "log"), from_start=True)
    assert late.poll() == []
    seen = calls(whole.poll())
    fresh = []
    for seq in range(2, 151):
        log.append(decision(seq, f"/ws/{seq % 40}"), 0)
        fresh += calls(late.poll())
    log.seal({})
    fresh += calls(late.poll())
    seen += calls(whole.poll())
    assert [entry.seq for entry in fresh] == list(range(2, 151))
    assert [entry.seq for entry in seen] == list(range(1, 151))
    assert late.is_sealed and whole.is_sealed
    late.close()
    whole.close()


def test_a_follower_waits_for_the_rest_of_a_line(log, tmp_path):
    content = (log / "audit.jsonl").read_bytes()
    path = tmp_path / "audit.jsonl"
    path.touch()
    follower = Follower(str(tmp_path), from_start=True)
    seen = []
    with open(path, "ab", buffering=0) as file:
        for start in range(0, len(content), 100):
            file.write(content[start : start + 100])
            seen += follower.poll()
    assert seen == list(read(str(log)))
    follower.close()


def test_a_follower_needs_a_log(tmp_path):
    with pytest.raises(AuditError):
        Follower(str(tmp_path), from_start=True)

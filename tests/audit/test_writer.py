from __future__ import annotations

import os
import resource
import stat
import threading
from contextlib import contextmanager

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmcp_sandbox.audit import repeats
from gmcp_sandbox.audit.entries import AgainEntry, CallEntry, EventEntry, SealEntry, decode
from gmcp_sandbox.audit.query import read
from gmcp_sandbox.audit.record import Genesis
from gmcp_sandbox.audit.segments import list_segments
from gmcp_sandbox.audit.verify import State, verify
from gmcp_sandbox.audit.writer import REPEATABLE, AuditWriter
from gmcp_sandbox.calls.arguments import FsRead, FsRename, FsStat
from gmcp_sandbox.calls.labels import SECRET
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.policy.auditing import compile_redaction
from tests.audit.conftest import make_decision, open_writer


def entries(directory):
    return [decode(line) for line in (directory / "audit.jsonl").read_bytes().splitlines()]


@contextmanager
def file_size_limit(size):
    """Make writes beyond a size fail: first in part, then whole (setrlimit(2), RLIMIT_FSIZE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_log_is_the_owners_alone_and_never_reused(writer, tmp_path):
    log = writer()
    facts = os.stat(tmp_path / "log" / "audit.jsonl")
    assert stat.S_IMODE(facts.st_mode) == 0o600
    log.close()
    with pytest.raises(AuditError, match=r"cannot create the audit log audit\.jsonl"):
        writer()


def test_a_link_in_the_place_of_the_log_is_not_followed(writer, tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "audit.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditError):
        writer()
    assert not (tmp_path / "elsewhere").exists()


def test_a_record_is_in_the_file_when_append_returns(writer, decision, tmp_path):
    log = writer()
    log.append(decision(1), 1_000)
    assert entries(tmp_path / "log")[-1].seq == 1
    assert log.dirty
    log.sync()
    assert not log.dirty
    log.close()


def test_equal_decisions_refer_to_the_first(writer, decision, denial, tmp_path):
    log = writer()
    for made in (decision(1), decision(2, pid=5, extent=(0, 9)), denial(3), denial(4), decision(5)):
        log.append(made, 1_000)
    assert (log.allowed, log.denied) == (3, 2)
    log.close()
    found = entries(tmp_path / "log")[1:]
    assert [(type(one), getattr(one, "ref", None)) for one in found] == [
        (CallEntry, None),
        (AgainEntry, 1),
        (CallEntry, None),
        (AgainEntry, 3),
        (AgainEntry, 1),
    ]
    assert (found[1].pid, found[1].extent) == (5, (0, 9))


@pytest.mark.parametrize(
    "difference",
    [
        {"path": "/ws/b.py"},
        {"args": FsRead("read")},
        {"args": FsStat("getattr"), "tool": Tool.FS_STAT},
        {"label": SECRET},
        {"epoch": 2},
        {"verdicts": (Verdict(Layer.RATE, Outcome.DENY, "rate.spent"),)},
    ],
)
def test_a_decision_that_differs_is_written_in_full(writer, decision, tmp_path, difference):
    log = writer()
    log.append(decision(1), 0)
    log.append(decision(2, **difference), 0)
    log.close()
    assert [type(one) for one in entries(tmp_path / "log")[1:]] == [CallEntry, CallEntry]


def test_denials_for_different_reasons_are_told_apart(writer, decision, tmp_path):
    log = writer()
    for seq, detail in enumerate(("core.fsmonitor", "core.sshCommand", "core.fsmonitor"), 1):
        log.append(decision(seq, verdicts=(Verdict(Layer.PREFILTER, Outcome.DENY, "prefilter.x", detail),)), 0)
    log.close()
    assert [type(one) for one in entries(tmp_path / "log")[1:]] == [CallEntry, CallEntry, AgainEntry]


def test_long_records_are_never_referred_to(writer, decision, tmp_path):
    log = writer()
    for seq in (1, 2):
        log.append(decision(seq, "/" + "x" * REPEATABLE), 0)
    log.close()
    assert [type(one) for one in entries(tmp_path / "log")[1:]] == [CallEntry, CallEntry]


def test_the_seal_counts_and_closes(writer, decision, denial, tmp_path):
    log = writer()
    log.append(decision(1), 0)
    log.append(denial(2), 0)
    log.event("reload", digest="ab")
    log.seal({"reason": "exited", "code": 3})
    event, seal = entries(tmp_path / "log")[-2:]
    assert isinstance(event, EventEntry) and event.data == {"digest": "ab"}
    assert isinstance(seal, SealEntry)
    assert (seal.records, seal.allowed, seal.denied, seal.outcome) == (4, 1, 1, {"reason": "exited", "code": 3})
    for late in (lambda: log.append(decision(3), 0), lambda: log.event("x"), lambda: log.seal({})):
        with pytest.raises(AuditError):
            late()
    log.close()


@pytest.mark.parametrize("room", [0, 1, 40, 200])
def test_a_full_disk_takes_the_torn_line_back_and_ends_the_log(writer, decision, tmp_path, room):
    log = writer()
    log.append(decision(1), 0)
    size = (tmp_path / "log" / "audit.jsonl").stat().st_size
    with file_size_limit(size + room):
        with pytest.raises(AuditError, match="cannot write"):
            log.append(decision(2, "/ws/other.py"), 0)
    assert (log.allowed, log.denied) == (1, 0)
    for late in (lambda: log.append(decision(3), 0), lambda: log.event("x"), lambda: log.seal({})):
        with pytest.raises(AuditError, match="takes no more records"):
            late()
    result = verify(str(tmp_path / "log"))
    assert (result.state, result.records) == (State.UNSEALED, 2)


def test_a_log_that_cannot_hold_its_genesis_is_refused(writer):
    with pytest.raises(AuditError, match="too small"):
        writer(1000)


def test_a_full_budget_is_an_event_and_leaves_room_for_the_seal(writer, decision, tmp_path):
    log, budget = writer(64 << 10), 64 << 10
    with pytest.raises(AuditError, match="the audit log is full"):
        for seq in range(1, 10_000):
            log.append(decision(seq, f"/ws/{seq}"), 0)
    written = log.allowed
    for late in (lambda: log.append(decision(10_001), 0), lambda: log.event("x")):
        with pytest.raises(AuditError, match="is full"):
            late()
    log.seal({"reason": "failed", "error": "x" * 100_000})
    found = list(read(str(tmp_path / "log")))
    assert [one.name for one in found if isinstance(one, EventEntry)][-1] == "budget"
    assert sum(isinstance(one, CallEntry) for one in found) == written
    assert verify(str(tmp_path / "log")).state is State.WHOLE
    assert sum(path.stat().st_size for path in (tmp_path / "log").iterdir()) <= budget


def test_later_files_link_to_earlier_ones_and_refer_only_to_themselves(writer, decision, tmp_path):
    log = writer(64 << 10)
    for seq in range(1, 201):
        log.append(decision(seq, f"/ws/{seq % 10}"), 0)
    log.sync()
    log.seal({})
    assert len(list_segments(str(tmp_path / "log"))) > 2
    assert verify(str(tmp_path / "log")).state is State.WHOLE
    found = [one for one in read(str(tmp_path / "log")) if isinstance(one, CallEntry)]
    assert [one.seq for one in found] == list(range(1, 201))
    assert all(one.object == f"/ws/{one.seq % 10}" for one in found)
    for path in (tmp_path / "log").iterdir():
        assert path.stat().st_size <= 8 << 10


def test_a_record_longer_than_a_file_still_fits_and_starts_no_files_without_end(writer, decision, tmp_path):
    log = writer(128 << 10)
    for seq in range(1, 5):
        log.append(decision(seq, "/" + "\x01" * 4000), 0)
    log.seal({})
    assert len(list_segments(str(tmp_path / "log"))) <= 4
    assert verify(str(tmp_path / "log")).state is State.WHOLE


def test_a_next_file_that_cannot_be_made_ends_the_log(writer, decision, tmp_path):
    log = writer(64 << 10)
    (tmp_path / "log" / "audit.1.jsonl").mkdir()
    with pytest.raises(AuditError, match=r"cannot create the audit log audit\.1\.jsonl"):
        for seq in range(1, 1000):
            log.append(decision(seq, f"/ws/{seq}"), 0)
    with pytest.raises(AuditError):
        log.append(decision(1000), 0)
    log.close()
    (tmp_path / "log" / "audit.1.jsonl").rmdir()
    assert verify(str(tmp_path / "log")).state is State.UNSEALED


@pytest.mark.parametrize("what", ["removed", "renamed", "replaced", "cut"])
def test_a_log_that_is_taken_away_ends_the_session(writer, decision, tmp_path, what):
    log = writer()
    log.append(decision(1), 0)
    log.sync()
    path = tmp_path / "log" / "audit.jsonl"
    if what == "cut":
        os.truncate(path, 10)
    elif what == "removed":
        path.unlink()
    else:
        path.rename(tmp_path / "log" / "audit.jsonl.1")
    if what == "replaced":
        path.write_bytes((tmp_path / "log" / "audit.jsonl.1").read_bytes())
    log.append(decision(2), 0)
    with pytest.raises(AuditError, match="was taken away"):
        log.sync()
    with pytest.raises(AuditError, match="takes no more records"):
        log.append(decision(3), 0)
    log.close()


def test_records_stay_in_order_when_the_clock_jumps(writer, decision, tmp_path):
    log = writer()
    for seq, at in ((1, 5_000), (2, 1), (3, 2**62), (4, 7)):
        made = decision(seq, f"/ws/{seq}")
        log.append(msgspec.structs.replace(made, call=msgspec.structs.replace(made.call, at_ns=at)), 0)
    log.seal({})
    assert verify(str(tmp_path / "log")).state is State.WHOLE
    calls = [entry for entry in entries(tmp_path / "log") if isinstance(entry, CallEntry)]
    assert [(entry.seq, entry.at) for entry in calls] == [(1, 5_000), (2, 1), (3, 2**62), (4, 7)]


def test_another_thread_may_sync_while_files_change(writer, decision, tmp_path):
    log = writer(64 << 10)
    is_over = threading.Event()

    def keep_syncing():
        while not is_over.is_set():
            log.sync()

    thread = threading.Thread(target=keep_syncing)
    thread.start()
    for seq in range(1, 101):
        log.append(decision(seq, f"/ws/{seq}"), 0)
    is_over.set()
    thread.join()
    log.seal({})
    assert verify(str(tmp_path / "log")).state is State.WHOLE


def test_no_descriptor_is_left_open(writer, decision):
    before = len(os.listdir("/proc/self/fd"))
    log = writer(64 << 10)
    for seq in range(1, 101):
        log.append(decision(seq, f"/ws/{seq}"), 0)
    log.seal({})
    assert len(os.listdir("/proc/self/fd")) == before


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, 2000)), max_size=150),
    budget=st.integers(64 << 10, 96 << 10),
)
def test_whatever_is_written_verifies_and_stays_within_the_budget(tmp_path_factory, log_parts, steps, budget):
    open_writer, make, deny = log_parts
    directory = tmp_path_factory.mktemp("any") / "log"
    log: AuditWriter = open_writer(directory, budget)
    written = 0
    try:
        for seq, (name, is_denied, length) in enumerate(steps, 1):
            log.append((deny if is_denied else make)(seq, f"/ws/{name}/" + "y" * length), 0)
            written = seq
    except AuditError:
        pass
    log.seal({"reason": "exited"})
    result = verify(str(directory))
    assert result.state is State.WHOLE, result.finding
    assert sum(path.stat().st_size for path in directory.iterdir()) <= budget
    assert [one.seq for one in read(str(directory)) if isinstance(one, CallEntry)] == list(range(1, written + 1))


def test_words_that_the_profile_names_never_stand_in_a_record(tmp_path, decision):
    genesis = Genesis(
        session="0123abcd",
        agent="coder",
        argv=(),
        started_ns=1,
        uid=1000,
        profile="p",
        profile_digest="00",
        layers=("schema",),
        versions={},
        host={},
    )
    fd = os.open(tmp_path, os.O_RDONLY)
    writer = AuditWriter.create(
        fd, genesis, budget_bytes=1 << 20, clock=lambda: 1, redact=compile_redaction(["ACME-[0-9]+"])
    )
    os.close(fd)
    writer.append(decision(1, "/ws/ACME-77/x", args=FsRename("/ws/ACME-78/y"), tool=Tool.FS_RENAME), 1)
    writer.append(decision(2, "/ws/ACME-77/x", args=FsRename("/ws/ACME-78/y"), tool=Tool.FS_RENAME), 1)
    writer.close()
    log = (tmp_path / "audit.jsonl").read_text()
    assert "ACME" not in log
    assert log.count("[redacted]/x") == log.count("[redacted]/y") == 1
    assert '"kind":"again"' in log


def test_what_repeats_refer_to_takes_no_more_memory_than_it_may(tmp_path, monkeypatch):
    monkeypatch.setattr(repeats, "REPEATS_ROOM", 20_000)
    log = open_writer(tmp_path / "log", 8 << 20)
    for seq in range(1, 201):
        log.append(make_decision(seq, f"/ws/{seq // 2}-" + "x" * 2000), 1)
        assert 1 <= len(log._repeats) <= 9
    log.close()
    assert sum(isinstance(one, AgainEntry) for one in entries(tmp_path / "log")) >= 80
    assert verify(str(tmp_path / "log")).state is State.UNSEALED

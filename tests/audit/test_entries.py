from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.audit.entries import AgainEntry, CallEntry, SealEntry, decode, resolve
from gmcp_sandbox.errors import AuditError

KINDS = st.sampled_from(["genesis", "call", "again", "event", "segment", "seal", "x"])
FIELDS = st.sampled_from(["seq", "at", "pid", "ref", "us", "tool", "object", "args", "label", "outcome", "verdicts"])
VALUES = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2) | st.just({})


@given(st.binary(max_size=100))
def test_hostile_bytes_are_an_entry_or_the_one_error(line):
    with contextlib.suppress(AuditError):
        decode(line)


@given(KINDS, st.dictionaries(FIELDS, VALUES))
def test_hostile_records_are_an_entry_or_the_one_error(kind, fields):
    with contextlib.suppress(AuditError):
        decode(json.dumps({"kind": kind, **fields}).encode())


@pytest.mark.parametrize("line", [b"[" * 200_000, b'{"kind":' * 100_000, b'"\\udc80"', b"\xff", b"1e999", b"null", b""])
def test_nesting_and_bad_text_are_the_one_error(line):
    with pytest.raises(AuditError):
        decode(line)


def test_real_lines_are_read_back(log):
    entries = [decode(line) for line in (log / "audit.jsonl").read_bytes().splitlines()]
    assert {type(entry).__name__ for entry in entries} == {"GenesisEntry", "CallEntry", "AgainEntry", "SealEntry"}
    seal = entries[-1]
    assert isinstance(seal, SealEntry)
    assert (seal.records, seal.allowed, seal.denied) == (len(entries) - 1, 18, 2)
    assert seal.tools == {"fs.read": (18, 2)}


def test_a_repeat_takes_its_own_time_process_and_extent(log):
    entries = [decode(line) for line in (log / "audit.jsonl").read_bytes().splitlines()]
    again = next(entry for entry in entries if isinstance(entry, AgainEntry))
    first = next(entry for entry in entries if isinstance(entry, CallEntry) and entry.seq == again.ref)
    full = resolve(again, first)
    assert (full.seq, full.at, full.ref, full.object) == (again.seq, again.at, first.seq, first.object)

from __future__ import annotations

import fnmatch
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.audit.entries import CallEntry
from gmcp_sandbox.audit.index import NAME, Condition, Index
from gmcp_sandbox.audit.query import read
from gmcp_sandbox.audit.recall import Recall

SESSION = "0123abcd"
FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def sessions(rotated_log, tmp_path):
    """A directory of sessions with one log of several files in it."""
    shutil.copytree(rotated_log, tmp_path / "sessions" / SESSION)
    return tmp_path / "sessions"


@pytest.fixture
def index(tmp_path):
    with Index(str(tmp_path / NAME)) as made:
        yield made


def decisions(directory):
    return [entry for entry in read(str(directory)) if isinstance(entry, CallEntry)]


def seqs(index, sessions, condition, newest=None):
    with Recall(str(sessions)) as recall:
        return [recall.decision(place).seq for place in index.find(condition, newest=newest)]


def test_every_record_is_found_as_it_stands_in_the_log(index, sessions):
    log = sessions / SESSION
    expected = decisions(log)
    assert index.take_in(SESSION, str(log)) == len(expected) == index.count(Condition())
    with Recall(str(sessions)) as recall:
        assert [recall.decision(place) for place in index.find(Condition())] == expected
    assert seqs(index, sessions, Condition(), newest=3) == [entry.seq for entry in expected[-3:]]


def test_a_log_that_grows_is_taken_in_once(index, log_parts, tmp_path):
    open_writer, decision, denial = log_parts
    directory = tmp_path / "sessions" / SESSION
    directory.parent.mkdir()
    writer = open_writer(directory)
    taken = 0
    for seq in range(1, 30):
        writer.append((denial if seq % 5 == 0 else decision)(seq, f"/ws/{seq % 4}"), 1)
        if seq % 7 == 0:
            taken += index.take_in(SESSION, str(directory))
    writer.close()
    taken += index.take_in(SESSION, str(directory))
    assert taken == index.count(Condition()) == 29
    assert index.take_in(SESSION, str(directory)) == 0
    assert index.count(Condition(outcome="deny")) == 5


@FAST
@given(st.text(alphabet="/wsmodule.py*?[!]13", max_size=12))
def test_a_path_glob_means_what_it_means_elsewhere(index, sessions, pattern):
    index.take_in(SESSION, str(sessions / SESSION))
    try:
        expected = [entry.seq for entry in decisions(sessions / SESSION) if fnmatch.fnmatchcase(entry.object, pattern)]
    except Exception:  # noqa: BLE001 - a pattern that the other engine refuses says nothing
        return
    if "[" not in pattern:
        assert seqs(index, sessions, Condition(path=pattern)) == expected


def test_conditions_choose(index, sessions):
    index.take_in(SESSION, str(sessions / SESSION))
    entries = decisions(sessions / SESSION)
    middle = entries[len(entries) // 2].at
    assert index.count(Condition(since_ns=middle)) + index.count(Condition(until_ns=middle)) == len(entries)
    denied = [entry.seq for entry in entries if entry.outcome == "deny"]
    assert seqs(index, sessions, Condition(outcome="deny")) == denied == seqs(index, sessions, Condition(layer="trust"))
    assert index.count(Condition(reason="trust.no_capability", tool="fs.*", label="secret", agent="cod*")) == len(
        denied
    )
    assert index.count(Condition(host="*")) == index.count(Condition(session="ffffffff")) == 0


def test_a_damaged_index_is_made_anew(sessions, tmp_path):
    (tmp_path / NAME).write_bytes(b"no database at all" * 100)
    with Index(str(tmp_path / NAME)) as index:
        assert index.take_in(SESSION, str(sessions / SESSION)) > 0
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_log_that_was_swapped_is_read_anew(index, sessions, log_parts, tmp_path):
    index.take_in(SESSION, str(sessions / SESSION))
    shutil.rmtree(sessions / SESSION)
    open_writer, decision, _ = log_parts
    writer = open_writer(sessions / SESSION)
    writer.append(decision(1, "/ws/other"), 1)
    writer.close()
    index.take_in(SESSION, str(sessions / SESSION))
    assert seqs(index, sessions, Condition(path="/ws/other")) == [1]


def test_sessions_whose_logs_are_gone_are_forgotten(index, sessions):
    index.take_in(SESSION, str(sessions / SESSION))
    index.forget(frozenset({SESSION}))
    assert index.count(Condition()) > 0
    index.forget(frozenset())
    assert index.count(Condition()) == 0


def test_names_that_are_no_text_are_found(index, log_parts, tmp_path):
    open_writer, decision, _ = log_parts
    directory = tmp_path / "sessions" / SESSION
    directory.parent.mkdir()
    writer = open_writer(directory)
    writer.append(decision(1, os.fsdecode(b"/ws/\xff'\"; DROP TABLE calls; --")), 1)
    writer.close()
    index.take_in(SESSION, str(directory))
    assert seqs(index, directory.parent, Condition(path="/ws/*DROP TABLE*")) == [1]


def test_an_ask_that_was_approved_is_found_by_its_reason(index, tmp_path):
    """It is an allowed call: the record has no deciding layer."""
    log = tmp_path / SESSION
    log.mkdir()
    asked = '["constitution","allow","constitution.ask_approved","constitution.keep-files: approve"]'
    head = '{"kind":"call","seq":%d,"at":%d,"pid":9,"tool":"fs.delete","object":"/ws/a","args":{},"label":"workspace",'
    tail = '"outcome":"allow","verdicts":["schema","trust",%s],"us":3,"epoch":1,"hash":"00"}'
    lines = [head % (1, 1) + tail % asked, head % (2, 2) + tail % '["probe","allow","probe.ok","model",-3.5]']
    (log / "audit.jsonl").write_text("\n".join(lines) + "\n")
    index.take_in(SESSION, str(log))
    assert index.count(Condition(reason="constitution.*")) == 1
    assert index.count(Condition(layer="constitution", outcome="allow")) == 1
    assert index.count(Condition(reason="*")) == 1

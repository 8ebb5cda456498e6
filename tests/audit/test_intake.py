from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.audit.index import Condition, Index
from gmcp_sandbox.errors import AuditError

STARTS = [b'{"kind":"call"', b'{"kind":"again","seq":1,"at":1,"pid":1,"ref":9,']


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60) | st.sampled_from(STARTS)))
def test_hostile_lines_are_taken_in_or_the_one_error(tmp_path, parts):
    (tmp_path / "audit.jsonl").write_bytes(b"\n".join(parts))
    with Index(str(tmp_path / "index")) as index, contextlib.suppress(AuditError):
        index.take_in("0123abcd", str(tmp_path))


def test_a_file_with_a_bad_line_leaves_nothing_in_the_index(tmp_path, log_writer):
    directory = log_writer(tmp_path / "log", is_sealed=False)
    path = directory / "audit.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind":"again","seq":99,"at":1,"pid":1,"ref":98,"us":1,"hash":"00"}\n')
    with Index(str(tmp_path / "index")) as index:
        with pytest.raises(AuditError, match="refers to record 98"):
            index.take_in("0123abcd", str(directory))
        assert index.count(Condition()) == 0


@pytest.mark.parametrize(
    "forged", [(b'"pid":', b'"pid":' + b"9" * 19), (b'"label":"', b'"label":"\\ud800'), (b'{"kind"', b'{ "kind"')]
)
def test_a_forged_record_leaves_its_log_out_and_stops_no_query(tmp_path, log_writer, forged):
    """A number or a word that no column holds ends nothing; a record in another spelling does not escape."""
    directory = log_writer(tmp_path / "log", is_sealed=False)
    path = directory / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    number = next(index for index, line in enumerate(lines) if line.startswith(b'{"kind":"call"'))
    lines[number] = lines[number].replace(*forged, 1)
    path.write_bytes(b"".join(lines))
    with Index(str(tmp_path / "index")) as index:
        with pytest.raises(AuditError, match="no record"):
            index.take_in("0123abcd", str(directory))
        assert index.count(Condition()) == 0

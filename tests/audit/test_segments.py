from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.audit.segments import list_segments, open_segment, segment_index, segment_name
from gmcp_sandbox.errors import AuditError


@given(st.integers(0, 999_999_999))
def test_names_and_numbers_belong_together(index):
    assert segment_index(segment_name(index)) == index


@pytest.mark.parametrize("name", ["audit.0.jsonl", "audit.01.jsonl", "audit.-1.jsonl", "audit.jsonl.1", "xaudit.jsonl"])
def test_other_names_are_no_segments(name):
    assert segment_index(name) is None


def test_segments_come_in_numeric_order(tmp_path):
    for index in (10, 2, 0, 1):
        (tmp_path / segment_name(index)).touch()
    (tmp_path / "meta.json").touch()
    assert list_segments(str(tmp_path)) == [0, 1, 2, 10]


def test_links_fifos_and_directories_are_refused(tmp_path):
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dir").mkdir()
    for name in ("link", "fifo", "dir", "absent", "nul\0"):
        with pytest.raises(AuditError):
            open_segment(str(tmp_path / name))
    open_segment(str(tmp_path / "real")).close()


def test_a_missing_directory_is_said(tmp_path):
    with pytest.raises(AuditError, match="absent"):
        list_segments(str(tmp_path / "absent"))

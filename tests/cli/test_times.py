from __future__ import annotations

import argparse
import datetime
import time

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.cli.times import count, moment, size


def test_times_ago_and_dates():
    assert abs(moment("2h") - (time.time_ns() - 7200 * 10**9)) < 60 * 10**9
    assert moment("2026-01-31") == int(datetime.datetime(2026, 1, 31).timestamp()) * 10**9
    assert (
        moment("2026-01-31T12:00+00:00")
        == int(datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC).timestamp()) * 10**9
    )


def test_sizes_and_counts():
    assert (size("4GiB"), size("512 MiB"), size("7"), count("3")) == (4 << 30, 512 << 20, 7, 3)


@given(st.text(max_size=20))
def test_any_text_is_a_value_or_the_one_error(text):
    for parse in (moment, size, count):
        try:
            assert parse(text) >= 0 or parse is moment
        except argparse.ArgumentTypeError as error:
            assert str(error)

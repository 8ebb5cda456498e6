"""Every test here waits for other processes: none may wait for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deadline import within


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    with within(30):
        yield

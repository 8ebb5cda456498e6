"""What a session may leave on the host's disks."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.fs.budget import Budget
from tests.fs.conftest import Begin


@pytest.fixture
def said():
    return []


@pytest.fixture
def record(said):
    return lambda name, **fields: said.append((name, fields))


async def test_bytes_beyond_the_budget_find_a_full_disk(begin: Begin, record, said, ws):
    agent = begin(budget=Budget(written_bytes=10, record=record))
    await agent.create("/ws/f", b"12345678")
    for data in (b"123", b"1234"):
        with pytest.raises(OSError, match=r"No space") as caught:
            await agent.write("/ws/f", data)
        assert caught.value.errno == errno.ENOSPC
    await agent.write("/ws/f", b"ab")
    assert (ws / "f").read_bytes() == b"ab345678"
    assert [(name, fields["limit"], fields["path"]) for name, fields in said] == [("limit", "written_bytes", "/ws/f")]


async def test_objects_beyond_the_budget_find_a_full_disk(begin: Begin, record, said, ws):
    agent = begin(budget=Budget(new_files=3, record=record))
    await agent.create("/ws/f")
    await agent.mkdir("/ws/d")
    await agent.symlink(b"f", "/ws/l")
    for make in (lambda: agent.create("/ws/g"), lambda: agent.mkdir("/ws/e"), lambda: agent.symlink(b"f", "/ws/m")):
        with pytest.raises(OSError, match=r"No space"):
            await make()
    assert sorted(path.name for path in ws.iterdir() if path.name in "fdlgem") == ["d", "f", "l"]
    assert [fields["limit"] for _, fields in said] == ["new_files"]


async def test_scratch_is_bounded_by_its_own_size(begin: Begin):
    agent = begin(mounts=[{"path": "/ws", "mode": "scratch"}], budget=Budget(written_bytes=0, new_files=0))
    await agent.create("/ws/f", b"much")


@given(st.integers(0, 100), st.lists(st.integers(0, 40), max_size=10))
def test_never_more_than_the_budget(room, writes):
    class Kept:
        is_kept = True

    class Spot:
        place, path = Kept(), "/f"

    budget, taken = Budget(written_bytes=room), 0
    for count in writes:
        try:
            budget.write(Spot(), count)  # type: ignore[arg-type]
        except OSError:
            assert taken + count > room
        else:
            taken += count
    assert taken <= room

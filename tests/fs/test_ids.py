from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.fs.ids import NOBODY, IdView

ids = st.integers(min_value=0, max_value=2**32 - 1)


@given(ids, ids, st.booleans())
def test_an_ordinary_user_sees_itself_and_nobody(own: int, other: int, writable: bool) -> None:
    view = IdView.for_user(own, own, [7])
    assert view.uid(own, writable=writable) == 0
    assert view.gid(7, writable=writable) == 0
    assert view.uid(other, writable=writable) == (0 if other == own else NOBODY)


@given(ids)
def test_root_sees_ids_that_exist_inside(host_id: int) -> None:
    view = IdView.for_root()
    assert view.uid(host_id, writable=False) == (host_id if host_id < 65536 else NOBODY)
    assert view.gid(host_id, writable=True) == 0


def test_only_a_change_of_owner_that_changes_nothing_is_accepted() -> None:
    view = IdView.for_user(1000, 1000, [])
    view.check_chown(0, None)
    view.check_chown(None, 0)
    for uid, gid in ((1, None), (None, 1), (1000, 0)):
        with pytest.raises(PermissionError):
            view.check_chown(uid, gid)

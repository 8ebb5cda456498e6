from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.fs.ids import NOBODY, IdView

ids = st.integers(min_value=0, max_value=2**32 - 1)


@given(ids)
def test_an_ordinary_user_sees_everything_as_its_own(host_id: int) -> None:
    assert IdView.for_user().shown(host_id) == 0


@given(ids)
def test_root_sees_ids_that_exist_inside(host_id: int) -> None:
    assert IdView.for_root().shown(host_id) == (host_id if host_id < 65536 else NOBODY)


def test_an_ordinary_user_may_change_owners_only_to_itself() -> None:
    view = IdView.for_user()
    assert view.meant(0, None) is None
    assert view.meant(None, 0) is None
    for uid, gid in ((1, None), (None, 1), (1000, 0)):
        with pytest.raises(PermissionError):
            view.meant(uid, gid)


def test_root_names_owners_of_the_host() -> None:
    assert IdView.for_root().meant(1000, None) == (1000, -1)
    assert IdView.for_root().meant(None, 7) == (-1, 7)

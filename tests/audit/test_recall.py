from __future__ import annotations

import pytest

from gmcp_sandbox.audit.index import Place
from gmcp_sandbox.audit.recall import Recall
from gmcp_sandbox.errors import AuditError


def test_a_place_that_holds_no_decision_is_said(log, tmp_path):
    (tmp_path / "0123abcd").symlink_to(log)
    with Recall(str(tmp_path)) as recall:
        with pytest.raises(AuditError, match="no decision where the index says"):
            recall.decision(Place("0123abcd", 0, 0, 0))
        with pytest.raises(AuditError, match="no record"):
            recall.decision(Place("0123abcd", 0, 5, 5))
        with pytest.raises(AuditError, match="cannot open"):
            recall.decision(Place("ffffffff", 0, 0, 0))

from __future__ import annotations

import errno

from gmcp_sandbox.net.types import DialError


def test_a_failed_dial_says_what_the_agent_sees_and_what_the_record_says():
    error = DialError(errno.ECONNREFUSED, "refused")
    assert (error.errno, error.reason) == (errno.ECONNREFUSED, "refused")

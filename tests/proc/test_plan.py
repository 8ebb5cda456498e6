import errno

import pytest

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.proc.plan import Stage, execute


class Note:
    def __init__(self, log, word, failure=0):
        self._log, self._word, self._failure = log, word, failure

    def apply(self, stage):
        if self._failure:
            raise OSError(self._failure, "no")
        self._log.append(self._word)

    def describe(self):
        return self._word


def test_steps_run_in_order_and_stop_at_the_first_that_fails():
    log = []
    steps = [Note(log, "make a"), Note(log, "make b", errno.EPERM), Note(log, "make c")]
    with pytest.raises(HostError, match="cannot make b") as caught:
        execute(steps, Stage(b"/"))
    assert log == ["make a"]
    assert caught.value.hint == "gmcp-sandbox doctor"

import os

import pytest

from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.stdio import Stdio


def _in_child(action):
    """Run in a child, so that 0, 1 and 2 of this process stay; return what it wrote to the pipe."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, repr(action()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    text = os.read(reader, 4096).decode()
    os.close(reader)
    return text


def test_pipes_stand_where_the_caller_has_no_terminal():
    def action():
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        made = Stdio.like_ours(Identity.of_caller())
        return made.has_terminal, None in made.front_side

    assert _in_child(action) == "(False, False)"


def test_a_terminal_stands_where_the_caller_has_one():
    def action():
        _master, terminal = os.openpty()
        null = os.open("/dev/null", os.O_RDWR)
        for number, fd in ((0, terminal), (1, null), (2, terminal)):
            os.dup2(fd, number)
        made = Stdio.like_ours(Identity.of_caller())
        return [fd is None for fd in made.agent_side]

    assert _in_child(action) == "[True, False, True]"


def test_a_closed_descriptor_gets_a_pipe():
    def action():
        os.close(0)
        made = Stdio.like_ours(Identity.of_caller())
        return made.agent_side[0] is not None

    assert _in_child(action) == "True"


@pytest.mark.root
def test_roots_agent_may_open_its_own_output_again():
    def action():
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        identity = Identity.of_caller()
        (_, out, _) = Stdio.like_ours(identity).agent_side
        assert out is not None
        return os.fstat(out).st_uid == identity.base_uid

    assert _in_child(action) == "True"

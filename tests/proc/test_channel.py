import os

import pytest

from gmcp_sandbox.proc.channel import MAX_BYTES, Channel


def test_a_message_arrives_whole_with_its_descriptors():
    ours, theirs = Channel.pair()
    read_end, write_end = os.pipe()
    ours.send("terminal", fds=(write_end,), number=3)
    message, fds = theirs.expect("terminal")
    assert message == {"kind": "terminal", "number": 3}
    os.write(fds[0], b"through")
    assert os.read(read_end, 16) == b"through"
    for fd in (read_end, write_end, *fds):
        os.close(fd)
    ours.close()
    theirs.close()


def test_messages_do_not_run_together():
    ours, theirs = Channel.pair()
    ours.send("one")
    ours.send("two")
    assert [theirs.receive()[0]["kind"], theirs.receive()[0]["kind"]] == ["one", "two"]
    ours.close()
    assert theirs.receive() is None
    theirs.close()


def test_the_end_of_the_other_process_is_an_error_when_something_is_expected():
    ours, theirs = Channel.pair()
    ours.close()
    with pytest.raises(ConnectionError, match="mapped"):
        theirs.expect("mapped")
    with pytest.raises(OSError):
        theirs.send("too late")
    theirs.close()


def test_another_word_than_the_expected_is_an_error():
    ours, theirs = Channel.pair()
    ours.send("failed")
    with pytest.raises(ConnectionError, match="expected 'mounted', got 'failed'"):
        theirs.expect("mounted")
    ours.close()
    theirs.close()


def test_descriptors_that_arrive_are_not_inherited_by_programs():
    ours, theirs = Channel.pair()
    read_end, write_end = os.pipe()
    ours.send("fd", fds=(read_end,))
    _, fds = theirs.expect("fd")
    assert not os.get_inheritable(fds[0])
    for fd in (read_end, write_end, *fds):
        os.close(fd)
    ours.close()
    theirs.close()


def test_a_message_that_is_too_long_is_an_error_and_no_half_of_it_is_taken():
    ours, theirs = Channel.pair()
    ours.send("final", text="x" * MAX_BYTES)
    with pytest.raises(ConnectionError, match="longer than"):
        theirs.receive()
    ours.close()
    theirs.close()

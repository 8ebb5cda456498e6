"""A client goes on with a list only where its server said that it goes on."""

from gmcp_sandbox.mcp.answers import At
from gmcp_sandbox.mcp.cursors import Cursors

AT, OTHER = At(1, "files"), At(2, "files")
LIST = "resources/list"


def told(*cursors, at=AT):
    made = Cursors()
    for cursor in cursors:
        made.learn(at, LIST, {"nextCursor": cursor})
    return made


def test_a_cursor_that_was_told_is_known_to_that_session_and_list_alone():
    cursors = told("two")
    assert cursors.knows(AT, LIST, {"cursor": "two"})
    assert not cursors.knows(AT, LIST, {"cursor": "a text of the agent's"})
    assert not cursors.knows(OTHER, LIST, {"cursor": "two"})
    assert not cursors.knows(AT, "prompts/list", {"cursor": "two"})


def test_no_cursor_and_what_is_none_is_for_others_to_judge():
    cursors = told()
    assert cursors.knows(AT, LIST, {}) and cursors.knows(AT, LIST, None) and cursors.knows(AT, LIST, {"cursor": 3})
    assert cursors.knows(AT, "tools/call", {"cursor": "x"})  # no member of that request: it is left out


def test_a_session_that_ends_is_forgotten_and_what_is_no_cursor_is_not_learnt():
    cursors = told("two", None, 3, "x" * 5000)
    assert not cursors.knows(AT, LIST, {"cursor": "x" * 5000})
    cursors.forget(AT)
    assert not cursors.knows(AT, LIST, {"cursor": "two"})


def test_the_latest_are_remembered_and_no_more():
    cursors = told(*map(str, range(1000)))
    assert cursors.knows(AT, LIST, {"cursor": "999"}) and not cursors.knows(AT, LIST, {"cursor": "1"})

"""Which tools may be used: pinned, first seen, changed, new, shadowed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.mcp.pins import INSTRUCTIONS, MOST_TOOLS, PinFile, digest_of
from gmcp_sandbox.mcp.review import CHANGED, NEW, UNAPPROVED, Listed, is_pinned, pinned_tools, review, skeleton

EMPTY = PinFile("files", "f" * 64)


def listed(name="x", text='{"inputSchema":{"type":"object"}}', *findings):
    return Listed(name, text, digest_of(text), findings)


def reviewed(file, *tools, first_use=True, others=None, is_seen=False):
    after, found = review(file, tools, first_use=first_use, others=others or {}, at_ns=7)
    return msgspec.structs.replace(after, is_seen=after.is_seen or is_seen), [one.stopped for one in found]


def test_on_first_use_what_nothing_is_against_is_pinned():
    file, stopped = reviewed(EMPTY, listed(), listed("y", "{}", "hidden characters"))
    assert stopped == [(), ("hidden characters",)]
    assert is_pinned(file, "x", listed().digest) and file.pins["x"].how == "first-use"
    assert "y" not in file.pins and file.waiting["y"].reasons == ("hidden characters",)


def test_where_a_person_is_wanted_nothing_is_pinned():
    file, stopped = reviewed(EMPTY, listed(), first_use=False)
    assert stopped == [(UNAPPROVED,)] and not file.pins


def test_a_change_stops_until_it_is_approved_or_undone():
    file, _ = reviewed(EMPTY, listed(), is_seen=True)
    file, stopped = reviewed(file, listed(text="{}"))
    assert stopped == [(CHANGED,)]
    back, stopped = reviewed(file, listed())
    assert stopped == [()] and not back.waiting
    approved = file.approved("x", 8)
    _, stopped = reviewed(approved, listed(text="{}"))
    assert stopped == [()]
    _, stopped = reviewed(approved, listed())
    assert stopped == [(CHANGED,)]


def test_a_new_tool_of_a_known_server_stops():
    file, _ = reviewed(EMPTY, listed(), is_seen=True)
    assert reviewed(file, listed(), listed("y"))[1] == [(), (NEW,)]


def test_what_waits_goes_on_waiting_when_nothing_is_found_any_more():
    file, _ = reviewed(EMPTY, listed("x", "{}", "orders to its reader"))
    assert reviewed(file, listed("x", "{}"))[1] == [("orders to its reader",)]


@pytest.mark.parametrize(
    "name", ["read_file", "readFile", "READ-FILE", "re\u0430d_file", "read_fi1e", "read_\u200bfile"]
)
def test_shadowed_names(name):
    _, stopped = reviewed(EMPTY, listed(name), others={"disk": ["read_file"]})
    assert len(stopped[0]) == 1 and stopped[0][0].endswith("of disk")
    assert reviewed(EMPTY, listed(name), others={"disk": ["write_file"]})[1] == [()]


def test_what_a_person_approved_may_have_anothers_name():
    file, _ = reviewed(EMPTY, listed("read_file"), others={"disk": ["read_file"]})
    assert reviewed(file.approved("read_file", 8), listed("read_file"), others={"disk": ["read_file"]})[1] == [()]


def test_instructions_are_no_tool():
    file, stopped = reviewed(EMPTY, listed(INSTRUCTIONS), others={"disk": ["instructions"]})
    assert stopped == [()]
    assert INSTRUCTIONS not in pinned_tools(file)


def test_the_number_of_tools_is_bounded():
    file, stopped = reviewed(EMPTY, *[listed(f"t{number}") for number in range(MOST_TOOLS + 5)])
    assert len(file.pins) == MOST_TOOLS
    assert stopped[-5:] == [(f"more than {MOST_TOOLS} tools",)] * 5


def test_a_list_that_says_the_same_changes_nothing():
    file, _ = reviewed(EMPTY, listed(), listed("y", "{}", "hidden characters"))
    after, _found = review(
        file, [listed(), listed("y", "{}", "hidden characters")], first_use=True, others={}, at_ns=99
    )
    assert after == file


def test_what_the_layers_know_without_a_list():
    file, _ = reviewed(EMPTY, listed(), listed("y", "{}", "hidden characters"))
    tools = pinned_tools(file)
    assert tools["x"].check.fault({}) is None and not tools["x"].stopped
    assert tools["y"].stopped == ("hidden characters",)


NAMES = st.sampled_from(["a", "b", "A"])
LISTS = st.lists(
    st.lists(st.builds(listed, NAMES, st.sampled_from(["{}", "[]"])), max_size=3, unique_by=lambda one: one.name)
)


@given(LISTS)
def test_only_what_is_pinned_word_for_word_passes(lists):
    file = EMPTY
    for tools in lists:
        file, stopped = reviewed(file, *tools, is_seen=True)
        for one, why in zip(tools, stopped, strict=True):
            assert (not why) == is_pinned(file, one.name, one.digest)
            assert bool(why) == (one.name in file.waiting)


@given(st.text(max_size=20))
def test_a_skeleton_is_stable(name):
    assert skeleton(skeleton(name)) == skeleton(name)

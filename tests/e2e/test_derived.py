"""A copy of a secret stays one: what was written after a secret was read taints the session that reads it later."""

from __future__ import annotations

import os

import pytest

TRUSTING = """
name = "trusting"
extends = "default"
tier = "trusted"

[[capabilities]]
tools = ["fs.read"]
labels = ["secret"]
objects = ["${workspace}/.env"]

# The gate would stop the read of a secret, however it is granted; here it is to happen.
[probe]
tools = ["mcp.call"]
"""


def taint_of(result, name):
    """Return the taint under which the agent's calls about a file of this name were judged, after its opening."""
    found = [record for record in result.records if record.get("object", "").endswith(f"/{name}")]
    assert found
    return found[-1].get("taint", [])


@pytest.fixture
def box(sandbox):
    sandbox.write(".env", "TOKEN=abc")
    sandbox.write("before.txt", "x")
    return sandbox


WRITE_COPIES = """
echo early > early.txt
cat .env > copy.txt
cp copy.txt second.txt
mv second.txt moved.txt
ln -s "$(cat .env)" link
"""


@pytest.fixture
def copied(box):
    assert box.exec("sh", "-euc", WRITE_COPIES, profile=box.profile(TRUSTING)).code == 0
    return box


@pytest.mark.trick("a copy of a secret taints the next session", stops="labels that files inherit")
@pytest.mark.parametrize("read", ["cat copy.txt", "cat moved.txt", "readlink link"])
def test_a_copy_of_a_secret_taints_the_next_session(copied, read):
    result = copied.exec("sh", "-c", f"{read}; cat before.txt")
    assert b"TOKEN" in result.out
    assert taint_of(result, "before.txt") == ["secret"]
    brought = [record["derived"] for record in result.records if "derived" in record]
    assert brought == [["secret"]]


def test_what_was_there_before_and_what_was_written_earlier_taints_nobody(copied):
    result = copied.exec("sh", "-c", "ls; stat copy.txt; cat before.txt early.txt")
    assert result.code == 0
    assert taint_of(result, "early.txt") == []


@pytest.mark.trick("the copy of a copy two sessions later still taints", stops="labels that files inherit")
def test_the_copy_of_a_copy_two_sessions_later_still_taints(copied):
    assert copied.exec("sh", "-c", "cat copy.txt > third.txt").code == 0
    result = copied.exec("sh", "-c", "cat third.txt; cat before.txt")
    assert taint_of(result, "before.txt") == ["secret"]


def test_a_new_file_of_the_same_name_is_another_object(copied):
    os.unlink(copied.workspace / "copy.txt")
    copied.write("copy.txt", "harmless")
    result = copied.exec("sh", "-c", "cat copy.txt; cat before.txt")
    assert taint_of(result, "before.txt") == []


@pytest.mark.trick("the store is out of the agents reach", stops="in no view")
def test_the_store_is_out_of_the_agents_reach(copied):
    store = copied.state / "gmcp-sandbox" / "derived"
    assert store.stat().st_size > 0 and store.stat().st_mode & 0o077 == 0
    result = copied.exec("sh", "-c", f"cat {store}")
    assert result.code != 0

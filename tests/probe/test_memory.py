"""Answers that were given before: only those of this model, only those that are whole."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.probe import memory as memory_module
from gmcp_sandbox.probe.memory import Memory
from gmcp_sandbox.probe.model import Answer

ONE, OTHER = "ab" * 32, "cd" * 32
KNOWN = {"run: rm": Answer(4.5, 0), "run: ls": Answer(-2.25, 7)}


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def opened(tmp_path, warnings):
    memories = []

    def open_memory(digest=ONE):
        memories.append(Memory(digest, tmp_path / "probe", warnings.append))
        return memories[-1]

    yield open_memory
    for each in memories:
        each.close()


def file_of(tmp_path):
    (path,) = (tmp_path / "probe").iterdir()
    return path


def test_what_is_put_is_known_at_once_and_in_the_next_session(opened, warnings):
    first = opened()
    first.put(KNOWN)
    second = opened()
    for memory in (first, second):
        assert {line: memory.get(line) for line in KNOWN} == KNOWN
        assert memory.get("run: cat") is None
    assert warnings == []


def test_the_first_use_makes_what_is_missing_and_closes_it_to_others(tmp_path, warnings):
    place = tmp_path / "none" / "state" / "probe"
    Memory(ONE, place, warnings.append).close()
    assert warnings == []
    assert [each.stat().st_mode & 0o777 for each in (place, place.parent)] == [0o700, 0o700]


def test_another_model_knows_nothing(opened, warnings):
    opened().put(KNOWN)
    assert opened(OTHER).get("run: rm") is None
    assert warnings == []


def test_two_sessions_write_one_file(opened, tmp_path):
    first, second = opened(), opened()
    first.put({"a": Answer(1.0, 1)})
    second.put({"b": Answer(2.0, 2)})
    third = opened()
    assert (third.get("a"), third.get("b")) == (Answer(1.0, 1), Answer(2.0, 2))


def test_the_file_is_closed_to_others(opened, tmp_path):
    opened().put(KNOWN)
    assert file_of(tmp_path).stat().st_mode & 0o777 == 0o600


@given(st.data())
def test_a_changed_byte_gives_no_wrong_answer(tmp_path_factory, data):
    place = tmp_path_factory.mktemp("state")
    said = []
    whole = Memory(ONE, place / "probe", said.append)
    whole.put(KNOWN)
    whole.close()
    path = file_of(place)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    damaged = Memory(ONE, place / "probe", said.append)
    found = {line: damaged.get(line) for line in KNOWN}
    damaged.close()
    # A changed key is a line that nobody asks for; any other change is seen.
    assert all(answer in (None, KNOWN[line]) for line, answer in found.items())
    assert None in found.values()


@pytest.mark.parametrize("damage", [b"", b"x", b"nonsense" * 30])
def test_a_damaged_file_is_discarded_with_a_message_and_used_again(opened, tmp_path, warnings, damage):
    opened().put(KNOWN)
    path = file_of(tmp_path)
    path.write_bytes(path.read_bytes()[: 70 if not damage else None] + damage if damage != b"nonsense" * 30 else damage)
    memory = opened()
    assert memory.get("run: rm") is None
    assert len(warnings) == 1 and "discarded" in warnings[0]
    memory.put(KNOWN)
    assert opened().get("run: rm") == KNOWN["run: rm"]
    assert len(warnings) == 1


def test_a_file_of_a_stranger_or_a_link_is_not_used(opened, tmp_path, warnings):
    opened().put(KNOWN)
    path = file_of(tmp_path)
    path.chmod(0o666)
    assert opened().get("run: rm") is None
    path.unlink()
    os.symlink("/dev/null", path)
    memory = opened()
    memory.put(KNOWN)
    assert memory.get("run: rm") == KNOWN["run: rm"]
    assert len(warnings) == 2 and all("not kept" in each for each in warnings)


def test_the_file_has_a_bound(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(memory_module, "LIMIT", 10)
    memory = opened()
    for number in range(25):
        memory.put({f"line {number}": Answer(1.0, 0)})
    assert len(memory) <= 10
    assert file_of(tmp_path).stat().st_size <= 40 + 10 * 24
    assert memory.get("line 24") == Answer(1.0, 0)


def test_without_a_directory_it_is_memory_alone(warnings):
    memory = Memory(ONE, None, warnings.append)
    memory.put(KNOWN)
    assert memory.get("run: rm") == KNOWN["run: rm"]

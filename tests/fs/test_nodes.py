from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import WORKSPACE
from gmcp_sandbox.fs.nodes import Fixed, Node, NodeTable
from gmcp_sandbox.fs.stats import Stat, synthetic
from gmcp_sandbox.fs.tree import Place
from gmcp_sandbox.policy.profile import Mount, MountMode

FILE = synthetic(stat.S_IFREG | 0o644, 1, 0)
DIRECTORY = synthetic(stat.S_IFDIR | 0o755, 1, 0)


def fresh() -> tuple[NodeTable, Fixed]:
    table = NodeTable()
    place = Place(Mount("/ws", None, MountMode.RW, WORKSPACE))
    root = Fixed(table.number(), "/ws", place, DIRECTORY, WORKSPACE)
    table.add_fixed(root)
    return table, root


def add(table: NodeTable, parent: Node, name: bytes, number: int, what: Stat = FILE) -> Node:
    node = table.intern(what, (1, number, 0), parent, name, WORKSPACE)
    node.lookups += 1
    return node


def test_one_object_is_one_node_under_all_its_names() -> None:
    table, root = fresh()
    node = add(table, root, b"a", 5)
    assert add(table, root, b"b", 5) is node
    assert sorted(name for _, name in node.names()) == [b"a", b"b"]
    table.drop_name(node, root, b"b")
    assert node.names() == [(root, b"a")]


def test_a_reused_inode_number_is_another_object() -> None:
    table, root = fresh()
    first = add(table, root, b"a", 5)
    second = table.intern(FILE, (1, 5, 99), root, b"a", WORKSPACE)
    assert second is not first
    assert second.id != first.id


def test_the_same_object_in_two_mounts_is_two_nodes() -> None:
    table, root = fresh()
    other = Fixed(table.number(), "/x", Place(Mount("/x", None, MountMode.RO, WORKSPACE)), DIRECTORY, WORKSPACE)
    table.add_fixed(other)
    assert add(table, root, b"a", 5) is not add(table, other, b"a", 5)


def test_ids_are_never_used_twice_and_the_unknown_is_stale() -> None:
    table, root = fresh()
    first = add(table, root, b"a", 5)
    table.forget(first.id, 1)
    assert add(table, root, b"a", 5).id > first.id
    with pytest.raises(OSError):
        table.get(first.id)
    table.forget(first.id, 1)
    table.forget(root.id, 100)
    assert table.get(root.id) is root


def test_a_directory_has_one_name() -> None:
    table, root = fresh()
    node = add(table, root, b"d", 5, DIRECTORY)
    before = table.generation
    assert add(table, root, b"moved", 5, DIRECTORY) is node
    assert node.names() == [(root, b"moved")]
    assert table.generation > before
    assert root.kids == 1


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "drop", "forget"]), st.integers(0, 3), st.integers(0, 5), st.sampled_from(b"abc")
    ),
    max_size=60,
)


@given(steps)
def test_counts_stay_exact_whatever_happens(todo: list[tuple[str, int, int, int]]) -> None:
    table, root = fresh()
    directories = [root, *(add(table, root, b"d%d" % index, 100 + index, DIRECTORY) for index in range(3))]
    held: dict[int, tuple[Node, int]] = {}
    for action, where, number, letter in todo:
        parent, name = directories[where], bytes([letter])
        if action == "add":
            node = add(table, parent, name, number)
            held[node.id] = (node, held.get(node.id, (node, 0))[1] + 1)
        elif held:
            node, count = held[sorted(held)[number % len(held)]]
            if action == "drop":
                table.drop_name(node, parent, name)
            else:
                del held[node.id]
                table.forget(node.id, count)
        assert all(table.get(number) is node for number, (node, _) in held.items())
        assert len(table) == 4 + len(held)
        for each in directories:
            names = sum(1 for node, _ in held.values() for where_, _ in node.names() if where_ is each)
            assert each.kids == names + (3 if each is root else 0)

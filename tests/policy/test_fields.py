"""Where a mistake stands, and what was probably meant."""

from __future__ import annotations

import pytest

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.fields import Key, Source, read_document, spell, suggest

TEXT = """name = "x"

[limits]
processes = 1

[[mounts]]
path = "/a"
mode = "ro"

[[mounts]]
path = "/b"
mode = "rw"
"""


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (("name",), "f:1: name: w"),
        (("limits", "processes"), "f:4: limits.processes: w"),
        (("mounts", 1, "mode"), "f:12: mounts[1].mode: w"),
        (("mounts", 1, "label"), "f:10: mounts[1].label: w"),
        (("mounts", 7, "path"), "f:7: mounts[7].path: w"),
        ((), "f: w"),
    ],
)
def test_a_fault_names_file_line_and_key(key: Key, place: str) -> None:
    assert str(Source("f", TEXT).fault("w", key)) == place


def test_keys_are_spelled_as_people_write_them() -> None:
    assert spell(("a", 2, "b", "c")) == "a[2].b.c"


def test_suggestions() -> None:
    assert suggest("capabilites", ["capabilities", "rates"]) == "did you mean 'capabilities'?"
    assert suggest("zzz", ["b", "a"]) == "known are: a, b"


@pytest.mark.parametrize("text", ["[", "name = 1", 'name = "x"\nmounts = 3', 'name = "X Y"', 'name = "x"\nhome = []'])
def test_wrong_kinds_are_refused(text: str) -> None:
    with pytest.raises(ProfileError):
        read_document(Source("f", text))

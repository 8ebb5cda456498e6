"""The corners of POSIX's file semantics are the same inside as outside: one program, run on both, answers compared.

`agents/semantics.py` holds the corners; each is a test of its own here. Outside it runs without capabilities, as
inside.
"""

from __future__ import annotations

import ast
import json
import os

import pytest

from tests.e2e.harness import AGENTS

AGENT = AGENTS / "semantics.py"
CORNERS = [
    each.name
    for each in ast.parse(AGENT.read_text()).body
    if isinstance(each, ast.FunctionDef) and any(isinstance(mark, ast.Name) for mark in each.decorator_list)
]
WITHOUT_CAPABILITIES = ("setpriv", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs")
PROFILE = 'name = "semantics"\nextends = "default"\n'
MISSING = {
    "made_without_a_name": "ENOTSUP",
    "allocated": [
        dict.fromkeys(("ahead", "ahead, same size", "hole", "collapse", "zero", "insert"), "ENOTSUP"),
        4 * os.sysconf("SC_PAGESIZE"),
    ],
    "where_data_is": [0, (1 << 24) + 3],
}
"""What pyfuse3 cannot be told: O_TMPFILE and fallocate fail cleanly, and a file with holes looks like one of data."""


def answers(result):
    assert result.code == 0, result.err
    return dict(json.loads(line) for line in result.text.splitlines())


@pytest.fixture(scope="module")
def seen(shared_sandbox):
    """Return what the program saw inside and outside."""
    box = shared_sandbox
    agent = str(box.write("semantics.py", AGENT.read_bytes()))
    outside = box.base / "outside"
    outside.mkdir()
    box.own(outside)
    words = WITHOUT_CAPABILITIES if box.mode == "root" else ()
    native = box.native(*words, "/usr/bin/python3", agent, workspace=outside)
    return answers(box.exec("/usr/bin/python3", agent, profile=box.profile(PROFILE))), answers(native)


@pytest.mark.parametrize("corner", [each for each in CORNERS if each not in MISSING])
def test_a_corner_is_the_same(seen, corner):
    inside, outside = seen
    assert inside[corner] == outside[corner]


@pytest.mark.parametrize("corner", list(MISSING))
def test_what_is_missing_fails_cleanly(seen, corner):
    assert seen[0][corner] == MISSING[corner]

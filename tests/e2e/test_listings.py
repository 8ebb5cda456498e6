"""A listing tells the kernel only what it does not hold yet; it is never behind what the agent itself has done."""

from __future__ import annotations

import pytest

from tests.e2e.harness import AGENTS

PYTHON = "/usr/bin/python3"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_listing_says_what_each_name_says_whatever_changed_before(sandbox, seed):
    sandbox.write("lister.py", (AGENTS / "lister.py").read_text())
    for top in ("listed", "/tmp/listed"):
        done = sandbox.exec("/bin/sh", "-c", f"mkdir {top} && exec {PYTHON} -I lister.py {top} {seed} 300")
        assert done.code == 0, done.err
        assert int(done.text) > 300

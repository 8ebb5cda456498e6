"""What tests of the MCP gateway share: a product without its model, and mounts for programs of the tests."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.e2e.harness import AGENTS, ROOT, Result, Sandbox

MOUNT = """
[[mounts]]
path = "{path}"
mode = "ro"
label = "system"
exec = true
"""
UNASKED = "\n[probe]\nrequired = false\n"


def without_model(sandbox: Sandbox) -> Sandbox:
    """Give a user a product without a model: what that says of a call is not what these tests are about."""
    sandbox.product = sandbox.base / "product"
    for name in ("gmcp_sandbox", "profiles"):
        away = shutil.ignore_patterns("__pycache__", "_data")
        shutil.copytree(ROOT / name, sandbox.product / name, ignore=away)
    shutil.copy(ROOT / "pyproject.toml", sandbox.product)
    return sandbox


def shown() -> str:
    """Return mounts for the tests' interpreter, its packages, and the agents' programs."""
    tops = {Path(sys.prefix), Path(sys.base_prefix).resolve(), AGENTS}
    return "".join(MOUNT.format(path=top) for top in sorted(tops) if not top.is_relative_to("/usr"))


def well(result: Result) -> Result:
    """Return the result of an agent that ended well; else say what the gateway told of its servers."""
    told = [record for record in result.records if str(record.get("name", "")).startswith("mcp_")]
    assert result.code == 0, (result.err, told)
    return result

"""The installed model, and the gate of a session."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gmcp_sandbox.calls.arguments import ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import SYSTEM
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.monitor.semantics import installed_manifest, open_gate
from gmcp_sandbox.policy.profile import ProbePolicy, Tier
from gmcp_sandbox.policy.state import SessionState
from gmcp_sandbox.probe.question import Surroundings
from tests.probe.models import make_model


def profile(tmp_path: Path, **probe):
    found = load_profile("default", workspace=tmp_path / "w", home=tmp_path)
    return msgspec.structs.replace(found, probe=ProbePolicy(**probe))


def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "state" / "gmcp-sandbox").mkdir(parents=True, mode=0o700, exist_ok=True)
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def test_without_a_model_there_is_no_gate_unless_the_profile_demands_one(tmp_path):
    assert installed_manifest(None, profile(tmp_path, required=False)) is None
    with pytest.raises(HostError, match="demands the semantic gate"):
        installed_manifest(None, profile(tmp_path, required=True))


def test_a_broken_model_is_an_error_and_not_no_model(tmp_path):
    directory = make_model(tmp_path / "m", rendering=-1)
    with pytest.raises(HostError, match="does not fit"):
        open_gate(directory, profile(tmp_path), Surroundings(), environ=environ(tmp_path), warn=pytest.fail)


def test_a_gate_remembers_in_the_state_directory(tmp_path):
    call = ToolCall(1, 1, "s", "a", 1, Tool.PROC_EXEC, "/usr/bin/ls", ProcExec(("ls",)), SYSTEM)
    now = SessionState(Tier.STANDARD)
    directory = make_model(tmp_path / "m")
    for _ in range(2):
        gate = open_gate(directory, profile(tmp_path), Surroundings(), environ=environ(tmp_path), warn=pytest.fail)
        gate.judge(call, now)
        gate.engine.stop()
    assert gate.effort()["misses"] == 0
    (kept,) = (tmp_path / "state" / "gmcp-sandbox" / "probe").iterdir()
    assert kept.name.endswith(".answers")

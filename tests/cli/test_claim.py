import os
from pathlib import Path

import msgspec
import pytest

from gmcp_sandbox.calls.labels import WORKSPACE
from gmcp_sandbox.cli.claim import claim
from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.policy.profile import Mount, MountMode
from gmcp_sandbox.policy.view import View
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.program import Program


@pytest.fixture
def prepared(tmp_path: Path) -> Preparation:
    workspace = str(tmp_path / "workspace")
    profile = load_profile("default", workspace=Path(workspace), home=tmp_path / "home")
    view = View.of([Mount(workspace, workspace, MountMode.RW, WORKSPACE)])
    program = Program((b"true",), {}, b"/")
    return Preparation("agent", workspace, str(tmp_path), profile, view, Identity.of_caller(), program)


def test_a_workspace_has_one_writer_at_a_time(tmp_path: Path, prepared: Preparation) -> None:
    held = claim(tmp_path, prepared, share=False)
    assert held is not None
    for share in (False, True):
        with pytest.raises(UsageError, match="another session writes"):
            claim(tmp_path, prepared, share=share)
    os.close(held)
    again = claim(tmp_path, prepared, share=False)
    assert again is not None
    os.close(again)


def test_sessions_that_share_may_write_together(tmp_path: Path, prepared: Preparation) -> None:
    held = [claim(tmp_path, prepared, share=True) for _ in range(2)]
    for fd in held:
        assert fd is not None
        os.close(fd)


def test_reading_needs_no_claim(tmp_path: Path, prepared: Preparation) -> None:
    mounts = tuple(msgspec.structs.replace(mount, mode=MountMode.RO) for mount in prepared.view.mounts)
    reader = msgspec.structs.replace(prepared, view=msgspec.structs.replace(prepared.view, mounts=mounts))
    assert claim(tmp_path, reader, share=False) is None


def test_other_workspaces_are_free(tmp_path: Path, prepared: Preparation) -> None:
    held = claim(tmp_path, prepared, share=False)
    other = str(tmp_path / "other")
    view = View.of([Mount(other, other, MountMode.RW, WORKSPACE)])
    second = claim(tmp_path, msgspec.structs.replace(prepared, workspace=other, view=view), share=False)
    assert held is not None
    assert second is not None
    os.close(held)
    os.close(second)

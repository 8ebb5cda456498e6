"""The plan of a preparation holds the steps of every shell, and drawing it changes nothing."""

from __future__ import annotations

from gmcp_sandbox.cli.planning import plan_of
from gmcp_sandbox.fs.mount import MountFuse
from gmcp_sandbox.net.namespace import RaiseLoopback
from gmcp_sandbox.proc.mounts import BindTree
from gmcp_sandbox.proc.stdio import Stdio
from tests.cli.launches import Place

STDIO = Stdio((None, None, None), (None, None, None))


def test_the_file_system_and_the_network_take_part(place: Place) -> None:
    plan = plan_of(place.prepare("true"), STDIO)
    kinds = [type(step) for step in plan.stage_steps]
    assert kinds.count(MountFuse) == kinds.count(RaiseLoopback) == 1
    assert kinds.index(MountFuse) < kinds.index(RaiseLoopback)


def test_what_runs_is_what_was_prepared(place: Place) -> None:
    prepared = place.prepare("--", "sh", "-c", "true")
    birth = plan_of(prepared, STDIO).birth
    assert (birth.program, birth.identity, birth.stdio) == (prepared.program, prepared.identity, STDIO)


def test_every_tree_with_exec_right_is_bound_and_no_other_is_allowed(place: Place) -> None:
    prepared = place.prepare("true")
    bound = {
        step.path: step.executable for step in plan_of(prepared, STDIO).birth.root_steps if isinstance(step, BindTree)
    }
    assert {path for path, executable in bound.items() if executable} == {
        mount.path for mount in prepared.view.mounts if mount.executable
    }
    assert bound["/usr"] is True


def test_the_same_preparation_gives_the_same_plan(place: Place) -> None:
    prepared = place.prepare("true")
    assert plan_of(prepared, STDIO) == plan_of(prepared, STDIO)

"""The plan of a preparation holds the steps of every shell, and drawing it changes nothing."""

from __future__ import annotations

import msgspec

from gmcp_sandbox.cli.planning import plan_of
from gmcp_sandbox.cli.sshsupply import SshSupply
from gmcp_sandbox.fs.mount import MountFuse
from gmcp_sandbox.net.agentsocket import MakeAgentSocket, NameAgentSocket
from gmcp_sandbox.net.door import StartDoor
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


def test_a_published_port_brings_a_door_and_nothing_else_does(place: Place) -> None:
    def doors(*words: str) -> int:
        return sum(isinstance(step, StartDoor) for step in plan_of(place.prepare(*words), STDIO).stage_steps)

    assert (doors("true"), doors("--publish", "8080", "true")) == (0, 1)


def test_an_ssh_agent_has_its_socket_made_and_named(place: Place) -> None:
    prepared = place.prepare("-p", place.profile('[[net.allow]]\nhosts = ["git.test"]\n'), "true")
    supplied = msgspec.structs.replace(prepared, ssh=SshSupply("/run/agent", ()))
    for one, expected in ((prepared, 0), (supplied, 1)):
        plan = plan_of(one, STDIO)
        assert sum(isinstance(step, MakeAgentSocket) for step in plan.stage_steps) == expected
        assert sum(isinstance(step, NameAgentSocket) for step in plan.birth.root_steps) == expected

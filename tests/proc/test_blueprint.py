"""The plan's order, and exec right exactly where the view gives it."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.announced import NOTIFIED
from gmcp_sandbox.calls.labels import SYSTEM
from gmcp_sandbox.policy.profile import Environment, Limits, Mount, MountMode, ProbePolicy, Profile, Tier
from gmcp_sandbox.policy.view import View, ancestors
from gmcp_sandbox.proc import confine, mounts
from gmcp_sandbox.proc.blueprint import Shells, draw
from gmcp_sandbox.proc.cgroups import JoinGroups
from gmcp_sandbox.proc.filter import LoadFilter
from gmcp_sandbox.proc.gatestep import AwaitGate
from gmcp_sandbox.proc.identity import ROOT_RANGE_BASE, Identity
from gmcp_sandbox.proc.landlock import RestrictByLandlock
from gmcp_sandbox.proc.launch import LaunchPlan
from gmcp_sandbox.proc.plan import Stage
from gmcp_sandbox.proc.program import Program
from gmcp_sandbox.proc.stdio import Stdio

ROOT = Identity(0, 0, ROOT_RANGE_BASE, ROOT_RANGE_BASE, 65_536)
USER = Identity(1000, 1000, 1000, 1000, 1)
NOTHING = (None, None, None)
SHELL_ROOT, SHELL_NETWORK = "mount the root", "configure the network"


class Said:
    """A step of another shell."""

    def __init__(self, what: str) -> None:
        self.what = what

    def apply(self, stage: Stage) -> None:
        raise AssertionError("a plan is drawn, not executed")

    def describe(self) -> str:
        return self.what


def tree(path: str, *, executable: bool = False, mode: MountMode = MountMode.RO) -> Mount:
    return Mount(path, path, mode, SYSTEM, executable)


def plan(identity: Identity, *trees: Mount, limits: Limits | None = None, ptrace: bool = False) -> LaunchPlan:
    profile = Profile(
        "test", "00", Tier.STANDARD, (), (), (), (), (), (), Environment(()), limits or Limits(), ProbePolicy()
    )
    profile = msgspec.structs.replace(profile, ptrace=ptrace)
    return draw(
        profile,
        View.of(trees),
        identity,
        program=Program((b"true",), {}, b"/"),
        stdio=Stdio(NOTHING, NOTHING),
        shells=Shells(Said(SHELL_ROOT), (Said(SHELL_NETWORK),)),
    )


def binds(drawn: LaunchPlan) -> list[tuple[str, bool]]:
    return [(step.path, step.executable) for step in drawn.birth.root_steps if isinstance(step, mounts.BindTree)]


def stage_words(identity: Identity) -> list[str]:
    return [step.what if isinstance(step, Said) else type(step).__name__ for step in plan(identity).stage_steps]


def test_root_opens_the_root_as_host_root_and_is_nobody_before_the_first_tmpfs() -> None:
    assert stage_words(ROOT) == [
        "PrivatePropagation",
        "StartGate",
        SHELL_ROOT,
        "BecomeNamespaceRoot",
        "ForbidMoreNamespaces",
        "NameHost",
        SHELL_NETWORK,
    ]


def test_a_user_makes_the_scratch_space_inside() -> None:
    assert stage_words(USER) == [
        "PrivatePropagation",
        "StartGate",
        SHELL_ROOT,
        "ScratchTmpfs",
        "ForbidMoreNamespaces",
        "NameHost",
        SHELL_NETWORK,
    ]


def test_the_agent_gives_everything_up_in_the_order_in_which_it_can() -> None:
    limits = Limits(open_files=9)
    steps = plan(USER, limits=limits).birth.agent_steps
    kinds: list[type] = [type(step) for step in steps]
    assert kinds == [
        confine.NewKeyring,
        confine.LimitResources,
        confine.DropCapabilities,
        confine.NoNewPrivileges,
        RestrictByLandlock,
        confine.DieWithParent,
        confine.BecomeReadable,
        LoadFilter,
    ]
    assert steps[1] == confine.LimitResources(limits)
    assert steps[2] == confine.DropCapabilities(confine.last_capability())


def test_all_namespaces_but_the_pids_are_made_at_once() -> None:
    (step,) = plan(USER).namespaces
    assert isinstance(step, confine.Unshare)
    wanted = kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    assert step.flags == wanted | kernel.CLONE_NEWCGROUP


def test_the_kernels_own_trees_come_first_and_the_change_of_root_last() -> None:
    birth = plan(USER, tree("/usr", executable=True), limits=Limits(shm_bytes=5 << 20)).birth
    assert birth.first_steps == (JoinGroups(),)
    assert birth.root_steps == (
        mounts.MountDev(5 << 20),
        mounts.MountProc(),
        mounts.BindTree("/usr", True),
        AwaitGate(),
        mounts.ChangeRoot(),
    )


def test_a_tree_without_exec_right_needs_no_bind() -> None:
    assert binds(plan(USER, tree("/etc"), tree("/w", mode=MountMode.RW))) == []


def test_the_right_is_taken_from_a_tree_below_one_that_has_it() -> None:
    drawn = plan(USER, tree("/w/data"), tree("/w", executable=True), tree("/w/data/bin", executable=True))
    assert binds(drawn) == [("/w", True), ("/w/data", False), ("/w/data/bin", True)]


def test_what_is_hidden_is_not_bound() -> None:
    hidden = tree("/usr/x", mode=MountMode.HIDDEN, executable=True)
    drawn = plan(USER, tree("/usr", executable=True), hidden, tree("/usr/x/y"))
    assert binds(drawn) == [("/usr", True), ("/usr/x/y", False)]


NAMES = st.sampled_from(["a", "b", "a.b", "ab"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
TREES = st.builds(
    lambda path, executable, mode: tree(path, executable=executable, mode=mode),
    PATHS,
    st.booleans(),
    st.sampled_from(MountMode),
)


@given(st.lists(TREES, max_size=10))
def test_exec_right_is_exactly_where_the_view_gives_it(trees: list[Mount]) -> None:
    drawn = plan(USER, *trees)
    done: dict[str, bool] = {}
    for path, executable in binds(drawn):
        assert not any(path in ancestors(earlier) for earlier in done), "a bind over a parent would cover this one"
        done[path] = executable
    for mount in View.of(trees).mounts:
        if mount.mode is not MountMode.HIDDEN:
            nearest = next((done[each] for each in (mount.path, *ancestors(mount.path)) if each in done), False)
            assert nearest == mount.executable


def test_the_plan_describes_every_step_in_order() -> None:
    lines = plan(ROOT, tree("/usr", executable=True)).describe()
    assert lines[0] == "create namespaces (user, mount, network, ipc, uts, cgroup)"
    assert lines.index(SHELL_ROOT) < lines.index("become an unprivileged host id") < lines.index(SHELL_NETWORK)
    assert lines.index("allow programs in /usr") < lines.index("make the view the root and detach the host's")
    assert lines[-1].startswith("load the system-call filter")


def test_debuggers_get_a_proc_that_can_be_written_and_ptrace() -> None:
    plain = plan(USER).birth
    debugging = plan(USER, ptrace=True).birth
    assert (plain.last_steps, debugging.last_steps) == ((mounts.SealProc(),), ())
    assert (plain.agent_steps[-1], debugging.agent_steps[-1]) == (LoadFilter(NOTIFIED), LoadFilter(NOTIFIED, True))

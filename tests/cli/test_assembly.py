"""The parts of a session, put together on real directories: log, labels, scratch trees, secret places."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gmcp_sandbox.audit.verify import State, verify
from gmcp_sandbox.calls.arguments import FsRead
from gmcp_sandbox.calls.labels import SCRATCH, SECRET, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.cli.assembly import _scratch_trees, assemble, open_log, secret_places
from gmcp_sandbox.cli.explanations import EXPLANATIONS_MOUNT, FILE_NAME, Explanations
from gmcp_sandbox.cli.supervisor import enforced
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.monitor.statedir import SessionDir, StateDir
from gmcp_sandbox.policy.profile import Mount, MountMode
from gmcp_sandbox.proc.channel import Channel
from tests.children import in_child
from tests.cli.launches import Place


@pytest.fixture
def session(place: Place) -> SessionDir:
    return StateDir.open(place.environ).create_session()


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "scratch").mkdir()
    fd = os.open(tmp_path / "scratch", os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


# ----------------------------------------------------------------------------------------------------------------- log


def test_the_first_record_says_what_runs_under_what(place: Place, session: SessionDir) -> None:
    prepared = place.prepare("--name", "coder", "--", "sh", "-c", "\udcff")
    open_log(prepared, session, enforced(prepared)).close()
    genesis = json.loads(session.log.read_text().splitlines()[0])
    assert (genesis["kind"], genesis["session"], genesis["agent"]) == ("genesis", session.id, "coder")
    assert genesis["profile"]["digest"] == prepared.profile.digest
    assert genesis["argv"] == ["sh", "-c", "\udcff"]
    assert genesis["host"] == enforced(prepared)
    assert [str(place.work), "rw", "workspace"] in genesis["view"]
    assert "probe" not in genesis["layers"]
    assert verify(str(session.path)).state is State.UNSEALED


def test_a_log_is_never_written_over(place: Place, session: SessionDir) -> None:
    prepared = place.prepare("true")
    open_log(prepared, session, {}).close()
    with pytest.raises(AuditError):
        open_log(prepared, session, {})


def test_the_budget_is_the_profiles(place: Place, session: SessionDir) -> None:
    prepared = place.prepare("-p", place.profile("[limits]\nlog_bytes = 70000\n"), "true")
    writer = open_log(prepared, session, {})
    with pytest.raises(AuditError):
        for number in range(1000):
            writer.event("filler", text="x" * 1000, number=number)
    writer.close()
    assert sum(file.stat().st_size for file in session.path.glob("audit*.jsonl")) <= 70_000


# ---------------------------------------------------------------------------------------------------------- whole parts


async def test_a_call_is_judged_recorded_and_explained(place: Place, session: SessionDir, scratch: int) -> None:
    prepared = place.prepare("-p", place.profile('explain = "category"\n'), "true")
    ours, theirs = Channel.pair()
    audit = open_log(prepared, session, enforced(prepared))
    parts = assemble(prepared, session, audit, scratch, Explanations(ours))
    try:
        monitor = parts.monitor
        for path, label in ((f"{place.work}/a", WORKSPACE), (f"{place.home}/.ssh/id", SECRET)):
            decision = await monitor.mediate(monitor.call(Tool.FS_READ, path, FsRead("open"), label=label))
            assert decision.outcome is (Outcome.DENY if label is SECRET else Outcome.ALLOW)
        told, _ = theirs.expect("notice")
        assert told["text"].startswith(f"gmcp-sandbox: DENY fs.read {place.home}/.ssh/id (")
        audit.seal({"reason": "exited", "code": 0})
    finally:
        parts.filesystem.close()
        audit.close()
        ours.close()
        theirs.close()
    assert (audit.allowed, audit.denied) == (1, 1)
    assert verify(str(session.path)).state is State.WHOLE
    number = next(n for n, each in enumerate(prepared.view.mounts) if each == EXPLANATIONS_MOUNT)
    with open(os.open(f"{number}/{FILE_NAME}", os.O_RDONLY, dir_fd=scratch), encoding="utf-8") as file:
        assert file.read().startswith("DENY fs.read ")


async def test_without_explain_nobody_is_told(place: Place, session: SessionDir, scratch: int) -> None:
    prepared = place.prepare("-p", place.profile('explain = "none"\n'), "true")
    ours, theirs = Channel.pair()
    audit = open_log(prepared, session, {})
    parts = assemble(prepared, session, audit, scratch, Explanations(ours))
    call = parts.monitor.call(Tool.FS_READ, "/x", FsRead("open"), label=SECRET)
    assert (await parts.monitor.mediate(call)).outcome is Outcome.DENY
    parts.filesystem.close()
    audit.close()
    ours.close()
    assert theirs.receive() is None
    theirs.close()


@pytest.mark.root
def test_root_makes_the_scratch_space_itself(place: Place, session: SessionDir) -> None:
    prepared = place.prepare("true")

    def action() -> bool:
        audit = open_log(prepared, session, {})
        ours, _ = Channel.pair()
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            before = file.read()
        assemble(prepared, session, audit, None, Explanations(ours))
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return file.read() == before

    assert in_child(action) is True


# ------------------------------------------------------------------------------------------------------- scratch trees


def tree(path: str, source: str | None = None, mode: MountMode = MountMode.SCRATCH) -> Mount:
    return Mount(path, source, mode, SCRATCH)


def test_each_scratch_tree_gets_an_empty_directory_of_its_own(scratch: int) -> None:
    mounts = (tree("/tmp"), tree("/usr", "/usr", MountMode.RO), tree("/home/u"), tree("/var/tmp"))
    trees = _scratch_trees(mounts, scratch)
    assert set(trees) == {"/tmp", "/home/u", "/var/tmp"}
    assert len({os.fstat(fd).st_ino for fd in trees.values()}) == 3
    modes = {path: stat.S_IMODE(os.fstat(fd).st_mode) for path, fd in trees.items()}
    assert modes == {"/tmp": 0o1777, "/home/u": 0o755, "/var/tmp": 0o1777}
    for fd in trees.values():
        assert os.listdir(fd) == []
        assert not os.get_inheritable(fd)
        os.close(fd)


def test_what_is_kept_on_the_host_or_hidden_gets_none(scratch: int) -> None:
    mounts = (tree("/home/u", "/state/agents/x/home"), tree("/hidden", None, MountMode.HIDDEN))
    assert _scratch_trees(mounts, scratch) == {}
    assert os.listdir(scratch) == []


def test_a_umask_of_the_caller_changes_nothing(scratch: int) -> None:
    before = os.umask(0o077)
    try:
        trees = _scratch_trees((tree("/tmp"),), scratch)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.fstat(trees["/tmp"]).st_mode) == 0o1777
    os.close(trees["/tmp"])


# ------------------------------------------------------------------------------------------------------- secret places


def test_secret_places_are_those_of_the_callers_home_and_the_hosts(place: Place) -> None:
    prepared = place.prepare("true")
    places = secret_places(prepared)
    assert {f"{place.home}/.ssh", f"{place.home}/.aws", "/etc/shadow", "/etc/ssh"} <= set(places)
    assert all(path.startswith("/") for path in places)
    elsewhere = secret_places(msgspec.structs.replace(prepared, home="/elsewhere"))
    assert "/elsewhere/.ssh" in elsewhere
    assert not any(path.startswith(str(place.home)) for path in elsewhere)

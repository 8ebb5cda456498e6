"""What the supervisor says of a session, and that it leaves a whole record whatever happens."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable

import msgspec
import pytest

from gmcp_sandbox.audit.verify import State, verify
from gmcp_sandbox.cli.supervisor import _raise_descriptor_limit, describe, enforced, supervise
from gmcp_sandbox.monitor.statedir import StateDir
from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.identity import ROOT_RANGE_BASE, Identity
from tests.children import fork, in_child
from tests.cli.launches import Place, Served
from tests.deadline import within


def test_a_session_is_described_by_who_guards_it(place: Place) -> None:
    meta = describe(place.prepare("--name", "coder", "--", "true", "\udcff"))
    assert meta.supervisor.pid == os.getpid()
    assert meta.supervisor.is_alive()
    assert (meta.agent, meta.profile, meta.workspace) == ("coder", "default", str(place.work))
    assert meta.argv == ("true", "\udcff")
    assert meta.ended_ns is None
    assert meta.exit_code is None


def test_what_is_enforced_is_said_without_more(place: Place) -> None:
    prepared = place.prepare("true")
    root = msgspec.structs.replace(prepared, identity=Identity(0, 0, ROOT_RANGE_BASE, ROOT_RANGE_BASE, 65_536))
    user = msgspec.structs.replace(prepared, identity=Identity(1000, 1000, 1000, 1000, 1))
    assert enforced(root)["ids"] == "root's unprivileged range"
    assert enforced(user)["ids"] == "the caller's own id"
    assert enforced(user)["probe"] == "no model"
    assert json.loads(json.dumps(enforced(user))) == enforced(user)


def test_a_start_reads_no_module_that_few_sessions_use() -> None:
    program = """
import sys
import gmcp_sandbox.cli.exec, gmcp_sandbox.cli.preparation, gmcp_sandbox.cli.planning
from gmcp_sandbox.cli import supervisor
print(*sys.modules)
for module in supervisor._NEEDED:
    supervisor._import(module)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before_the_fork, serving = (set(line.split()) for line in done.stdout.splitlines())
    assert not before_the_fork & {"trio", "pyfuse3", "re2", "attr"}
    heavy = {"onnxruntime", "numpy", "tree_sitter", "cryptography", "jsonschema", "mcp", "pydantic", "h2", "dnslib"}
    assert not serving & (heavy | {"pyroute2", "celpy", "asyncio", "http", "email", "sqlite3", "multiprocessing"})
    assert not serving & {"ssl", "_ssl", "hashlib", "_hashlib", "importlib.metadata", "ctypes.util", "tempfile"}


def test_the_supervisor_may_open_what_the_hard_limit_gives() -> None:
    def action() -> bool:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        _raise_descriptor_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return soft == hard > 64

    assert in_child(action) is True


def test_without_orders_it_ends_without_a_word() -> None:
    ours, theirs = Channel.pair()
    pid = fork()
    if pid == 0:
        ours.close()
        supervise(theirs)
    theirs.close()
    with within(30):
        os.set_blocking(ours.fileno(), True)
        ours._sock.shutdown(1)  # no orders will come
        assert ours.receive() is None
        assert os.waitpid(pid, 0)[1] == 0
    ours.close()


def test_orders_that_make_no_sense_are_a_fault_that_is_said() -> None:
    ours, theirs = Channel.pair()
    pid = fork()
    if pid == 0:
        ours.close()
        supervise(theirs)
    theirs.close()
    with within(30):
        ours.send("orders")
        message, _ = ours.expect("final")
        assert message["code"] == 125
        assert message["error"].startswith("internal error\nTraceback")
        os.waitpid(pid, 0)
    ours.close()


@pytest.mark.needs("sandbox")
def test_a_session_leaves_a_record_that_verifies_and_its_facts(served: Callable[..., Served], place: Place) -> None:
    session = served("--name", "coder", "--", "/bin/sh", "-c", "echo x > made; cat /etc/hostname; exit 3")
    final = session.final()
    assert final["code"] == 3
    (directory,) = StateDir.open(place.environ).sessions()
    meta = directory.meta()
    assert meta is not None
    assert (meta.agent, meta.exit_code, meta.ended_ns is not None) == ("coder", 3, True)
    assert not directory.is_running()
    log = directory.log.read_text().splitlines()
    assert json.loads(log[0])["kind"] == "genesis"
    assert [json.loads(line)["kind"] for line in log[-2:]] == ["seal", "checkpoint"]
    assert verify(str(directory.path)).state is State.WHOLE
    made = place.work / "made"
    assert made.read_text() == "x\n"
    assert made.stat().st_uid == os.getuid()


@pytest.mark.needs("sandbox")
def test_a_log_that_is_there_already_starts_nothing(place: Place) -> None:
    session = StateDir.open(place.environ).create_session()
    session.log.write_text("somebody else's\n")
    with within(60):
        started = Served(place.prepare("--", "/bin/sh", "-c", "echo ran"), session)
        assert started.final()["code"] == 125
        assert os.read(started.output, 10) == b""
        started.close()
    assert session.log.read_text() == "somebody else's\n"


@pytest.mark.needs("sandbox")
def test_two_sessions_at_once_know_nothing_of_each_other(served: Callable[..., Served]) -> None:
    script = "test -e /tmp/mine || echo none; echo x > /tmp/mine; echo ready; read -r x"
    first, second = (served("--", "/bin/sh", "-c", script) for _ in range(2))
    assert first.until(b"ready") == second.until(b"ready") == b"none\nready\n"
    assert {first.final()["code"], second.final()["code"]} == {1}

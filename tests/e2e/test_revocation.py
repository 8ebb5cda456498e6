"""A new epoch takes back what the kernel holds: open files, mappings, names and attributes; and nothing else."""

from __future__ import annotations

import json

import pytest

from tests.e2e.harness import AGENTS

RULE = """
name = "mine"
extends = "default"

[[rules]]
id = "notes-close"
text = "After private files were read, the notes are closed."
effect = "deny"
tools = ["fs.read", "fs.write", "fs.stat"]
labels = ["workspace"]
paths = ["${workspace}/notes/**"]
taint = ["private"]
"""


@pytest.fixture
def box(sandbox):
    (sandbox.home / ".gitconfig").write_text("[user]\n\tname = Ada\n")
    sandbox.write("notes/a.txt", b"n" * (4 << 20))
    sandbox.write("other.txt", b"o" * (4 << 20))
    sandbox.write("holder.py", (AGENTS / "holder.py").read_bytes())
    sandbox.own()
    return sandbox


def hold(box, profile, *more):
    result = box.exec("python3", "holder.py", "notes/a.txt", str(box.home / ".gitconfig"), *more, profile=profile)
    assert result.code == 0, result.err
    return result, json.loads(result.out)


def revocations(result):
    return [record["data"] for record in result.records if record.get("name") == "revoked"]


@pytest.mark.trick("what the new epoch forbids is taken back before its bytes are delivered", stops="revocation")
@pytest.mark.parametrize(
    ("busy", "files"),
    [
        pytest.param((), {1}, id="alone"),
        # Threads of a busy holder make a second file there, which may or may not be open when the epoch begins.
        pytest.param(("busy",), {1, 2}, id="busy"),
    ],
)
def test_what_the_new_epoch_forbids_is_taken_back_before_its_bytes_are_delivered(box, busy, files):
    result, seen = hold(box, box.profile(RULE), *busy)
    assert set(seen["before"].values()) == {"ok"}
    assert seen["after"] == {
        "read": "EACCES",
        "write": "EACCES",
        "shared mapping": "SIGBUS",
        "private mapping": "SIGBUS",
        "open": "EACCES",
        "stat": "EACCES",
        "fstat": "EACCES",
        "other": "ok",
    }
    (revoked,) = revocations(result)
    assert revoked["files"] in files
    reasons = {record["reason"] for record in result.denials if record["object"].endswith("notes/a.txt")}
    assert reasons == {"constitution.notes-close"}


def test_where_nothing_becomes_forbidden_nothing_is_taken_back(box):
    result, seen = hold(box, "default")
    assert seen["before"] == seen["after"]
    assert "private" in {name for record in result.records for name in record.get("taint", ())}
    assert revocations(result) == []


DEMOTING = """
name = "mine"
extends = "default"
replaces = ["demotions"]

[[demotions]]
signal = "denials"
count = 10
tier = "untrusted"
"""
PROBING = """
import mmap, os, signal, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
view = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
first = view[0]
refused = 0
for _ in range(10):
    try:
        os.open(".env", os.O_RDONLY)
    except PermissionError:
        refused += 1
def outcome(action):
    try:
        action()
        return "ok"
    except OSError as error:
        return error.strerror
child = os.fork()
if child == 0:
    os._exit(len(view[:1]) - 1)
status = os.waitpid(child, 0)[1]
mapped = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "ok"
print(refused, outcome(lambda: os.pread(fd, 1, 0)), mapped, outcome(lambda: open("new.txt", "w")), sep="|")
"""


def test_who_is_denied_too_often_is_trusted_less_and_loses_what_was_open(box):
    box.write(".env", "TOKEN=abc")
    box.write("probing.py", PROBING)
    result = box.exec("python3", "probing.py", str(box.home / ".gitconfig"), profile=box.profile(DEMOTING))
    assert result.text.strip() == "10|Permission denied|SIGBUS|Permission denied"
    events = [(record["name"], record["data"]) for record in result.records if record["kind"] == "event"]
    ((_, demoted),) = [event for event in events if event[0] == "demoted"]
    assert (demoted["before"], demoted["tier"], demoted["signal"]) == ("standard", "untrusted", "denials")
    assert ("revoked", {"files": 1, "names": 0}) in events

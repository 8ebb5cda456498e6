"""The field's own stressors find no more faults inside than outside: fio, stress-ng, dbench, SQLite, git.

Each bounds what it does by operations or bytes, and verifies. Outside they run without capabilities, as inside.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.harness import AGENTS
from tests.e2e.test_same_semantics import WITHOUT_CAPABILITIES

PROFILE = 'name = "stressed"\nextends = "default"\n[limits]\nprocesses = 4096\nlog_bytes = "1GiB"\n'
SMALL = "1m"  # the least that stress-ng takes
STRESSORS = (
    "access=5", "aio=10", "chattr=5", "chmod=10", "chown=50", "copy-file=10", "dentry=100,dentries=50", "dir=100",
    "dirdeep=100,dirdeep-inodes=100", "dirmany=200", "dnotify=5", "dup=50", f"fallocate=2,fallocate-bytes={SMALL}",
    "fcntl=50", f"fiemap=10,fiemap-bytes={SMALL}", "file-ioctl=20", "filename=10", "flock=50", "fsize=2", "fstat=50",
    "getdent=50", "handle=5", f"hdd=50,hdd-bytes={SMALL}", "inotify=1", f"iomix=30,iomix-bytes={SMALL}", "lease=20",
    "locka=50", "lockf=50", "lockofd=50", "mknod=30", "mmap=3,mmap-bytes=256k", f"msync=5,msync-bytes={SMALL}",
    "open=50",
    f"readahead=20,readahead-bytes={SMALL}", "rename=50", f"revio=50,revio-bytes={SMALL}",
    f"seek=100,seek-size={SMALL}", "sendfile=20,sendfile-size=256k", "splice=50",
    f"sync-file=1,sync-file-bytes={SMALL}",
    "tee=20", "touch=50", "utime=50", "verity=2", "xattr=2",
)  # fmt: skip
"""Of those about files. Not chdir, link, symlink (8,192 names each turn), fpunch, inode-flags, mmapfork (no bound)."""
DIFFERENT = {
    ("fiemap", "root"): ("skipped", "not supported"),
    ("fiemap", "user"): ("skipped", "not supported"),
    ("handle", "root"): ("failed", "errno=95"),
    ("handle", "user"): ("failed", "errno=95"),
    ("chown", "user"): ("failed", "errno=22"),
}
"""Stressor → its outcome inside and what it says.

- fiemap: FUSE has no such request; programs read the file then.
- handle: file handles are refused by policy, because they open objects past names and labels.
- chown: an ordinary user's session knows one id; the kernel answers EINVAL for any other, not EPERM.
"""
FIO = """
[global]
size=256k
bs=4k
rw=randrw
rwmixread=30
verify=crc32c
verify_fatal=1
numjobs=2
fsync=16
direct=0
randrepeat=1
[psync]
ioengine=psync
[mmap]
ioengine=mmap
[libaio]
ioengine=libaio
iodepth=4
"""
DBENCH_LINES = 1000


def natively(box, *argv, **how):
    """Run a command outside, in a directory of its own beside the workspace."""
    outside = box.base / "outside"
    outside.mkdir(exist_ok=True)
    box.own(outside)
    result = box.native(*(WITHOUT_CAPABILITIES if box.mode == "root" else ()), *argv, workspace=outside, **how)
    assert result.code == 0, (result.text[-2000:], result.err)
    return result


def inside(box, *argv):
    result = box.exec(*argv, profile=box.profile(PROFILE), timeout=180)
    assert result.code == 0, (result.text[-2000:], result.err)
    return result


# ---------------------------------------------------------------------------------------------------------- stress-ng


def outcomes(result):
    return {name: (what, said) for name, what, said in map(json.loads, result.text.splitlines())}


@pytest.fixture(scope="module")
def stressed(shared_sandbox):
    """Return what came of every stressor, inside and outside."""
    agent = str(shared_sandbox.write("stressors.py", (AGENTS / "stressors.py").read_bytes()))
    outside = outcomes(natively(shared_sandbox, "/usr/bin/python3", agent, *STRESSORS, timeout=180))
    return outcomes(inside(shared_sandbox, "/usr/bin/python3", agent, *STRESSORS)), outside


@pytest.mark.needs("program:stress-ng")
@pytest.mark.parametrize("stressor", [each.partition("=")[0] for each in STRESSORS])
def test_what_passes_outside_passes_inside(stressed, stressor, mode):
    found, expected = stressed[0][stressor], stressed[1][stressor]
    if (stressor, mode) in DIFFERENT:
        outcome, why = DIFFERENT[stressor, mode]
        assert found[0] == outcome and why in found[1], found
    elif expected[0] != "failed":
        assert found[0] in (expected[0], "passed"), found


# ------------------------------------------------------------------------------------------------------- fio, dbench


def jobs_of(text):
    report = json.loads(text[text.index("{") :])
    return {
        job["jobname"]: (job["error"], job["read"]["total_ios"], job["write"]["total_ios"]) for job in report["jobs"]
    }


@pytest.mark.needs("program:fio")
@pytest.mark.parametrize("place", ["workspace", "scratch"])
def test_fio_verifies_what_it_wrote(sandbox, place):
    jobs = str(sandbox.write("jobs.fio", FIO))
    directory = "." if place == "workspace" else "/tmp"
    found = jobs_of(inside(sandbox, "fio", f"--directory={directory}", "--output-format=json", jobs).text)
    assert found == jobs_of(natively(sandbox, "fio", "--directory=.", "--output-format=json", jobs).text)
    assert all(error == 0 and reads and writes for error, reads, writes in found.values())


def operations_of(result):
    said = result.text + result.err
    faults = [line for line in said.splitlines() if re.search(r"failed|ERROR", line) and "semaphore" not in line]
    return {line.split()[0] for line in said.splitlines() if re.match(r" \w+ +\d+ +[\d.]+ +[\d.]+$", line)}, faults


@pytest.mark.needs("program:dbench")
def test_dbench_does_the_same_without_errors(sandbox):
    with open("/usr/share/dbench/client.txt") as load:
        text = "".join(line for _, line in zip(range(DBENCH_LINES), load, strict=False))
    words = "dbench", "-c", str(sandbox.write("load.txt", text)), "-t", "1", "-x", "2"  # second, clients
    found, expected = operations_of(inside(sandbox, *words)), operations_of(natively(sandbox, *words))
    assert found == expected
    assert {"NTCreateX", "WriteX", "ReadX", "Rename", "Unlink", "Find"} <= found[0]
    assert not found[1]


# ------------------------------------------------------------------------------------------------------- SQLite, git


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_sqlite_loses_nothing_when_its_writers_are_killed(sandbox, journal):
    agent = str(sandbox.write("killed_writers.py", (AGENTS / "killed_writers.py").read_bytes()))
    lines = inside(sandbox, "/usr/bin/python3", agent, journal).text.splitlines()
    assert lines == [f"{journal} {journal} [('ok',)] set() []"] * 2


@pytest.mark.needs("program:sqlite3")
def test_sqlite_of_the_shell_passes_its_selftest(sandbox):
    script = ".selftest --init\nCREATE TABLE t(a, b);\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
    script += "WHERE i < 2000) INSERT INTO t SELECT i, hex(randomblob(50)) FROM n;\n.selftest --init\nVACUUM;\n"
    sandbox.write("script.sql", script + ".selftest\nPRAGMA integrity_check;\n")
    said = inside(sandbox, "/bin/sh", "-c", "sqlite3 a.db <script.sql").text
    assert re.search(r"\b0 errors out of [1-9]\d* tests", said), said
    assert said.endswith("ok\n")


@pytest.mark.needs("program:git")
def test_git_keeps_a_repository_whole_under_many_hands(sandbox):
    script = str(sandbox.write("gits.sh", (AGENTS / "gits.sh").read_bytes()))
    found = inside(sandbox, "/bin/sh", script)
    assert found.text == natively(sandbox, "/bin/sh", script).text, found.err
    assert "garbage: 0" in found.text

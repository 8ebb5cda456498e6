"""The whole shell under a real kernel: mounted in a mount namespace of its own, with real programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.needs("root", "fuse")]

Mounted = Callable[..., dict]
POSIX = str(Path(__file__).with_name("posix_agent.py"))


@pytest.mark.parametrize("caching", ["workspace", "system"])
def test_posix(mounted: Mounted, ws: Path, caching: str) -> None:
    mounts = [{"path": "/ws", "source": str(ws), "caching": caching}]
    done = mounted(f"cd ws && exec {sys.executable} -W error::ResourceWarning {POSIX}", mounts=mounts)
    assert (done["rc"], done["out"]) == (0, "all as POSIX says\n"), done["err"]


def test_what_is_refused_and_how(mounted: Mounted, ws: Path) -> None:
    (ws / ".env").write_text("KEY=1")
    (ws / "link").symlink_to(".env")
    mounts = [
        {"path": "/ws", "source": str(ws)},
        {"path": "/usr", "source": "/usr", "mode": "ro", "label": "system", "caching": "system"},
    ]
    script = """
        export LC_ALL=C
        for attempt in 'cat ws/.env' 'cat ws/link' 'ln ws/.env ws/copy' 'mv ws/.env ws/copy' 'cat etc/shadow' \\
            'touch usr/new' 'rm usr/bin/env' 'mkdir new' 'rmdir ws'; do
            $attempt 2>&1 | sed 's/.*: //' || true
        done
    """
    changing = ("write", "create", "delete", "rename")
    deny = [["fs.read", "secret"], *(["fs." + tool, "system"] for tool in changing)]
    done = mounted(script, mounts=mounts, rules={"*/.env": "secret"}, deny=deny)
    assert done["out"].splitlines() == [
        "Permission denied", "Permission denied", "Permission denied", "Permission denied", "No such file or directory",
        "Read-only file system", "Read-only file system", "Read-only file system", "Device or resource busy",
    ]  # fmt: skip
    assert ["fs.read", "/ws/.env", "secret", False] in done["calls"]
    assert ["fs.create", "/ws/copy", "secret", False] in done["calls"]
    assert ["fs.stat", "/etc", "outside", False] in done["calls"]
    assert sorted(os.listdir(ws)) == [".env", "link"]


@pytest.mark.needs("program:git")
def test_git(mounted: Mounted, ws: Path) -> None:
    script = """
        cd ws; export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
        git config --global user.email a@example.com; git config --global user.name A
        git init -q src; cd src; for i in $(seq 100); do echo $i > $i; done; git add .; git commit -qm one; cd ..
        git clone -q src dst; cd dst; git status --short; echo more >> 1; git commit -qam two
        git fsck --strict; git gc -q; git status --short; git log --oneline | wc -l
        git remote add other ../src; git fetch -q other; git branch -q x; git branch -m x y
    """
    done = mounted(script)
    assert (done["rc"], done["out"]) == (0, "2\n"), done["err"]
    refused = mounted("cd ws/dst && HOME=$PWD git config core.pager 'run me'")
    assert refused["rc"] != 0
    assert "run me" not in (ws / "dst/.git/config").read_text()


def test_sqlite_with_and_without_wal(mounted: Mounted) -> None:
    script = """
import sqlite3
for mode in ("delete", "wal"):
    db = sqlite3.connect(f"{mode}.db")
    print(*db.execute(f"pragma journal_mode={mode}").fetchone())
    db.execute("create table t(a)")
    db.executemany("insert into t values (?)", [(i,) for i in range(500)])
    db.commit()
    print(*db.execute("select count(*) from t").fetchone(), *db.execute("pragma integrity_check").fetchone())
    db.close()
"""
    done = mounted(["sh", "-c", 'cd ws && exec "$0" -c "$1"', sys.executable, script])
    assert done["out"].split() == ["delete", "500", "ok", "wal", "500", "ok"], done["err"]


@pytest.mark.needs("program:tar")
def test_tar_of_many_files(mounted: Mounted, ws: Path) -> None:
    for index in range(400):
        (ws / "tree" / str(index % 20)).mkdir(parents=True, exist_ok=True)
        (ws / "tree" / str(index % 20) / str(index)).write_text(str(index))
    done = mounted("cd ws; tar cf all.tar tree; mkdir out; tar xf all.tar -C out; diff -r tree out/tree; rm -r tree")
    assert (done["rc"], done["out"]) == (0, ""), done["err"]
    assert sum(1 for path in (ws / "out").rglob("*") if path.is_file()) == 400


def test_nodes_of_removed_files_vanish(mounted: Mounted) -> None:
    done = mounted("cd ws; for i in $(seq 300); do echo > $i; rm $i; done")
    assert done["nodes"] < 20


def test_killed_programs_leave_the_mount_working(mounted: Mounted, ws: Path) -> None:
    (ws / "f").write_text("x" * 100_000)
    script = """
        cd ws
        for i in $(seq 40); do
            (while :; do cat f f f; stat absent; done >/dev/null 2>&1) & victim=$!
            ls >/dev/null; kill -9 $victim; wait $victim 2>/dev/null || true
        done
        cat f | wc -c
    """
    done = mounted(["bash", "-uc", script])
    assert done["out"] == "100000\n", done["err"]


def test_every_read_of_a_sensitive_tree_is_asked_for(mounted: Mounted, ws: Path) -> None:
    (ws / "f").write_text("x")
    for caching, reads in (("sensitive", 3), ("workspace", 3)):
        mounts = [{"path": "/ws", "source": str(ws), "caching": caching}]
        done = mounted("cat ws/f; cat ws/f; cat ws/f", mounts=mounts)
        assert done["out"] == "xxx"
        asked = [call for call in done["calls"] if call[0] == "fs.read"]
        assert len(asked) >= 2 * reads


def test_the_walk_of_a_system_tree_is_small(mounted: Mounted) -> None:
    mounts = [{"path": "/usr", "source": "/usr/share", "mode": "ro", "label": "system", "caching": "system"}]
    done = mounted("find usr -xdev | wc -l; find usr/doc -maxdepth 1 -ls | wc -l", mounts=mounts, fast=True)
    inside = int(done["out"].split()[0])
    outside = sum(len(directories) + len(files) for _, directories, files in os.walk("/usr/share")) + 1
    assert inside == outside
    assert done["rss_kib"] < 200 * 1024
    assert done["nodes"] <= inside + 10

"""What another program of the user changes in the workspace is seen inside, although names and attributes are lent."""

from __future__ import annotations

import json
import os

AGENT = """
import json, os, sys, time
def look():
    found = {}
    for top, folders, files in sorted(os.walk(".")):
        for name in folders + files:
            stat = os.lstat(f"{top}/{name}")
            found[f"{top}/{name}"] = [stat.st_mode, stat.st_size if name in files else 0, stat.st_mtime_ns, stat.st_ino]
    return found
os.chdir("tree")
until = time.monotonic() + 2.5  # what changed a moment ago is asked for each time
while time.monotonic() < until:
    look(); time.sleep(0.1)
print("held", flush=True)
wanted = json.loads(sys.stdin.readline())
until = time.monotonic() + 30
while look() != wanted and time.monotonic() < until:
    time.sleep(0.02)
print(json.dumps({"seen": look() == wanted, "stands": os.getcwd()}))
"""


def _look(top):
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            stat = os.lstat(f"{folder}/{name}")
            path = "." + f"{folder}/{name}".removeprefix(str(top))
            found[path] = [stat.st_mode, stat.st_size if name in files else 0, stat.st_mtime_ns, stat.st_ino]
    return found


def _change(tree):
    """Change everything that can be changed from outside."""
    (tree / "written").write_text("more")
    (tree / "new").write_text("another")
    (tree / "new").rename(tree / "replaced")
    (tree / "removed").unlink()
    (tree / "moded").chmod(0o600)
    os.utime(tree / "touched", (7, 7))
    (tree / "renamed").rename(tree / "folder" / "renamed")
    (tree / "moved").rename(tree / "moved elsewhere")
    (tree / "folder" / "added").write_text("x")
    (tree / "folder").chmod(0o750)
    with open(tree / "mapped", "r+b") as file:
        file.write(b"through a descriptor that stays open for a while")


def test_the_host_changes_what_the_agent_has_looked_at(sandbox):
    tree = sandbox.workspace / "tree"
    for folder in ("folder", "moved"):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "below").write_text(folder)
    for name in ("written", "replaced", "removed", "moded", "touched", "renamed", "mapped", "still"):
        (tree / name).write_text(name)
    sandbox.own(tree)
    with sandbox.start("--", "/usr/bin/python3", "-c", AGENT, stdin=-1) as running:
        running.read_until(b"held")
        _change(tree)
        running.process.stdin.write(json.dumps(_look(tree)).encode() + b"\n")
        running.process.stdin.flush()
        result = running.end()
    assert json.loads(result.text.splitlines()[-1]) == {"seen": True, "stands": str(tree)}

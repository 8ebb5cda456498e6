"""Each shipped principle against a real program that breaks it, and one that looks alike and does not.

The profile grants everything that a profile can, so that the principles alone stand between. Those about hosts (secrets
stay inside, internal addresses, bulk upload, scanning) are in test_internet_principles.py, with real connections.
"""

from __future__ import annotations

import json
import subprocess

import pytest

GENEROUS = """
name = "generous"
extends = "default"
tier = "trusted"

[[mounts]]
path = "{base}/private"
mode = "rw"
label = "private"
exec = true

[[mounts]]
path = "{base}/system"
mode = "rw"
label = "system"

[[capabilities]]
tools = ["fs.stat", "fs.list", "fs.read", "fs.write", "fs.create", "fs.delete", "fs.rename", "fs.setattr", "proc.exec"]
labels = ["system", "private", "watched", "secret"]

# The principles alone are asked about here.
[probe]
tools = ["mcp.call"]
"""
OLD = {
    "much": [str(number) for number in range(250)],
    "few": [str(number) for number in range(100)],
    "build": [str(number) for number in range(250)],
    "tests": [f"test_{number}.py" for number in range(8)],
    "unit": ["test_a.py", "test_b.py", *(f"{number}.txt" for number in range(8))],
}
"""What is there before the session begins."""
COMMIT = "git -c user.name=Ada -c user.email=ada@example.com commit -q"


@pytest.fixture(scope="module")
def box(shared_sandbox):
    box = shared_sandbox
    for name in ("private", "system"):
        (box.base / name).mkdir()
        (box.base / name / "file.txt").write_text("x")
    (box.base / "private" / "tool").write_text("#!/bin/sh\necho ran\n")
    (box.base / "private" / "tool").chmod(0o755)
    box.write(".env", "TOKEN=abc")
    for directory, names in OLD.items():
        (box.workspace / directory).mkdir()
        for name in names:
            (box.workspace / directory / name).touch()
    box.write("tool", "#!/bin/sh\necho ran\n", 0o755)
    box.profile(GENEROUS.format(base=box.base), "generous.toml")
    subprocess.run(["git", "init", "-q"], cwd=box.workspace, env=box.environment(), check=True)
    box.own()
    return box


@pytest.fixture
def run(box):
    """Return a function that runs a script and returns the result and the principles that denied something."""

    def attempt(script: str):
        result = box.exec("bash", "-c", script, profile=str(box.base / "generous.toml"))
        blamed = set()
        for record in result.denials:
            if record["layer"] == "constitution":
                is_ask = record["reason"].startswith("constitution.ask_")
                reason = record["verdicts"][-1][3] if is_ask else record["reason"]
                blamed.add(reason.partition(":")[0].removeprefix("constitution."))
        return result, blamed

    return attempt


BREAKS = {
    "changes-stay-in-the-workspace": "sed -i s/x/y/ {base}/system/file.txt; rm {base}/private/file.txt",
    "secrets-are-not-changed": "mv .env env.txt; rm .env",
    "credentials-do-not-run": "{base}/private/tool",
    "nothing-persists": "cp tool .envrc; cp tool .git/hooks/pre-commit",
    "the-guard-stays": "mkdir -p .config/gmcp-sandbox && cp tool .config/gmcp-sandbox/mine.toml",
    "no-mass-deletion": "rm -rf much",
    "tests-stay": "rm -f tests/test_?.py",
}
"""Principle → what breaks it; it ends with an error, and the principle is blamed."""

LOOK_ALIKES = {
    "changes-stay-in-the-workspace": "cat {base}/private/tool {base}/system/file.txt > both.txt; rm both.txt",
    "secrets-are-not-changed": "echo a > .env.example; rm .env.example",
    "credentials-do-not-run": "./tool",
    "nothing-persists": "cp tool .git/hooks/mine.sample; cat .git/hooks/*.sample > /dev/null",
    "the-guard-stays": "mkdir -p .config/other; cp tool .config/other/mine.toml",
    "no-mass-deletion": "rm -r build few; mkdir own; cd own; seq 300 | xargs touch; cd ..; rm -r own",
    "tests-stay": "cd unit; rm test_a.py *.txt; mv test_b.py test_c.py; touch test_{{1..7}}.py; rm test_[1-7].py",
}


@pytest.mark.parametrize("principle", BREAKS)
def test_who_breaks_a_principle_is_stopped_by_it(box, run, principle):
    result, blamed = run(BREAKS[principle].format(base=box.base))
    assert result.code != 0
    assert blamed == {principle.strip()}


def test_who_looks_alike_is_not(box, run):
    scripts = [f"({script.format(base=box.base)})" for script in LOOK_ALIKES.values()]
    result, blamed = run("set -e; " + "; ".join(scripts))
    assert (result.code, blamed) == (0, set()), result.err


@pytest.mark.needs("program:git")
def test_history_is_not_rewritten_but_goes_on(run):
    result, blamed = run(f"echo 1 > a && git add a && {COMMIT} -m one && {COMMIT} --amend -m two && git log --oneline")
    assert (result.code, blamed) == (0, set()), result.err
    result, blamed = run("FILTER_BRANCH_SQUELCH_WARNING=1 git filter-branch --msg-filter 'sed s/t/u/' HEAD")
    assert result.code != 0
    assert blamed == {"history-is-not-forced"}
    result, blamed = run("mkdir -p .git/info && echo x > .git/info/grafts")
    assert result.code != 0
    assert blamed == {"history-stays"}


def test_forced_pushes_as_decide_tells(box):
    profile = str(box.base / "generous.toml")
    answers = []
    for last in ("--force-with-lease", "origin"):
        words = ("path=/usr/bin/git", "argv=git", "argv=push", f"argv={last}")
        result = box.command("decide", "-p", profile, "--json", "proc.exec", *words)
        answers.append((result.code, json.loads(result.out)["verdicts"][-1]["reason"]))
    assert answers == [(1, "constitution.history-is-not-forced"), (0, "constitution.ok")]

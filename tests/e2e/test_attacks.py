"""Tricks that worked once, each under the name of what it does. What counts is what the host has afterwards."""

from __future__ import annotations

import os
import subprocess

import pytest

HOOK = "#!/bin/sh\\ntouch ran\\n"
WATCHED = {"label": "watched", "outcome": "deny"}


def _agent(sandbox, body, **how):
    """Run a Python program inside; `attempt(name)` prints how a function ended."""
    program = f"""
import ctypes, os, shutil, sys

def attempt(function):
    try:
        print(function.__name__, "DONE", function())
    except OSError as error:
        print(function.__name__, "REFUSED", error.errno)

HOOK = "{HOOK}"
{body}
"""
    sandbox.write("agent.py", program)
    result = sandbox.exec("python3", "agent.py", **how)
    assert result.code == 0, result.err
    return dict(line.split(" ", 1) for line in result.text.splitlines()), result


def _repository(sandbox):
    subprocess.run(["git", "init", "-q"], cwd=sandbox.workspace, env=sandbox.environment(), check=True)
    sandbox.own()
    return sandbox.workspace / ".git"


@pytest.mark.trick(
    "a hard link to a symbolic link does not become the hooks directory",
    stops="labels and contents are judged by the object, whatever name it gets",
)
@pytest.mark.needs("program:git")
def test_a_hard_link_to_a_symbolic_link_does_not_become_the_hooks_directory(sandbox):
    git = _repository(sandbox)
    outcome, result = _agent(
        sandbox,
        """
os.mkdir("evil")
with open("evil/pre-commit", "w") as file:
    file.write(HOOK)
os.symlink("../evil", "pointer")
shutil.rmtree(".git/hooks")

@attempt
def hard_link():
    os.link("pointer", ".git/hooks", follow_symlinks=False)

@attempt
def symbolic_link():
    os.symlink("../evil", ".git/hooks")

@attempt
def renamed_link():
    os.rename("pointer", ".git/hooks")
""",
    )
    assert set(outcome.values()) == {"REFUSED 13"}
    assert not (git / "hooks").exists()
    assert [record["tool"] for record in result.denials if record["label"] == "watched"] == [
        "fs.create",
        "fs.create",
        "fs.rename",
    ]


@pytest.mark.trick(
    "a symbolic link in a directory that moves brings no workflows",
    stops="labels and contents are judged by the object, whatever name it gets",
)
def test_a_symbolic_link_in_a_directory_that_moves_brings_no_workflows(sandbox):
    outcome, _ = _agent(
        sandbox,
        """
os.mkdir("innocent")
os.symlink("../evil", "innocent/workflows")

@attempt
def move():
    os.rename("innocent", ".github")

os.unlink("innocent/workflows")
os.mkdir("innocent/workflows")

@attempt
def move_directories():
    os.rename("innocent", ".github")
""",
    )
    assert outcome == {"move": "REFUSED 13", "move_directories": "DONE None"}
    assert not (sandbox.workspace / ".github" / "workflows").is_symlink()


@pytest.mark.trick(
    "no hooks where packages lie for a git file or commondir to point to",
    stops="labels and contents are judged by the object, whatever name it gets",
)
@pytest.mark.needs("program:git")
def test_no_hooks_where_packages_lie_for_a_git_file_or_commondir_to_point_to(sandbox):
    _repository(sandbox)
    outcome, _ = _agent(
        sandbox,
        """
os.makedirs("node_modules/x/hooks")
os.makedirs("node_modules/y/.git/hooks")

@attempt
def hook():
    open("node_modules/x/hooks/pre-commit", "w").write(HOOK)

@attempt
def nested_hook():
    open("node_modules/y/.git/hooks/pre-commit", "w").write(HOOK)

@attempt
def linked_hooks():
    os.symlink("../../evil", "node_modules/hooks")
""",
    )
    assert set(outcome.values()) == {"REFUSED 13"}


@pytest.mark.trick(
    "no link through which git would write beside the repository",
    stops="labels and contents are judged by the object, whatever name it gets",
)
@pytest.mark.needs("program:git")
def test_no_link_through_which_git_would_write_beside_the_repository(sandbox):
    git = _repository(sandbox)
    target = sandbox.home / ".bashrc"
    outcome, _ = _agent(
        sandbox,
        f"""
os.symlink("{target}", "pointer")
os.makedirs("other/logs")
os.symlink("{target}", "other/logs/HEAD")
os.makedirs(".git/logs", exist_ok=True)

@attempt
def reflog():
    os.symlink("{target}", ".git/logs/HEAD")

@attempt
def message():
    os.rename("pointer", ".git/COMMIT_EDITMSG")

@attempt
def directory():
    os.rename("other", ".git/other")

@attempt
def whole():
    os.rename(".git", "former")
    os.rename("other", ".git")

os.path.isdir("former") and os.rename("former", ".git")

@attempt
def worktree():
    os.symlink("{sandbox.home}", "link")
    with open(".git/config", "a") as file:
        file.write("[core]\\n\\tworktree = ../link\\n")

@attempt
def pointer_file():
    os.makedirs("sub/x")
    with open("sub/.git", "w") as file:
        file.write("gitdir: x\\n")

@attempt
def common():
    with open(".git/commondir", "w") as file:
        file.write("../other\\n")
""",
    )
    assert set(outcome.values()) == {"REFUSED 13"}
    assert not [path for path in git.rglob("*") if path.is_symlink()]


@pytest.mark.trick(
    "settings that run or write by way of gits own scripts",
    stops="labels and contents are judged by the object, whatever name it gets",
)
@pytest.mark.needs("program:git")
@pytest.mark.parametrize(
    "setting",
    [
        "[alias]\\n\\tst = log -1 --format=%B --output=/home/ada/.bashrc\\n",
        "[diff]\\n\\ttool = ../../../../srv/evil\\n",
        '[mergetool "vimdiff"]\\n\\tlayout = `touch ran`\\n',
        "[http]\\n\\tsaveCookies = true\\n\\tcookieFile = /home/ada/.bashrc\\n",
    ],
)
def test_settings_that_run_or_write_by_way_of_gits_own_scripts(sandbox, setting):
    git = _repository(sandbox)
    before = (git / "config").read_bytes()
    outcome, _ = _agent(
        sandbox,
        f"""
SETTING = '''{setting}'''

@attempt
def append():
    with open(".git/config", "a", buffering=1) as file:
        file.write(SETTING)

@attempt
def mapped():
    import mmap
    old = open(".git/config").read()
    with open(".git/copy", "w") as file:
        file.write(old + "#" * len(SETTING))
    os.rename(".git/copy", ".git/config")
    with open(".git/config", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[len(old):] = SETTING.encode()
        memory.flush()

@attempt
def lock_and_rename():
    with open(".git/config.lock", "w") as file:
        file.write(SETTING)
    os.rename(".git/config.lock", ".git/config")
""",
    )
    assert outcome["append"] == outcome["lock_and_rename"] == "REFUSED 13"
    after = (git / "config").read_bytes()
    assert after.startswith(before) and set(after[len(before) :]) <= set(b"#")


@pytest.mark.trick(
    "a second name of the configuration that the host left",
    stops="labels and contents are judged by the object, whatever name it gets",
)
@pytest.mark.needs("program:git")
def test_a_second_name_of_the_configuration_that_the_host_left(sandbox):
    git = _repository(sandbox)
    os.link(git / "config", sandbox.workspace / "innocent")
    before = (git / "config").read_bytes()
    outcome, _ = _agent(
        sandbox,
        """
@attempt
def by_path():
    os.truncate("innocent", 1)

@attempt
def append():
    with open("innocent", "a") as file:
        file.write("[core]\\\\n\\\\tfsmonitor = ./evil\\\\n")
""",
    )
    assert set(outcome.values()) == {"REFUSED 13"}
    assert (git / "config").read_bytes() == before


@pytest.mark.trick(
    "attributes of a credential by a hard link that was never opened",
    stops="labels and contents are judged by the object, whatever name it gets",
)
def test_attributes_of_a_credential_by_a_hard_link_that_was_never_opened(sandbox):
    key = sandbox.home / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("key")
    key.chmod(0o600)
    os.link(key, sandbox.workspace / "innocent")
    sandbox.own()
    outcome, _ = _agent(
        sandbox,
        """
@attempt
def mode():
    os.chmod("innocent", 0o666)

@attempt
def length():
    os.truncate("innocent", 0)

@attempt
def attribute():
    os.setxattr("innocent", "user.x", b"x")
""",
    )
    assert set(outcome.values()) == {"REFUSED 13"}
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("key", 0o600)


@pytest.mark.trick(
    "a link called venv does not open another environment",
    stops="labels and contents are judged by the object, whatever name it gets",
)
def test_a_link_called_venv_does_not_open_another_environment(sandbox):
    other = sandbox.base / "other"
    (other / "bin").mkdir(parents=True)
    (other / "lib").mkdir()
    (other / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (other / "lib" / "mark").write_text("SECRET-MARK")
    (sandbox.workspace / ".venv").symlink_to(other)
    sandbox.own()
    outcome, _ = _agent(sandbox, f'@attempt\ndef read():\n    return open("{other}/lib/mark").read()\n')
    assert outcome == {"read": "REFUSED 2"}


@pytest.mark.trick(
    "where the workspace lies opens no secret in it",
    stops="labels go by the name below the workspace, not by its place",
)
@pytest.mark.parametrize("above", ["tests", "node_modules/app"])
def test_where_the_workspace_lies_opens_no_secret_in_it(sandbox, above):
    workspace = sandbox.base / above
    workspace.mkdir(parents=True)
    for name in (".env", "server.key"):
        (workspace / name).write_text("SECRET-MARK")
    sandbox.own(workspace)
    ungated = sandbox.profile('name = "x"\nextends = "default"\n')
    result = sandbox.exec("sh", "-c", "cat .env server.key", workspace=workspace, profile=ungated)
    assert result.text == ""
    assert {record["label"] for record in result.denials} >= {"secret"}


@pytest.mark.trick("many open directories do not fill the supervisors memory", stops="bounds on open directories")
def test_many_open_directories_do_not_fill_the_supervisors_memory(sandbox):
    outcome, _ = _agent(
        sandbox,
        """
import resource
os.mkdir("/tmp/big")
for number in range(4000):
    os.mknod(f"/tmp/big/{number:0200d}")
page = ctypes.create_string_buffer(1024)
libc = ctypes.CDLL(None, use_errno=True)
refused = 0
for _ in range(400):
    directory = os.open("/tmp/big", os.O_RDONLY | os.O_DIRECTORY)
    if libc.syscall(217, directory, page, len(page)) < 0:
        refused += 1
print("refused", refused > 0, ctypes.get_errno())
""",
    )
    assert outcome == {"refused": "True 23"}


@pytest.mark.trick(
    "names of any kind are one record each and escaped", stops="names are JSON in the log and escaped when printed"
)
def test_names_of_any_kind_are_one_record_each_and_escaped(sandbox):
    outcome, result = _agent(
        sandbox,
        r"""
for name in (b"a\nb", b"\x1b[31mred", b"\xff\xfe", "\u202egnp.exe".encode(), b'","outcome":"allow"}', b"n" * 255):
    open(name, "w").close()
    os.unlink(name)
print("names", "DONE")
""",
    )
    shown = sandbox.command("audit", "show", result.session)
    assert shown.code == 0 and outcome == {"names": "DONE"}
    assert all(line.isprintable() for line in shown.text.splitlines())
    created = [record["object"] for record in result.records if record.get("tool") == "fs.create"]
    assert len(created) == 6

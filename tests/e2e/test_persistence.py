"""What stays and what goes: homes, scratch trees, and workspaces whose git directory lies elsewhere."""

from __future__ import annotations

import subprocess

import pytest

from tests.e2e.harness import ROOT

KEEP = 'name = "keep"\nextends = "default"\n[home]\npersist = true\n'


def _host(sandbox, script):
    subprocess.run(["bash", "-euc", script], cwd=sandbox.workspace, env=sandbox.environment(), check=True)
    sandbox.own()


def test_a_kept_home_is_kept_for_the_same_agent(sandbox):
    profile = sandbox.profile(KEEP)
    make = (
        "cd; mkdir -p .cache/x; echo mine > .cache/x/file; chmod 600 .cache/x/file; ln -s .cache link; echo t > /tmp/t"
    )
    assert sandbox.exec("sh", "-c", make, profile=profile, options=("--name", "ada")).code == 0
    show = "cat ~/link/x/file; stat -c '%a %u' ~/.cache/x/file; cat /tmp/t"
    again = sandbox.exec("sh", "-c", show, profile=profile, options=("--name", "ada"))
    assert again.text == f"mine\n600 {sandbox.uid}\n" and "No such file" in again.err
    other = sandbox.exec("sh", "-c", "ls -A ~", profile=profile, options=("--name", "bob"))
    assert other.text == ".gitconfig\n"
    assert sorted(path.name for path in sandbox.home.iterdir()) == [".gitconfig"]
    for directory in (sandbox.state / "gmcp-sandbox").rglob("home"):
        assert directory.parent.stat().st_mode & 0o077 == 0


def test_scratch_is_private_and_gone(sandbox):
    script = "for place in ~ /tmp /var/tmp /run /dev/shm; do echo x > $place/file; done; cat ~/file /tmp/file"
    assert sandbox.exec("sh", "-c", script).text == "x\nx\n"
    result = sandbox.exec("sh", "-c", "ls ~ /var/tmp /run /dev/shm; ls /tmp | grep file")
    assert set(result.text.split()) <= {"/dev/shm:", "/run:", "/var/tmp:", f"{sandbox.home}:"}
    assert [path.name for path in sandbox.home.iterdir()] == [".gitconfig"]


def test_listed_files_of_the_home_are_read_only(sandbox):
    result = sandbox.exec(
        "sh",
        "-c",
        "git config user.name; echo x >> ~/.gitconfig; rm ~/.gitconfig; mv ~/.gitconfig ~/x; git config user.name",
    )
    assert result.text == "Ada\nAda\n"
    assert len(result.denials) >= 2


@pytest.mark.needs("program:git")
def test_a_git_worktree(sandbox):
    _host(
        sandbox,
        "git init -q main; cd main; echo 1 > f; git add f; git commit -qm one; git worktree add -q ../tree -b topic",
    )
    tree = sandbox.workspace / "tree"
    script = (
        "git status -s; git log --format=%s; touch g; git add g; git commit -qm two; git log --format=%s; git branch"
    )
    result = sandbox.exec("bash", "-euc", script, workspace=tree)
    assert result.text == "one\ntwo\none\n+ main\n* topic\n", result.err
    main = sandbox.workspace / "main"
    assert sandbox.native("git", "-C", str(main), "log", "--format=%s", "topic").text == "two\none\n"
    attack = sandbox.exec(
        "sh",
        "-c",
        f"echo x > {main}/.git/hooks/pre-commit; git config core.fsmonitor /tmp/x; cat {main}/f",
        workspace=tree,
    )
    assert attack.code != 0 and attack.text == ""
    assert not (main / ".git" / "hooks" / "pre-commit").exists()
    assert "fsmonitor" not in (main / ".git" / "config").read_text()


@pytest.mark.needs("program:git")
def test_a_submodule(sandbox):
    script = """
    git init -q lib; (cd lib; echo 1 > f; git add f; git commit -qm lib)
    git init -q super; cd super
    git -c protocol.file.allow=always submodule add -q "$PWD/../lib" sub; git commit -qm super
    """
    _host(sandbox, script)
    sub = sandbox.workspace / "super" / "sub"
    inside = (
        "git status --short; touch g; git add g; git commit -qm two; git log --format=%s; git rev-parse --show-toplevel"
    )
    result = sandbox.exec("bash", "-euc", inside, workspace=sub)
    assert result.text == f"two\nlib\n{sub}\n", result.err
    assert "new commits" in sandbox.native("git", "-C", str(sandbox.workspace / "super"), "status").text


@pytest.mark.needs("program:git")
def test_a_pointer_that_an_agent_made_up_is_not_followed(sandbox):
    _host(sandbox, "git init -q victim; cd victim; echo secret-plan > f; git add f; git commit -qm one")
    mine = sandbox.workspace / "mine"
    mine.mkdir()
    (mine / ".git").write_text(f"gitdir: {sandbox.workspace}/victim/.git\n")
    sandbox.own()
    result = sandbox.exec(
        *("sh", "-c", f"git log; ls {sandbox.workspace}/victim; cat {sandbox.workspace}/victim/.git/HEAD"),
        workspace=mine,
        profile=sandbox.profile('name = "x"\nextends = "default"\n'),
    )
    assert result.text == ""
    assert "No such file" in result.err
    assert any(record["reason"] == "trust.outside_view" for record in result.denials)


def test_a_scripts_own_interpreter_and_the_products_own_files(sandbox):
    """The product itself lies outside of the view, unless it happens to lie in a toolchain."""
    profile = sandbox.profile('name = "x"\nextends = "default"\n')
    result = sandbox.exec("sh", "-c", f"cat {ROOT}/pyproject.toml", profile=profile)
    assert result.code == 1 and "No such file" in result.err

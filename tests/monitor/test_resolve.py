"""The view of a host: links at the top, what is missing, what is refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gmcp_sandbox.calls.labels import PRIVATE, WATCHED
from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.monitor.resolve import check_workspace, resolve_view
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.profile import MountMode
from gmcp_sandbox.policy.view import View


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = Path(os.path.realpath(tmp_path)) / "home"
    (path / "work").mkdir(parents=True)
    return path


def resolve(home: Path, profile: str = "default", workspace: str = "work", **environ: str) -> View:
    place = home / workspace
    loaded = load_profile(profile, workspace=place, home=home)
    return resolve_view(
        loaded, workspace=place, home=home, environ={"PATH": "/usr/bin:/bin", "HOME": str(home), **environ}
    )


def test_the_default_view(home: Path) -> None:
    view = resolve(home)
    modes = {mount.path: mount.mode for mount in view.mounts}
    assert modes["/usr"] is MountMode.RO
    assert modes[str(home)] is MountMode.SCRATCH
    assert modes[str(home / "work")] is MountMode.RW
    assert "/" not in modes
    if os.path.islink("/bin"):
        assert dict(view.symlinks)["/bin"] == os.readlink("/bin")
        assert "/bin" not in modes


def test_files_of_the_home_are_shown_where_they_exist(home: Path) -> None:
    (home / ".gitconfig").write_text("[user]\nname = x\n")
    (mount,) = [mount for mount in resolve(home).mounts if mount.path == str(home / ".gitconfig")]
    assert (mount.mode, mount.label, mount.executable) == (MountMode.RO, PRIVATE, False)


def test_a_home_file_that_leads_to_a_secret_is_not_shown(home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh/id_rsa").write_text("x")
    (home / ".gitconfig").symlink_to(".ssh/id_rsa")
    view = resolve(home)
    assert str(home / ".gitconfig") not in {mount.path for mount in view.mounts}
    assert any("secret" in note for note in view.notes)


def test_a_missing_source_is_an_error_unless_optional(home: Path) -> None:
    path = home / "x.toml"
    mount = '[[mounts]]\npath = "/data"\nsource = "/nonexistent/data"\nmode = "ro"\nlabel = "private"\n'
    path.write_text(f'name = "x"\nextends = "default"\n{mount}')
    assert "/data" not in {mount.path for mount in resolve(home, str(path)).mounts}
    path.write_text(f'name = "x"\nextends = "default"\n{mount}optional = false\n')
    with pytest.raises(HostError, match="/nonexistent/data"):
        resolve(home, str(path))


def test_a_kept_home_is_marked(home: Path) -> None:
    path = home / "x.toml"
    path.write_text('name = "x"\nextends = "default"\n[home]\npersist = true\n')
    assert [mount.path for mount in resolve(home, str(path)).mounts if mount.persist] == [str(home)]


def test_a_worktree_brings_its_repository(home: Path) -> None:
    main = home / "main"
    main.mkdir()
    for words in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", *words], cwd=main, check=True, capture_output=True)
    subprocess.run(["git", "worktree", "add", "-q", "../tree"], cwd=main, check=True, capture_output=True)
    mounts = {mount.path: mount for mount in resolve(home, workspace="tree").mounts}
    assert mounts[str(main / ".git")].mode is MountMode.RW
    assert str(main) not in mounts


def test_hooks_by_another_name_are_watched(home: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=home / "work", check=True)
    subprocess.run(["git", "config", "core.hooksPath", "tools"], cwd=home / "work", check=True)
    view = resolve(home)
    labels = Labeller(view.mounts, view.path_rules, view.symlinks)
    assert labels.of(str(home / "work/tools/pre-commit")) is WATCHED


@pytest.mark.parametrize(
    "place", ["", "..", "../..", "/", "/etc", "/etc/ssh", "/proc/self", "/usr", "/tmp", "state/gmcp-sandbox"]
)
def test_a_workspace_that_is_more_than_a_project_is_refused(home: Path, place: str) -> None:
    state = home / "state" / "gmcp-sandbox"
    with pytest.raises(UsageError) as caught:
        check_workspace(home / place, home=home, state=state)
    assert "-w DIR" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_link_to_the_home_is_refused_too(home: Path) -> None:
    (home.parent / "link").symlink_to(home)
    with pytest.raises(UsageError):
        check_workspace(home.parent / "link", home=home, state=home / ".local/state")


def test_a_project_is_fine(home: Path) -> None:
    check_workspace(home / "work", home=home, state=home / ".local/state")


def test_the_state_directory_is_shown_nowhere(home: Path) -> None:
    (home / "state/gmcp-sandbox").mkdir(parents=True)
    own = home / "own.toml"
    own.write_text(
        f'name = "own"\nextends = "default"\n'
        f'[[mounts]]\npath = "/data"\nsource = "{home}/state"\nmode = "rw"\nlabel = "workspace"\n'
    )
    view = resolve(home, str(own), XDG_STATE_HOME=str(home / "state"))
    assert {mount.path: mount.mode for mount in view.mounts}["/data/gmcp-sandbox"] is MountMode.HIDDEN


def test_files_that_git_includes_are_watched(home: Path) -> None:
    subprocess.run(["git", "init", "-q", str(home / "work")], check=True)
    subprocess.run(["git", "config", "include.path", "../team.inc"], cwd=home / "work", check=True)
    view = resolve(home)
    assert Labeller(view.mounts, view.path_rules).of(str(home / "work/team.inc")) is WATCHED

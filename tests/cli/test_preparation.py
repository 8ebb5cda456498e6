"""From words to a session: what fits together, and what is refused with a name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gmcp_sandbox.cli.explanations import EXPLANATIONS_MOUNT
from gmcp_sandbox.cli.preparation import prepare, with_kept_home
from gmcp_sandbox.errors import AgentError, ProfileError, UsageError
from gmcp_sandbox.monitor.statedir import StateDir
from gmcp_sandbox.policy.profile import MountMode
from gmcp_sandbox.proc.identity import Identity
from tests.children import in_child
from tests.cli.launches import Place, words_of_exec


def test_a_program_is_run_as_it_stands(place: Place) -> None:
    prepared = place.prepare("--", "ls", "-l", "--color", "\udcff")
    assert prepared.program.argv == (b"ls", b"-l", b"--color", b"\xff")
    assert prepared.agent == "ls"
    assert prepared.identity == Identity.of_caller()
    assert (prepared.workspace, prepared.home) == (str(place.work), str(place.home))


def test_a_script_is_run_by_the_callers_python(place: Place) -> None:
    (place.work / "agent.py").write_text("")
    prepared = place.prepare("agent.py", "--task", "x")
    interpreter, *rest = prepared.program.argv
    assert rest == [os.fsencode(place.work / "agent.py"), b"--task", b"x"]
    assert os.path.basename(interpreter).startswith(b"python")
    assert prepared.agent == "agent"


def test_a_name_may_be_given(place: Place) -> None:
    assert place.prepare("--name", "coder", "true").agent == "coder"


def test_only_listed_variables_go_inside(place: Place) -> None:
    environment = place.prepare("true", LC_ALL="C").program.environment
    assert environment[b"HOME"] == os.fsencode(place.home)
    assert environment[b"LC_ALL"] == b"C"
    assert b"SECRET_TOKEN" not in environment


def test_the_workspace_is_shown_and_writable_and_where_it_is_outside(place: Place) -> None:
    (mount,) = [mount for mount in place.prepare("true").view.mounts if mount.path == str(place.work)]
    assert (mount.source, mount.mode) == (str(place.work), MountMode.RW)


def test_a_link_to_the_workspace_is_followed(place: Place) -> None:
    (place.home / "link").symlink_to("work")
    prepared = prepare(words_of_exec("-w", str(place.home / "link"), "true"), place.environ)
    assert prepared.workspace == str(place.work)


# --------------------------------------------------------------------------------------------------- where it starts


def started_in(directory: Path, place: Place, *words: str) -> list[str]:
    """Return workspace and working directory of what is started in a directory."""

    def action() -> list[str]:
        os.chdir(directory)
        prepared = prepare(words_of_exec(*words), place.environ)
        return [prepared.workspace, os.fsdecode(prepared.program.cwd)]

    found: list[str] = in_child(action)
    return found


def test_the_workspace_is_where_the_caller_is(place: Place) -> None:
    assert started_in(place.work, place, "true") == [str(place.work)] * 2


def test_a_caller_deep_in_the_workspace_stays_there(place: Place) -> None:
    deep = place.work / "a/b"
    deep.mkdir(parents=True)
    assert started_in(deep, place, "-w", str(place.work), "true") == [str(place.work), str(deep)]


def test_a_caller_elsewhere_is_taken_to_the_workspace(place: Place) -> None:
    other = place.home / "work-2"  # begins like the workspace, and lies beside it
    other.mkdir()
    assert started_in(other, place, "-w", str(place.work), "true") == [str(place.work)] * 2


def test_a_caller_whose_directory_is_gone_must_name_one(place: Place) -> None:
    def action() -> list[str]:
        (place.home / "gone").mkdir()
        os.chdir(place.home / "gone")
        os.rmdir(place.home / "gone")
        with pytest.raises(UsageError) as caught:
            prepare(words_of_exec("true"), place.environ)
        prepared = prepare(words_of_exec("-w", str(place.work), "true"), place.environ)
        return [caught.value.hint, os.fsdecode(prepared.program.cwd)]

    assert in_child(action) == ["start in a project directory, or name one with -w DIR", str(place.work)]


# ------------------------------------------------------------------------------------------------------------ refusals


def test_nothing_to_run_is_refused(place: Place) -> None:
    with pytest.raises(UsageError, match="nothing to run") as caught:
        place.prepare()
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["missing.py", "/nowhere/agent.py", "directory.py"])
def test_a_missing_script_is_not_found(place: Place, name: str) -> None:
    (place.work / "directory.py").mkdir()
    with pytest.raises(AgentError, match=f"there is no {name}") as caught:
        place.prepare(name)
    assert caught.value.exit_code == 127
    assert str(Path(name).parent) in caught.value.cause or str(place.work) in caught.value.cause


@pytest.mark.parametrize(
    ("name", "message"), [("missing", "cannot use"), ("file", "is no directory"), ("loop", "cannot use")]
)
def test_a_workspace_must_be_a_directory(place: Place, name: str, message: str) -> None:
    (place.home / "file").write_text("")
    (place.home / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match=message):
        prepare(words_of_exec("-w", str(place.home / name), "true"), place.environ)


def test_home_and_root_are_no_workspaces(place: Place) -> None:
    for path in (str(place.home), "/", str(place.home / "work/..")):
        with pytest.raises(UsageError, match="cannot be the workspace") as caught:
            prepare(words_of_exec("-w", path, "true"), place.environ)
        assert "-w DIR" in caught.value.hint


def test_the_audit_logs_are_no_workspace(place: Place) -> None:
    state = place.home / ".local/state/gmcp-sandbox/sessions"
    state.mkdir(parents=True)
    with pytest.raises(UsageError, match="audit logs"):
        prepare(words_of_exec("-w", str(state), "true"), place.environ)


def test_an_unknown_profile_is_refused(place: Place) -> None:
    with pytest.raises(ProfileError, match="defualt"):
        place.prepare("-p", "defualt", "true")


# ---------------------------------------------------------------------------------------------------------- extra trees


def test_explanations_get_their_tree_only_where_the_profile_wants_them(place: Place) -> None:
    wanted = place.prepare("-p", place.profile('explain = "category"\n'), "true")
    assert EXPLANATIONS_MOUNT in wanted.view.mounts
    assert EXPLANATIONS_MOUNT not in place.prepare("-p", place.profile('explain = "none"\n'), "true").view.mounts


def test_a_kept_home_stands_behind_its_scratch_tree(place: Place) -> None:
    prepared = place.prepare("--name", "coder", "-p", place.profile("[home]\npersist = true\n"), "true")
    state = StateDir.open(place.environ)
    kept = with_kept_home(prepared, state)
    (mount,) = [mount for mount in kept.view.mounts if mount.path == str(place.home)]
    assert mount.source == str(state.home_of("coder"))
    assert mount.mode is MountMode.SCRATCH
    others = [mount for mount in prepared.view.mounts if mount.path != str(place.home)]
    assert [mount for mount in kept.view.mounts if mount.path != str(place.home)] == others


def test_without_persistence_nothing_is_kept(place: Place) -> None:
    prepared = place.prepare("true")
    assert with_kept_home(prepared, StateDir.open(place.environ)) is prepared


@pytest.mark.parametrize("name", ["../other", "a/b", ".hidden", "x" * 65, "a\x1b[2J"])
def test_a_kept_home_is_never_outside_of_the_state_directory(place: Place, name: str) -> None:
    prepared = place.prepare("--name", name, "-p", place.profile("[home]\npersist = true\n"), "true")
    with pytest.raises(UsageError, match="no name for an agent"):
        with_kept_home(prepared, StateDir.open(place.environ))


def test_this_python_serves_scripts_where_it_is_the_callers(place: Place) -> None:
    (place.work / "agent.py").write_text("")
    path = f"{os.path.dirname(sys.executable)}:/usr/bin"
    prepared = place.prepare("agent.py", PATH=path)
    assert os.path.basename(prepared.program.argv[0]).startswith(b"python")


def test_ports_are_not_published_where_the_profile_forbids_it(place: Place) -> None:
    path = place.profile("[net]\npublish = false\n[[net.allow]]\nhosts = ['example.com']\n")
    with pytest.raises(UsageError, match="no port can be published"):
        place.prepare("-p", path, "--publish", "8080", "true")
    assert place.prepare("--publish", "8080", "true").published

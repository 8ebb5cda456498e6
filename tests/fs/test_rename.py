from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gmcp_sandbox.kernel import RENAME_EXCHANGE, RENAME_NOREPLACE
from tests.fs.conftest import PID, Begin
from tests.fs.test_files import EVIL, GOOD, MeanwhileMediator


async def test_a_rename_moves_and_replaces(begin: Begin, ws: Path) -> None:
    (ws / "a").write_text("a")
    (ws / "b").write_text("b")
    agent = begin()
    moved, replaced = await agent.node("/ws/a"), await agent.node("/ws/b")
    await agent.rename("/ws/a", "/ws/b")
    assert agent.calls[-1] == ("fs.rename", "/ws/a", "workspace", True)
    assert await agent.node("/ws/b") is moved
    assert os.listdir(ws) == ["b"]
    assert (await agent.core.attributes.getattr(replaced.id, PID))[1].nlink == 0


async def test_noreplace_and_exchange(begin: Begin, ws: Path) -> None:
    (ws / "a").write_text("a")
    (ws / "b").write_text("b")
    agent = begin()
    first, second = await agent.node("/ws/a"), await agent.node("/ws/b")
    with pytest.raises(FileExistsError):
        await agent.rename("/ws/a", "/ws/b", RENAME_NOREPLACE)
    await agent.rename("/ws/a", "/ws/b", RENAME_EXCHANGE)
    assert (ws / "a").read_text() == "b"
    assert await agent.node("/ws/a") is second
    assert await agent.node("/ws/b") is first
    with pytest.raises(OSError) as caught:
        await agent.rename("/ws/a", "/ws/b", 4)
    assert caught.value.errno == errno.EINVAL


async def test_paths_below_follow_a_directory(begin: Begin, ws: Path) -> None:
    (ws / "d" / "e").mkdir(parents=True)
    (ws / "d" / "e" / "f").write_text("x")
    agent = begin()
    node = await agent.node("/ws/d/e/f")
    await agent.rename("/ws/d", "/ws/moved")
    assert agent.core.permits.settle(node) == "/ws/moved/e/f"
    assert await agent.read("/ws/moved/e/f") == b"x"


async def test_a_move_between_mounts_is_exdev(begin: Begin, ws: Path, tmp_path: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin(mounts=[{"path": "/ws", "source": str(ws)}, {"path": "/tmp", "mode": "scratch", "label": "scratch"}])
    for attempt in (agent.rename("/ws/f", "/tmp/f"), agent.link("/ws/f", "/tmp/f")):
        with pytest.raises(OSError) as caught:
            await attempt
        assert caught.value.errno == errno.EXDEV


async def test_a_label_cannot_be_lowered_by_moving(begin: Begin, ws: Path) -> None:
    (ws / ".env").write_text("secret")
    (ws / "d").mkdir()
    (ws / "d" / ".env").write_text("secret")
    (ws / "keys").mkdir()
    (ws / "keys" / "k").write_text("secret")
    agent = begin(rules={"*/.env": "secret", "/ws/keys/*": "secret"})
    for old, new in (("/ws/.env", "/ws/notes"), ("/ws/keys", "/ws/plain"), ("/ws/keys/k", "/ws/k")):
        with pytest.raises(PermissionError):
            await agent.rename(old, new)
        assert agent.calls[-1][2:] == ("secret", False)
    await agent.rename("/ws/d", "/ws/e")  # what is secret in it stays secret
    assert sorted(os.listdir(ws)) == [".env", "e", "keys"]


async def test_what_moves_into_a_watched_place_is_asked_for_under_that_label(begin: Begin, ws: Path) -> None:
    (ws / ".git").mkdir()
    (ws / "hooks").mkdir()
    (ws / "hooks" / "pre-commit").write_text("#!")
    agent = begin(rules={"/ws/.git/hooks/*": "watched"}, deny=[("fs.*", "watched")])
    with pytest.raises(PermissionError):
        await agent.rename("/ws/hooks", "/ws/.git/hooks")
    assert agent.calls[-1] == ("fs.rename", "/ws/hooks", "watched", False)


async def test_configuration_is_judged_when_it_is_moved_into_place(begin: Begin, ws: Path) -> None:
    (ws / ".git").mkdir()
    (ws / ".git" / "config").write_bytes(GOOD)
    (ws / ".git" / "config.lock").write_bytes(EVIL)
    agent = begin()
    for flags in (0, RENAME_EXCHANGE):
        with pytest.raises(PermissionError):
            await agent.rename("/ws/.git/config.lock", "/ws/.git/config", flags)
    (ws / ".git" / "config.lock").write_bytes(GOOD + b"\n")
    await agent.rename("/ws/.git/config.lock", "/ws/.git/config")
    assert (ws / ".git" / "config").read_bytes() == GOOD + b"\n"


async def test_content_that_changes_while_the_question_waits_does_not_move(begin: Begin, ws: Path) -> None:
    (ws / ".git").mkdir()
    (ws / "lock").write_bytes(GOOD)
    agent = begin()
    number = await agent.open("/ws/lock", os.O_WRONLY)
    await agent.node("/ws/.git")
    waiting = MeanwhileMediator(agent, agent.core.files.write(number, 0, EVIL))
    parents = (*await agent.parent("/ws/lock"), *await agent.parent("/ws/.git/config"))
    agent.core.permits._mediate = waiting.mediate
    with pytest.raises(PermissionError):
        await agent.core.renames.rename(*parents, 0, PID)
    assert not (ws / ".git" / "config").exists()


async def test_a_directory_that_becomes_a_git_directory_brings_only_judged_configuration(
    begin: Begin, ws: Path
) -> None:
    (ws / "repo" / "x").mkdir(parents=True)
    (ws / "repo" / "x" / "config").write_bytes(b"broken [[[\n")
    agent = begin()
    with pytest.raises(PermissionError):
        await agent.rename("/ws/repo/x", "/ws/repo/.git")
    (ws / "repo" / "x" / "config").write_bytes(GOOD)
    await agent.rename("/ws/repo/x", "/ws/repo/.git")
    (ws / "link").symlink_to("evil")
    with pytest.raises(PermissionError):
        await agent.rename("/ws/link", "/ws/repo/.git/config")


async def test_two_names_of_one_object_stay(begin: Begin, ws: Path) -> None:
    (ws / "a").write_text("x")
    os.link(ws / "a", ws / "b")
    agent = begin()
    node = await agent.node("/ws/a")
    assert await agent.node("/ws/b") is node
    await agent.rename("/ws/a", "/ws/b")
    assert sorted(os.listdir(ws)) == ["a", "b"]
    assert len(node.names()) == 2


async def test_a_directory_brings_no_symbolic_link_in_place_of_a_watched_one(begin: Begin, ws: Path) -> None:
    (ws / "d").mkdir()
    agent = begin(rules={"/ws/.github/workflows/*": "watched"}, deny=[("fs.rename", "watched")])
    await agent.symlink(b"../evil", "/ws/d/workflows")
    with pytest.raises(PermissionError):
        await agent.rename("/ws/d", "/ws/.github")
    assert agent.calls[-1] == ("fs.rename", "/ws/d", "watched", False)
    await agent.unlink("/ws/d/workflows")
    await agent.mkdir("/ws/d/workflows")
    await agent.rename("/ws/d", "/ws/.github")


async def test_a_second_name_made_while_a_directory_is_read_stops_the_exchange(begin: Begin, ws: Path) -> None:
    (ws / ".git" / "config").mkdir(parents=True)
    (ws / "hooks").write_bytes(GOOD)
    agent = begin(rules={"/ws/hooks/*": "watched"})
    for path in ("/ws/hooks", "/ws/.git/config"):
        await agent.node(path)
    ends = (*await agent.parent("/ws/hooks"), *await agent.parent("/ws/.git/config"))
    waiting = MeanwhileMediator(agent, agent.link("/ws/hooks", "/ws/second"))
    agent.core.permits._mediate = waiting.mediate
    with pytest.raises(PermissionError):
        await agent.core.renames.rename(*ends, RENAME_EXCHANGE, PID)
    assert (ws / ".git" / "config").is_dir()


async def test_a_directory_that_becomes_a_git_directory_brings_no_symbolic_link(begin: Begin, ws: Path) -> None:
    (ws / "repo" / "logs").mkdir(parents=True)
    (ws / "repo" / "logs" / "HEAD").symlink_to("/home/u/.bashrc")
    agent = begin()
    for new in ("/ws/.git", "/ws/.GIT"):
        with pytest.raises(PermissionError):
            await agent.rename("/ws/repo", new)
    (ws / "repo" / "logs" / "HEAD").unlink()
    await agent.rename("/ws/repo", "/ws/.git")

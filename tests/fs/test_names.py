from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from gmcp_sandbox.fs.core import FILE_CLOCK
from gmcp_sandbox.fs.stats import stat_at
from tests.fs.conftest import PID, Begin


async def test_a_lookup_is_asked_and_finds_the_object(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin()
    node = await agent.node("/ws/f")
    assert agent.calls == [("fs.stat", "/ws/f", "workspace", True)]
    assert node.lookups == 1


async def test_what_is_refused_looks_the_same_whether_it_exists_or_not(begin: Begin, ws: Path) -> None:
    (ws / ".env").write_text("x")
    agent = begin(rules={"/ws/.env*": "secret"}, deny=[("fs.stat", "secret")])
    for path in ("/ws/.env", "/ws/.env.absent"):
        with pytest.raises(PermissionError):
            await agent.node(path)
    assert len(agent.core.table) == 4  # root, dev, proc, ws


async def test_an_unknown_name_between_mounts_is_outside(begin: Begin) -> None:
    agent = begin()
    with pytest.raises(FileNotFoundError):
        await agent.node("/etc")
    assert agent.calls == [("fs.stat", "/etc", "outside", False)]


async def test_mountpoints_are_found_without_asking(begin: Begin) -> None:
    agent = begin(deny=[("*", "*")])
    assert (await agent.node("/ws")).is_dir
    assert agent.calls == []


async def test_a_hidden_name_does_not_exist_and_cannot_be_made(begin: Begin, ws: Path) -> None:
    (ws / "keys").mkdir()
    agent = begin(mounts=[{"path": "/ws", "source": str(ws)}, {"path": "/ws/keys", "mode": "hidden"}])
    with pytest.raises(FileNotFoundError):
        await agent.node("/ws/keys")
    assert await agent.names("/ws") == set()
    with pytest.raises(PermissionError):
        await agent.mkdir("/ws/keys")
    with pytest.raises(PermissionError):
        await agent.rmdir("/ws/keys")
    assert (ws / "keys").is_dir()


async def test_absence_in_a_system_tree_may_be_kept(begin: Begin, ws: Path) -> None:
    agent = begin(mounts=[{"path": "/ws", "source": str(ws), "mode": "ro", "caching": "system", "label": "system"}])
    assert await agent.core.names.lookup((await agent.node("/ws")).id, b"absent", PID) is None


async def test_names_of_any_bytes(begin: Begin, ws: Path) -> None:
    agent = begin()
    parent = (await agent.node("/ws")).id
    await agent.core.names.mkdir(parent, b"\xff\xfe", 0o755, PID)
    assert os.listdir(bytes(ws)) == [b"\xff\xfe"]
    assert agent.calls[-1][1] == "/ws/\udcff\udcfe"


async def test_special_files(begin: Begin, ws: Path) -> None:
    agent = begin()
    parent = (await agent.node("/ws")).id
    await agent.core.names.mknod(parent, b"fifo", stat.S_IFIFO | 0o600, PID)
    await agent.core.names.mknod(parent, b"sock", stat.S_IFSOCK | 0o600, PID)
    await agent.core.names.mknod(parent, b"file", stat.S_IFREG | 0o4755, PID)
    assert stat.S_ISFIFO((ws / "fifo").stat().st_mode)
    assert stat.S_ISSOCK((ws / "sock").stat().st_mode)
    assert stat.S_IMODE((ws / "file").stat().st_mode) & 0o4000 == 0
    with pytest.raises(PermissionError):
        await agent.core.names.mknod(parent, b"dev", stat.S_IFBLK | 0o600, PID)
    with pytest.raises(OSError) as caught:
        await agent.open("/ws/fifo")
    assert caught.value.errno == errno.ENXIO


async def test_hard_links_share_a_node(begin: Begin, ws: Path) -> None:
    (ws / "a").write_text("x")
    agent = begin()
    first = await agent.node("/ws/a")
    assert await agent.link("/ws/a", "/ws/b") is first
    assert await agent.node("/ws/b") is first
    assert (await agent.stat("/ws/a")).nlink == 2
    await agent.unlink("/ws/a")
    assert await agent.node("/ws/b") is first
    assert agent.core.permits.settle(first) == "/ws/b"


async def test_a_hard_link_cannot_lower_a_label(begin: Begin, ws: Path) -> None:
    (ws / ".env").write_text("secret")
    agent = begin(rules={"*/.env": "secret"})
    with pytest.raises(PermissionError):
        await agent.link("/ws/.env", "/ws/notes")
    assert agent.calls[-1] == ("fs.create", "/ws/notes", "secret", False)
    assert not (ws / "notes").exists()


async def test_a_hard_link_onto_a_guarded_name_is_judged_by_content(begin: Begin, ws: Path) -> None:
    (ws / ".git").mkdir()
    (ws / "evil").write_text("[core]\n\tpager = run me\n")
    (ws / "good").write_text("[core]\n\tbare = false\n")
    agent = begin()
    with pytest.raises(PermissionError):
        await agent.link("/ws/evil", "/ws/.git/config")
    node = await agent.link("/ws/good", "/ws/.git/config")
    # From now on it is judged as configuration under whatever name it is written.
    number, _ = await agent.core.files.open(node.id, os.O_WRONLY, PID)
    with pytest.raises(PermissionError):
        await agent.core.files.write(number, 0, b"[core]\n\tpager = run me\n")


async def test_a_guarded_name_takes_no_symbolic_link(begin: Begin, ws: Path) -> None:
    (ws / ".git").mkdir()
    agent = begin()
    with pytest.raises(PermissionError):
        await agent.symlink(b"../evil", "/ws/.git/config")
    assert agent.calls[-1][3] is False
    assert (await agent.symlink(b"../f", "/ws/plain")).kind == stat.S_IFLNK


async def test_fixed_names_cannot_be_removed_or_made(begin: Begin, ws: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (ws / "sub").mkdir()
    agent = begin(mounts=[{"path": "/ws", "source": str(ws)}, {"path": "/ws/sub/in", "source": str(inner)}])
    for attempt in (agent.rmdir("/ws/sub"), agent.rename("/ws/sub", "/ws/x")):
        with pytest.raises(OSError) as caught:
            await attempt
        assert caught.value.errno == errno.EBUSY
    with pytest.raises(FileExistsError):
        await agent.mkdir("/ws/sub/in")
    assert await agent.names("/ws/sub") == {"in"}


async def test_changes_to_a_read_only_tree_are_erofs(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin(mounts=[{"path": "/ws", "source": str(ws), "mode": "ro", "label": "system"}])
    for attempt in (agent.create("/ws/g"), agent.unlink("/ws/f"), agent.mkdir("/ws/d"), agent.write("/ws/f", b"y")):
        with pytest.raises(OSError) as caught:
            await attempt
        assert caught.value.errno == errno.EROFS
    assert (ws / "f").read_text() == "x"
    assert os.listdir(ws) == ["f"]


async def test_a_name_that_the_host_swaps_is_another_object(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("first")
    agent = begin()
    first = await agent.node("/ws/f")
    (ws / "g").write_text("second")
    os.rename(ws / "g", ws / "f")
    with pytest.raises(OSError) as caught:
        await agent.core.files.open(first.id, os.O_RDONLY, PID)
    assert caught.value.errno == errno.ESTALE
    assert await agent.read("/ws/f") == b"second"


async def test_a_symlink_swapped_in_by_the_host_is_not_followed(begin: Begin, ws: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (ws / "f").write_text("plain")
    (ws / "d").mkdir()
    (ws / "d" / "x").write_text("in")
    agent = begin()
    file, deep = await agent.node("/ws/f"), await agent.node("/ws/d/x")
    directory = await agent.node("/ws/d")
    os.close(directory.fd)
    directory.fd = -1  # as if the cache had let go of it
    (ws / "f").unlink()
    (ws / "f").symlink_to(tmp_path / "secret")
    os.rename(ws / "d", tmp_path / "away")
    (ws / "d").symlink_to(tmp_path / "away")
    for node in (file, deep):
        with pytest.raises(OSError) as caught:
            await agent.core.files.open(node.id, os.O_RDONLY, PID)
        assert caught.value.errno == errno.ESTALE


async def test_forgotten_nodes_vanish(begin: Begin, ws: Path) -> None:
    (ws / "d").mkdir()
    (ws / "d" / "f").write_text("x")
    agent = begin()
    before = len(agent.core.table)
    file = await agent.node("/ws/d/f")
    directory = await agent.node("/ws/d")
    agent.core.table.forget(directory.id, 2)
    assert len(agent.core.table) == before + 2  # the file still needs its directory
    assert agent.core.permits.settle(file) == "/ws/d/f"
    agent.core.table.forget(file.id, 1)
    assert len(agent.core.table) == before
    assert (await agent.node("/ws/d/f")).id > file.id


async def test_a_link_to_a_symbolic_link_counts_as_one(begin: Begin, ws: Path) -> None:
    (ws / "bare").mkdir()
    agent = begin(rules={"/ws/bare/hooks/*": "watched"}, deny=[("fs.create", "watched")])
    await agent.symlink(b"../evil", "/ws/pointer")
    with pytest.raises(PermissionError):
        await agent.link("/ws/pointer", "/ws/bare/hooks")
    assert agent.calls[-1] == ("fs.create", "/ws/bare/hooks", "watched", False)
    await agent.link("/ws/pointer", "/ws/other")
    assert os.readlink(ws / "other") == "../evil"


async def test_no_symbolic_link_gets_into_a_git_directory(begin: Begin, ws: Path) -> None:
    (ws / ".git" / "logs").mkdir(parents=True)
    (ws / "sub").mkdir()
    agent = begin()
    await agent.symlink(b"/home/u/.bashrc", "/ws/pointer")
    for attempt in (
        agent.symlink(b"/home/u/.bashrc", "/ws/.git/logs/HEAD"),
        agent.symlink(b"../../../.bashrc", "/ws/.git/COMMIT_EDITMSG"),
        agent.link("/ws/pointer", "/ws/.git/logs/HEAD"),
        agent.rename("/ws/pointer", "/ws/.git/logs/HEAD"),
        agent.symlink(b"evil", "/ws/sub/.git"),
        agent.symlink(b"evil", "/ws/.git/modules"),
    ):
        with pytest.raises(PermissionError):
            await attempt
    assert sorted(os.listdir(ws / ".git")) == ["logs"]
    await agent.symlink(b"testing", "/ws/.git/tXy12z")  # git asks so whether there are symbolic links
    await agent.unlink("/ws/.git/tXy12z")


async def test_what_the_session_made_itself_is_new_when_it_is_removed(begin: Begin, ws: Path) -> None:
    (ws / "old").write_bytes(b"x")
    os.rename(ws / "old", ws / "moved")
    born = stat_at(-100, os.fsencode(ws / "moved")).key[2]
    while time.clock_gettime_ns(FILE_CLOCK) <= born:
        pass  # file systems date by ticks of a few milliseconds
    agent = begin()
    asked = []
    mediate = agent.mediator.mediate

    async def listen(call):
        asked.append((call.object, getattr(call.args, "is_new", None)))
        return await mediate(call)

    agent.core.permits._mediate = listen
    await agent.create("/ws/own", b"x")
    await agent.mkdir("/ws/dir")
    await agent.unlink("/ws/own")
    await agent.unlink("/ws/moved")
    await agent.rmdir("/ws/dir")
    assert [one for one in asked if one[1] is not None] == [("/ws/own", True), ("/ws/moved", False), ("/ws/dir", True)]

"""What is lent to the agent's kernel, and what is taken back when the host changes it. Real mounts: tests/e2e."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gmcp_sandbox.fs import watching
from gmcp_sandbox.fs.loans import LENT_SECONDS
from gmcp_sandbox.fs.nodes import Fixed, Node
from gmcp_sandbox.fs.stats import Key, stat_at, stat_fd
from gmcp_sandbox.fs.watching import Spans
from gmcp_sandbox.kernel import RENAME_EXCHANGE
from tests.fs.conftest import PID, Agent, Begin
from tests.fs.stage import UnsafeMediator, core_of
from tests.fs.test_core import finish

LENT = Spans(LENT_SECONDS, LENT_SECONDS)
ASKED_AGAIN = Spans(1.0, 1.0)


@pytest.fixture(autouse=True)
def _everything_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_REST_SECONDS", -10)


class Kernel:
    """Asks as the agent's kernel does, and remembers what is lent to it."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.names: dict[tuple[int, bytes], int] = {}
        self.attributes: dict[int, tuple[int, ...]] = {}

    async def look_up(self, path: str) -> Spans:
        """Look a path up, each component anew; return the spans of the last."""
        watches = self.agent.core.watches
        node: Node = self.agent.core.tree.root
        spans = ASKED_AGAIN
        for name in os.fsencode(path).split(b"/")[1:]:
            parent, stamp = node, watches.stamp
            found = await self.agent.core.names.lookup(parent.id, name, PID)
            if found is None:
                self.names.pop((parent.id, name), None)
                raise FileNotFoundError(path)
            node = found[0]
            if isinstance(node, Fixed):
                continue
            spans = watches.spans(node, found[1], stamp, named=True)
            watching.note(node, found[1], 1.0)
            self.names.pop((parent.id, name), None)
            self.attributes.pop(node.id, None)
            if spans.entry == LENT_SECONDS:
                self.names[parent.id, name] = node.id
            if spans.attributes == LENT_SECONDS:
                stat = found[1]
                self.attributes[node.id] = (stat.size, stat.mode, stat.mtime_s, stat.mtime_ns)
        return spans

    def hear(self) -> None:
        """Forget what the watches say is wrong."""
        if self.agent.core.watches._fd >= 0:
            told = self.agent.core.watches.take()
            assert not told.contents
            for number in told.attributes:
                self.attributes.pop(number, None)
            for name in told.names:
                self.names.pop(name, None)


async def lend(agent: Agent, *paths: str) -> Kernel:
    kernel = Kernel(agent)
    for path in paths:
        for _ in range(3):
            spans = await kernel.look_up(path)
        assert spans == LENT, path
    return kernel


@pytest.mark.parametrize("what", ["written", "replaced", "removed", "of another mode", "of another time", "renamed"])
async def test_what_the_host_changes_is_taken_back(begin: Begin, ws: Path, what: str) -> None:
    path = ws / "f"
    path.write_text("a")
    kernel = await lend(begin(), "/ws/f")
    if what == "written":
        path.write_text("more")
    elif what == "replaced":
        (ws / "new").write_text("b")
        (ws / "new").rename(path)
    elif what == "removed":
        path.unlink()
    elif what == "of another mode":
        path.chmod(0o600)
    elif what == "of another time":
        os.utime(path, (1, 1))
    else:
        path.rename(ws / "g")
    kernel.hear()
    assert kernel.attributes == {}
    assert len(kernel.names) == (1 if what in ("written", "of another mode", "of another time") else 0)


@pytest.mark.parametrize("place", ["beside", "elsewhere", "where nothing more may be watched"])
async def test_what_the_agent_renames_is_followed(begin: Begin, ws: Path, place: str) -> None:
    (ws / "f").touch()
    (ws / "d").mkdir()
    agent = begin()
    kernel = await lend(agent, "/ws/f")
    new = "/ws/g" if place == "beside" else "/ws/d/g"
    if place.startswith("where"):
        agent.core.watches._most = 0
    await agent.rename("/ws/f", new)
    parent, name = await agent.parent(new)
    kernel.names = {(parent, name): kernel.names.popitem()[1]}  # it keeps it for as long as before
    if not place.startswith("where"):
        kernel.hear()
        assert len(kernel.names) == 1
        (ws / new.removeprefix("/ws/")).unlink()
    kernel.hear()
    assert kernel.names == {}


async def test_names_that_the_agent_exchanges_are_asked_for_again(begin: Begin, ws: Path) -> None:
    for name in "fg":
        (ws / name).touch()
    agent = begin()
    kernel = await lend(agent, "/ws/f", "/ws/g")
    await agent.rename("/ws/f", "/ws/g", RENAME_EXCHANGE)
    kernel.hear()
    assert (kernel.names, kernel.attributes) == ({}, {})


async def test_a_name_that_the_agent_moves_twice_is_followed_to_its_end(begin: Begin, ws: Path) -> None:
    (ws / "f").touch()
    agent = begin()
    kernel = await lend(agent, "/ws/f")
    for old, new in (("f", "g"), ("g", "h")):
        await agent.rename(f"/ws/{old}", f"/ws/{new}")
    parent, name = await agent.parent("/ws/h")
    kernel.names = {(parent, name): kernel.names.popitem()[1]}
    kernel.hear()
    assert len(kernel.names) == 1
    (ws / "h").unlink()
    kernel.hear()
    assert kernel.names == {}


async def test_what_the_agent_removes_needs_no_word(begin: Begin, ws: Path) -> None:
    (ws / "f").touch()
    agent = begin()
    await lend(agent, "/ws/f")
    await agent.unlink("/ws/f")
    assert not agent.core.watches.take().names


async def test_a_directory_that_gets_another_entry_has_other_times(begin: Begin, ws: Path) -> None:
    (ws / "d").mkdir()
    (ws / "d" / "f").touch()
    agent = begin()
    kernel = await lend(agent, "/ws/d/f", "/ws/d")
    directory = (await agent.node("/ws/d")).id
    assert directory in kernel.attributes
    (ws / "d" / "g").touch()
    kernel.hear()
    assert directory not in kernel.attributes
    assert len(kernel.names) == 2


async def test_a_directory_whose_entries_nobody_watches_keeps_its_name_alone(begin: Begin, ws: Path) -> None:
    (ws / "d").mkdir()
    kernel = Kernel(begin())
    for _ in range(3):
        spans = await kernel.look_up("/ws/d")
    assert spans == Spans(1.0, LENT_SECONDS)


async def test_a_directory_in_which_someone_stands_keeps_its_name_when_its_mode_changes(begin: Begin, ws: Path) -> None:
    (ws / "d").mkdir()
    (ws / "d" / "f").touch()
    kernel = await lend(begin(), "/ws/d/f", "/ws/d")
    (ws / "d").chmod(0o700)
    kernel.hear()
    assert sorted(name for _, name in kernel.names) == [b"d", b"f"]
    assert len(kernel.attributes) == 1


async def test_the_first_look_at_a_directory_watches_nothing(begin: Begin, ws: Path) -> None:
    (ws / "f").touch()
    agent = begin()
    assert await Kernel(agent).look_up("/ws/f") == ASKED_AGAIN
    assert (await agent.node("/ws")).watch is None


@pytest.mark.parametrize("kind", ["secret", "of two names", "changed a moment ago"])
async def test_what_is_never_lent(begin: Begin, ws: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("f", "other"):
        (ws / name).touch()
    agent = begin(rules={"/ws/f": "secret"} if kind == "secret" else {})
    kernel = await lend(agent, "/ws/other")
    if kind == "of two names":
        os.link(ws / "f", ws / "second")
    if kind == "changed a moment ago":
        monkeypatch.setattr(watching, "_REST_SECONDS", 1000)
    for _ in range(3):
        assert await kernel.look_up("/ws/f") == ASKED_AGAIN


async def test_a_change_while_the_question_was_judged_lends_nothing(begin: Begin, ws: Path) -> None:
    (ws / "f").touch()
    agent = begin()
    kernel = await lend(agent, "/ws/f")
    before = agent.core.watches.stamp
    found = await agent.core.names.lookup((await agent.node("/ws")).id, b"f", PID)
    assert found is not None
    os.utime(ws / "f")
    kernel.hear()
    assert agent.core.watches.spans(*found, before, named=True) == ASKED_AGAIN


async def test_attributes_are_lent_with_the_name_only(begin: Begin, ws: Path) -> None:
    (ws / "f").touch()
    agent = begin()
    kernel = await lend(agent, "/ws/f")
    node = await agent.node("/ws/f")
    found, stamp = await agent.stat("/ws/f"), agent.core.watches.stamp
    assert agent.core.watches.spans(node, found, stamp, named=False).attributes == LENT_SECONDS
    (ws / "f").write_text("x")
    kernel.hear()
    (ws / "f").unlink()
    kernel.hear()
    assert agent.core.watches.spans(node, found, agent.core.watches.stamp, named=False) == ASKED_AGAIN


async def test_when_changes_were_lost_everything_is_taken_back(begin: Begin, ws: Path) -> None:
    for name in "fgh":
        (ws / name).touch()
    agent = begin()
    kernel = await lend(agent, "/ws/f", "/ws/g", "/ws/h")
    overflow = watching._EVENT.pack(-1, watching._IN_Q_OVERFLOW, 0, 0)
    reader, writer = os.pipe2(os.O_NONBLOCK)
    os.write(writer, overflow)
    real, agent.core.watches._fd = agent.core.watches._fd, reader
    kernel.hear()
    agent.core.watches._fd = real
    os.close(reader)
    os.close(writer)
    assert (kernel.names, kernel.attributes) == ({}, {})


async def test_where_no_more_may_be_watched_things_are_asked_again(begin: Begin, ws: Path) -> None:
    (ws / "f").touch()
    agent = begin()
    agent.core.watches._most = 0
    kernel = Kernel(agent)
    for _ in range(3):
        assert await kernel.look_up("/ws/f") == ASKED_AGAIN


async def test_a_forgotten_directory_is_watched_no_more(begin: Begin, ws: Path) -> None:
    (ws / "d").mkdir()
    (ws / "d" / "f").touch()
    agent = begin()
    await lend(agent, "/ws/d/f")
    watches, table = agent.core.watches, agent.core.table
    assert len(watches._watches) == 2
    for path in ("/ws/d/f", "/ws/d"):
        node = await agent.node(path)
        table.forget(node.id, node.lookups)
    assert len(watches._watches) == 1
    assert not any(watches.take())


async def test_a_listing_leaves_out_what_the_kernel_holds(begin: Begin, ws: Path) -> None:
    for name in "fg":
        (ws / name).touch()
    agent = begin()
    await lend(agent, "/ws/f")
    assert await _bare(agent) == {b".", b"..", b"f"}


async def _bare(agent: Agent) -> set[bytes]:
    """Return which names a listing of the workspace tells without attributes."""
    number = await agent.core.directories.open((await agent.node("/ws")).id, PID)
    bare: set[bytes] = set()

    def emit(name: bytes, node: Node, found: object, _following: int, counted: bool) -> bool:
        assert counted == (found is not None)
        if found is None:
            bare.add(name)
        return True

    await agent.core.directories.read(number, 0, emit)
    return bare


async def test_many_names_of_a_directory_are_lent_at_the_first_question(begin: Begin, ws: Path) -> None:
    """As `git status` asks: each name once, then a listing. It must not find them run out a second later."""
    for number in range(20):
        (ws / f"f{number:02}").touch()
    agent = begin()
    kernel = Kernel(agent)
    spans = [await kernel.look_up(f"/ws/f{number:02}") for number in range(20)]
    assert spans == [ASKED_AGAIN] * 9 + [LENT] * 11
    assert await _bare(agent) == {b".", b"..", *(b"f%02d" % number for number in range(9, 20))}


async def test_a_few_names_that_were_asked_for_once_are_told_again_and_lent_then(begin: Begin, ws: Path) -> None:
    for name in "fgh":
        (ws / name).touch()
    agent = begin()
    kernel = Kernel(agent)
    for name in "fgh":
        assert await kernel.look_up(f"/ws/{name}") == ASKED_AGAIN
    assert await _bare(agent) == {b".", b".."}


async def test_where_nothing_is_watched_a_listing_leaves_out_what_was_just_told(begin: Begin, ws: Path) -> None:
    (ws / "f").touch()
    agent = begin()
    agent.core.watches._most = 0
    kernel = Kernel(agent)
    await kernel.look_up("/ws/f")
    await kernel.look_up("/ws/f")
    (ws / "g").touch()
    assert await _bare(agent) == {b".", b"..", b"f"}
    await agent.rename("/ws/g", "/ws/f")
    assert await _bare(agent) == {b".", b".."}


def test_names_are_told_as_they_are() -> None:
    event = watching._EVENT
    data = event.pack(1, 2, 0, 16) + b"a\xff\n\0\0\0\0\0\0\0\0\0\0\0\0\0" + event.pack(2, 4, 0, 0)
    assert list(watching._events(data)) == [(1, 2, b"a\xff\n"), (2, 4, b"")]


def test_a_device_that_nothing_is_mounted_from_has_no_kind() -> None:
    assert watching._kinds(0xFFFF << 32) == set()


NAMES = ("a", "b")
PATHS = [*NAMES, *(f"{one}/{two}" for one in NAMES for two in NAMES)]


def keys(top: Path) -> Iterator[tuple[Key, Path]]:
    """Yield what lies where on the host."""
    fd = os.open(top, os.O_PATH)
    yield stat_fd(fd).key, top
    for entry in os.scandir(top):
        yield stat_at(fd, os.fsencode(entry.name)).key, top / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from keys(top / entry.name)
    os.close(fd)


class NothingLentIsWrong(RuleBasedStateMachine):
    """The agent and another program change one tree; once the changes are heard, all that the kernel holds is true."""

    def __init__(self) -> None:
        super().__init__()
        self.rest, watching._REST_SECONDS = watching._REST_SECONDS, -10
        self.top = Path(tempfile.mkdtemp(prefix="lent-"))
        mediator = UnsafeMediator()
        self.agent = Agent(core_of({"mounts": [{"path": "/ws", "source": str(self.top)}]}, mediator), mediator)
        self.kernel = Kernel(self.agent)

    def teardown(self) -> None:
        watching._REST_SECONDS = self.rest
        self.agent.core.close()
        shutil.rmtree(self.top)

    def inside(self, *paths: str) -> bool:
        """Walk to the paths' directories, as the kernel does first; return whether all are there."""
        try:
            for path in paths:
                finish(self.kernel.look_up(f"/ws/{path}".rpartition("/")[0]))
        except OSError:
            return False
        return all((self.top / path).parent.is_dir() for path in paths)

    def _entry(self, path: str) -> tuple[int, bytes]:
        parent, _, name = path.rpartition("/")
        return self._node(parent).id, os.fsencode(name)

    def _node(self, path: str) -> Node:
        node = finish(self.agent.node(f"/ws/{path}".rstrip("/")))
        assert isinstance(node, Node)
        return node

    def _changed(self, *parents: int) -> None:
        for parent in parents:
            self.kernel.attributes.pop(parent, None)

    @rule(path=st.sampled_from(PATHS))
    def look(self, path: str) -> None:
        try:
            for _ in range(3):
                finish(self.kernel.look_up(f"/ws/{path}"))
        except OSError:
            pass

    @rule(path=st.sampled_from(PATHS), data=st.binary(max_size=3))
    def write(self, path: str, data: bytes) -> None:
        if self.inside(path) and not (self.top / path).is_dir():
            finish(self.agent.create(f"/ws/{path}", data))
            self._changed(self._node(path).id, self._entry(path)[0])

    @rule(path=st.sampled_from(PATHS))
    def mkdir(self, path: str) -> None:
        if self.inside(path) and not (self.top / path).exists():
            finish(self.agent.mkdir(f"/ws/{path}"))
            self._changed(self._entry(path)[0])

    @rule(path=st.sampled_from(PATHS))
    def remove(self, path: str) -> None:
        target = self.top / path
        if self.inside(path) and target.exists() and not (target.is_dir() and any(target.iterdir())):
            entry = self._entry(path)
            finish(self.agent.rmdir(f"/ws/{path}") if target.is_dir() else self.agent.unlink(f"/ws/{path}"))
            self.kernel.names.pop(entry, None)
            self._changed(entry[0])

    @rule(old=st.sampled_from(PATHS), new=st.sampled_from(PATHS), is_exchange=st.booleans())
    def rename(self, old: str, new: str, is_exchange: bool) -> None:
        if not self.inside(old, new):
            return
        first, second = self._entry(old), self._entry(new)
        try:
            finish(self.agent.rename(f"/ws/{old}", f"/ws/{new}", 2 if is_exchange else 0))
        except OSError:
            return
        if first == second:
            return
        moved, replaced = self.kernel.names.pop(first, None), self.kernel.names.pop(second, None)
        if moved is not None:
            self.kernel.names[second] = moved
        if is_exchange and replaced is not None:
            self.kernel.names[first] = replaced
        self._changed(first[0], second[0])

    @rule(path=st.sampled_from(PATHS), what=st.sampled_from(["write", "replace", "remove", "mkdir", "chmod", "touch"]))
    def outside(self, path: str, what: str) -> None:
        target = self.top / path
        try:
            if what == "write":
                target.write_bytes(b"outside")
            elif what == "replace":
                (self.top / "other").write_bytes(b"other")
                (self.top / "other").replace(target)
            elif what == "remove":
                shutil.rmtree(target) if target.is_dir() else target.unlink()
            elif what == "mkdir":
                target.mkdir()
            elif what == "chmod":
                target.chmod(0o700)
            else:
                os.utime(target, (7, 7))
        except OSError:
            pass

    @rule(old=st.sampled_from(PATHS), new=st.sampled_from(PATHS))
    def moved_outside(self, old: str, new: str) -> None:
        try:
            (self.top / old).rename(self.top / new)
        except OSError:
            pass

    @invariant()
    def all_that_is_held_is_true(self) -> None:
        self.kernel.hear()
        places = dict(keys(self.top))
        table = self.agent.core.table
        for (parent, name), number in self.kernel.names.items():
            above, node = table.known(parent), table.known(number)
            if above is None or node is None or above.key not in places:
                continue  # nobody gets there any more
            target = places[above.key] / os.fsdecode(name)
            assert node.key is not None
            assert places.get(node.key) == target, (target, "is held, and is another or gone")
        for number, held in self.kernel.attributes.items():
            node = table.known(number)
            if node is not None and node.key in places:
                now = os.lstat(places[node.key])
                assert (now.st_size, now.st_mode, now.st_mtime_ns) == (*held[:2], held[2] * 10**9 + held[3])


TestNothingLentIsWrong = NothingLentIsWrong.TestCase
TestNothingLentIsWrong.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)

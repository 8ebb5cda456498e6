from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.fs.conftest import Begin

pyfuse3 = pytest.importorskip("pyfuse3")
from gmcp_sandbox.fs.adapter import Adapter  # noqa: E402 - needs the library


class Context:
    pid = 7


def test_every_request_of_the_library_has_a_handler() -> None:
    offered = {name for name in vars(pyfuse3.Operations) if not name.startswith("_")}
    switches = {"supports_dot_lookup", "enable_writeback_cache", "enable_acl"}
    assert offered - set(vars(Adapter)) == {"init", "stacktrace"}
    assert switches <= set(vars(Adapter))


@pytest.mark.expects_log("a file system request failed")
async def test_errors_of_the_host_and_faults_of_our_own(begin: Begin) -> None:
    faults: list[Exception] = []
    agent = begin()
    adapter = Adapter(agent.core, faults.append)
    with pytest.raises(pyfuse3.FUSEError) as caught:
        await adapter.lookup(1, b"absent", Context)
    assert caught.value.errno == errno.ENOENT
    assert faults == []
    agent.core.permits._mediate = None  # type: ignore[assignment]
    for attempt in (adapter.lookup(1, b"absent", Context), adapter.opendir(1, Context)):
        with pytest.raises(pyfuse3.FUSEError) as caught:
            await attempt
        assert caught.value.errno == errno.EIO
    assert len(faults) == 2


async def test_replies_carry_the_zone(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    for caching, valid, keep, direct in (
        ("system", 60.0, True, False), ("workspace", 1.0, False, False), ("sensitive", 0.0, False, True),
    ):  # fmt: skip
        agent = begin(mounts=[{"path": "/ws", "source": str(ws), "mode": "ro", "caching": caching}])
        adapter = Adapter(agent.core, lambda error: None)
        mount = await adapter.lookup(1, b"ws", Context)
        assert mount.entry_timeout > 1e7
        number = mount.st_ino
        reply = await adapter.lookup(number, b"f", Context)
        assert (reply.entry_timeout, reply.attr_timeout) == (valid, valid)
        info = await adapter.open(reply.st_ino, os.O_RDONLY, Context)
        assert (bool(info.keep_cache), bool(info.direct_io)) == (keep, direct)
        await adapter.release(info.fh)
        if caching == "system":
            absent = await adapter.lookup(number, b"absent", Context)
            assert (absent.st_ino, absent.entry_timeout) == (0, 60.0)


async def test_labels_of_which_every_read_is_a_call_are_never_cached(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    (ws / "plan").write_text("x")
    tree = {"path": "/ws", "source": str(ws), "mode": "ro", "caching": "system"}
    agent = begin(mounts=[tree], rules={"/ws/plan": "private"}, every_read=["private"])
    adapter = Adapter(agent.core, lambda error: None)
    number = (await adapter.lookup(1, b"ws", Context)).st_ino
    for name, is_direct in ((b"f", False), (b"plan", True)):
        reply = await adapter.lookup(number, name, Context)
        info = await adapter.open(reply.st_ino, os.O_RDONLY, Context)
        assert (bool(info.direct_io), bool(info.keep_cache)) == (is_direct, not is_direct)
        await adapter.release(info.fh)


async def test_what_needs_no_word_is_declined_once(begin: Begin) -> None:
    adapter = Adapter(begin().core, lambda error: None)
    for attempt in (adapter.flush(1), adapter.poll(1, 1, None, Context)):
        with pytest.raises(pyfuse3.FUSEError) as caught:
            await attempt
        assert caught.value.errno == errno.ENOSYS

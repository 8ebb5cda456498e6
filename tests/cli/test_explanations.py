"""What a denied agent is told: the family, in one harmless line, within bounds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import FsRead
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import SECRET
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.cli.explanations import EXPLANATIONS_MOUNT, FILE_NAME, Explanations
from gmcp_sandbox.policy.profile import MountMode
from gmcp_sandbox.proc.channel import MAX_BYTES, Channel


class Kept:
    """Takes notices, or is too busy."""

    def __init__(self, *, is_busy: bool = False) -> None:
        self.texts: list[str] = []
        self._is_busy = is_busy

    def offer(self, kind: str, **fields: object) -> bool:
        assert kind == "notice"
        if not self._is_busy:
            self.texts.append(str(fields["text"]))
        return not self._is_busy


def read_of(path: str) -> ToolCall:
    return ToolCall(1, 2, "s", "a", 3, Tool.FS_READ, path, FsRead("open"), SECRET)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_a_denial_is_told_to_the_user_and_in_the_file(tree: int, tmp_path: Path) -> None:
    kept = Kept()
    explanations = Explanations(kept)
    explanations.open({EXPLANATIONS_MOUNT.path: tree})
    explanations.explain(read_of("/home/u/.ssh/id"), "trust")
    explanations.explain(read_of("/x"), "rate")
    assert kept.texts == [
        "gmcp-sandbox: DENY fs.read /home/u/.ssh/id (trust)",
        "gmcp-sandbox: DENY fs.read /x (rate)",
    ]
    assert (tmp_path / FILE_NAME).read_text() == "DENY fs.read /home/u/.ssh/id (trust)\nDENY fs.read /x (rate)\n"


def test_the_agent_may_read_the_file_and_not_write_it() -> None:
    assert EXPLANATIONS_MOUNT.mode is MountMode.RO
    assert not EXPLANATIONS_MOUNT.executable


def test_a_view_without_the_tree_has_no_file(tmp_path: Path) -> None:
    kept = Kept()
    explanations = Explanations(kept)
    explanations.open({})
    explanations.explain(read_of("/x"), "trust")
    assert len(kept.texts) == 1


def test_a_name_cannot_forge_a_line_or_steer_a_terminal(tree: int, tmp_path: Path) -> None:
    kept = Kept()
    explanations = Explanations(kept)
    explanations.open({EXPLANATIONS_MOUNT.path: tree})
    explanations.explain(read_of("/x\nALLOW fs.read /etc/shadow\x1b[2J\r\udcff\u202e"), "trust")
    (line,) = (tmp_path / FILE_NAME).read_text().splitlines()
    assert line == "DENY fs.read /x\\x0aALLOW fs.read /etc/shadow\\x1b[2J\\x0d\\xff\\u202e (trust)"
    assert kept.texts[0].isprintable()


@settings(max_examples=50)
@given(st.text(max_size=6000) | st.binary(max_size=6000).map(os.fsdecode) | st.just("\N{GRINNING FACE}" * 9000))
def test_every_notice_fits_into_a_message(name: str) -> None:
    ours, theirs = Channel.pair()
    Explanations(ours).explain(read_of("/" + name), "trust")
    received = theirs.receive()
    assert received is not None
    assert received[0]["text"].isprintable()
    assert len(received[0]["text"]) <= 4096 < MAX_BYTES / 12
    ours.close()
    theirs.close()


def test_the_file_stays_within_a_mebibyte(tree: int, tmp_path: Path) -> None:
    explanations = Explanations(Kept())
    explanations.open({EXPLANATIONS_MOUNT.path: tree})
    for _ in range(300):
        explanations.explain(read_of("/" + "x" * 4000), "trust")
    size = (tmp_path / FILE_NAME).stat().st_size
    assert (1 << 20) - 5000 < size <= 1 << 20
    assert (tmp_path / FILE_NAME).read_text().endswith("(trust)\n")


def test_a_front_that_takes_nothing_holds_nothing_up(tree: int, tmp_path: Path) -> None:
    explanations = Explanations(Kept(is_busy=True))
    explanations.open({EXPLANATIONS_MOUNT.path: tree})
    explanations.explain(read_of("/x"), "trust")
    assert (tmp_path / FILE_NAME).exists()


def test_a_full_line_to_the_front_holds_nothing_up() -> None:
    ours, theirs = Channel.pair()
    explanations = Explanations(ours)
    for _ in range(2000):
        explanations.explain(read_of("/" + "x" * 4000), "trust")
    ours.close()
    theirs.close()


def test_a_link_in_the_files_place_is_not_followed(tree: int, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    os.symlink("elsewhere", FILE_NAME, dir_fd=tree)
    with pytest.raises(OSError):
        Explanations(Kept()).open({EXPLANATIONS_MOUNT.path: tree})


def test_any_notices_will_do() -> None:
    sink: Any = Kept()
    Explanations(sink).explain(read_of("/y"), "schema")
    assert sink.texts == ["gmcp-sandbox: DENY fs.read /y (schema)"]

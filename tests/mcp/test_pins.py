"""Pins on disk: whole, the operator's own, and shared by sessions."""

from __future__ import annotations

import os
import threading

import msgspec
import pytest

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.mcp.pins import Pin, PinStore, Waiting, digest_of
from gmcp_sandbox.policy.mcp import McpServer

FILES = McpServer("files", "f" * 64, command=("serve", "/srv"))
OTHER = msgspec.structs.replace(FILES, identity="e" * 64)
TEXT = '{"name":"x"}'
PIN = Pin(digest_of(TEXT), TEXT, 7, "first-use")


@pytest.fixture
def store(tmp_path):
    return PinStore(tmp_path)


def with_pin(name):
    return lambda file: msgspec.structs.replace(file, pins={**file.pins, name: PIN})


def test_nothing_is_known_of_a_new_server(store, tmp_path):
    file = store.read(FILES)
    assert not file.pins and not file.is_seen and file.about == "serve /srv"
    assert not list(tmp_path.iterdir())


def test_what_is_written_is_read_and_closed_to_others(store, tmp_path):
    store.update(FILES, with_pin("x"))
    assert store.read(FILES).pins == {"x": PIN}
    assert not store.read(OTHER).pins
    (path,) = tmp_path.glob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.server for file in store.files()] == ["files"]
    before = path.stat().st_ino
    store.update(FILES, lambda file: file)
    assert path.stat().st_ino == before


def test_approval(store):
    waiting = Waiting(PIN.digest, TEXT, 8, ("why",))
    store.update(FILES, lambda file: msgspec.structs.replace(file, waiting={"x": waiting}))
    (file,) = store.files()
    after = store.change(file, lambda now: now.approved("x", 9))
    assert after.pins["x"] == Pin(PIN.digest, TEXT, 9, "approved", ("why",))
    assert not store.read(FILES).waiting


@pytest.mark.parametrize("damage", ["truncated", "edited", "open to others", "a link", "of another", "a newer format"])
def test_a_file_that_is_not_as_it_was_left_is_an_error(store, tmp_path, damage):
    store.update(FILES, with_pin("x"))
    (path,) = tmp_path.glob("*.json")
    text = path.read_text()
    if damage == "truncated":
        path.write_text(text[:-3])
    elif damage == "edited":
        path.write_text(text.replace('{\\"name\\":\\"x\\"}', '{\\"name\\":\\"y\\"}'))
    elif damage == "open to others":
        path.chmod(0o644)
    elif damage == "a link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to("elsewhere")
    elif damage == "of another":
        path.write_text(text.replace('"server":"files"', '"server":"mail"'))
    else:
        path.write_text(text.replace('"format":1', '"format":2'))
    with pytest.raises(HostError, match="cannot use the pins"):
        store.read(FILES)


def test_sessions_side_by_side_lose_nothing(store, tmp_path):
    def write(number):
        own = PinStore(tmp_path)
        for each in range(10):
            own.update(FILES, with_pin(f"{number}-{each}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.read(FILES).pins) == 40
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".files")]


def test_a_directory_that_is_gone_is_said(tmp_path):
    with pytest.raises(HostError, match="cannot lock"):
        PinStore(tmp_path / "gone").update(FILES, lambda file: file)

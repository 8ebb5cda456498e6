"""Approvals of profiles by their bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmcp_sandbox.errors import HostError, ProfileError
from gmcp_sandbox.monitor.profiles import Located, read_chain
from gmcp_sandbox.monitor.statedir import StateDir
from gmcp_sandbox.monitor.trusted import TrustStore

TEXT = 'name = "own"\nextends = "./base.toml"\n'


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    return TrustStore.of(StateDir(tmp_path / "state"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "base.toml").write_text('name = "base"\nextends = "default"\n')
    (tmp_path / "gmcp.toml").write_text(TEXT)
    return tmp_path / "gmcp.toml"


def chain(file: Path) -> tuple[Located, ...]:
    return read_chain(str(file), home=Path("/home/u"))


def test_what_nobody_approved_is_not_trusted(store: TrustStore, file: Path) -> None:
    assert not store.is_trusted(file, chain(file))
    with pytest.raises(ProfileError, match="have not approved it") as caught:
        store.check(file, chain(file))
    assert f"gmcp-sandbox profile trust {file}" in caught.value.hint
    assert "-p default" in caught.value.hint
    assert "wrote it" in caught.value.cause


def test_exactly_the_approved_bytes_are_trusted(store: TrustStore, file: Path) -> None:
    store.trust(file, chain(file))
    store.check(file, chain(file))
    file.write_text(TEXT + "\n")
    with pytest.raises(ProfileError) as caught:
        store.check(file, chain(file))
    assert "changed" in caught.value.cause


def test_a_changed_ancestor_counts(store: TrustStore, file: Path) -> None:
    store.trust(file, chain(file))
    (file.parent / "base.toml").write_text('name = "base"\nextends = "default"\ntier = "trusted"\n')
    assert not store.is_trusted(file, chain(file))


def test_the_same_bytes_elsewhere_are_not_approved(store: TrustStore, file: Path, tmp_path: Path) -> None:
    store.trust(file, chain(file))
    other = tmp_path / "other"
    other.mkdir()
    (other / "base.toml").write_bytes((tmp_path / "base.toml").read_bytes())
    (other / "gmcp.toml").write_text(TEXT)
    assert not store.is_trusted(other / "gmcp.toml", chain(other / "gmcp.toml"))


def test_a_link_to_an_approved_file_is_not_approved(store: TrustStore, file: Path, tmp_path: Path) -> None:
    store.trust(file, chain(file))
    (tmp_path / "link.toml").symlink_to(file)
    assert not store.is_trusted(tmp_path / "link.toml", chain(tmp_path / "link.toml"))


def test_bytes_approved_earlier_do_not_come_back(store: TrustStore, file: Path) -> None:
    store.trust(file, chain(file))
    file.write_text(TEXT + 'tier = "limited"\n')
    store.trust(file, chain(file))
    file.write_text(TEXT)
    assert not store.is_trusted(file, chain(file))


def test_an_approval_can_be_taken_back(store: TrustStore, file: Path) -> None:
    store.trust(file, chain(file))
    assert store.forget(file)
    assert not store.is_trusted(file, chain(file))
    assert not store.forget(file)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"path": 1}', b"[]"])
def test_a_broken_record_approves_nothing(store: TrustStore, file: Path, content: bytes) -> None:
    store.trust(file, chain(file))
    store.record_of(file).write_bytes(content)
    assert not store.is_trusted(file, chain(file))


def test_a_record_is_for_its_own_file(store: TrustStore, file: Path, tmp_path: Path) -> None:
    store.trust(file, chain(file))
    other = tmp_path / "other.toml"
    other.write_text(TEXT)
    store.record_of(other).write_bytes(store.record_of(file).read_bytes())
    assert not store.is_trusted(other, chain(other))


def test_names_that_are_no_utf8_can_be_approved(store: TrustStore, tmp_path: Path) -> None:
    place = tmp_path / "\udcff"
    place.mkdir()
    (place / "gmcp.toml").write_text('name = "own"\nextends = "default"\n')
    store.trust(place / "gmcp.toml", chain(place / "gmcp.toml"))
    store.check(place / "gmcp.toml", chain(place / "gmcp.toml"))


def test_approvals_of_a_directory_that_others_could_write_are_not_used(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    (state.path / "trusted").chmod(0o777)
    with pytest.raises(HostError, match="written by others"):
        StateDir(tmp_path / "state")

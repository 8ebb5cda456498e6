"""The ceiling's file: whose it must be, and that it holds for every profile that is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.ceiling import load_ceiling
from gmcp_sandbox.monitor.choosing import Choice
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.policy.profile import Ceiling, Tier

VARIABLES = {"workspace": "/ws", "home": "/home/u", "user": "u"}
TEXT = 'name = "acme"\nextends = "default"\ntier = "limited"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "etc"
    place.mkdir(mode=0o755)
    (place / "ceiling.toml").write_text(TEXT)
    (place / "ceiling.toml").chmod(0o644)
    return place / "ceiling.toml"


def load(file: Path, owner: int | None = None) -> Ceiling | None:
    return load_ceiling(str(file), VARIABLES, owner=os.geteuid() if owner is None else owner)


def test_without_a_file_there_is_none(tmp_path: Path) -> None:
    assert load(tmp_path / "ceiling.toml") is None
    assert load(tmp_path / "nowhere/ceiling.toml") is None


def test_it_extends_shipped_profiles(file: Path) -> None:
    found = load(file)
    assert found is not None
    assert (found.name, found.tier) == ("acme", Tier.LIMITED)
    assert found.rules


@pytest.mark.parametrize("extends", ["./other.toml", "/etc/other.toml", "mine", "~/x.toml"])
def test_it_extends_no_other_file(file: Path, extends: str) -> None:
    file.write_text(TEXT.replace("default", extends))
    with pytest.raises(ProfileError, match="shipped profiles only"):
        load(file)


def test_one_of_somebody_else_is_refused(file: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be used") as caught:
        load(file, owner=os.geteuid() + 1)
    assert "does not belong to root" in caught.value.cause


@pytest.mark.parametrize("mode", [0o664, 0o646])
@pytest.mark.parametrize("which", ["file", "directory"])
def test_one_that_others_can_write_is_refused(file: Path, which: str, mode: int) -> None:
    if which == "file":
        file.chmod(mode)
    else:
        file.parent.chmod(mode | 0o111)
    with pytest.raises(ProfileError, match="cannot be used"):
        load(file)


@pytest.mark.parametrize("kind", ["link", "directory", "fifo", "binary", "huge", "place"])
def test_one_that_cannot_be_read_is_refused(file: Path, kind: str) -> None:
    file.unlink()
    if kind == "link":
        file.symlink_to("other")
    elif kind == "directory":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file, 0o644)
    elif kind == "binary":
        file.write_bytes(b"\xff")
    elif kind == "huge":
        file.write_bytes(b"#" * (2 << 20))
    else:
        file.parent.rmdir()
        file.parent.write_text("")
    with pytest.raises(ProfileError, match="cannot be used"):
        load(file)


def test_a_wrong_one_names_its_line(file: Path) -> None:
    file.write_text(TEXT + "teir = 1\n")
    with pytest.raises(ProfileError, match=r"ceiling\.toml:4: teir: unknown key"):
        load(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's file is a ceiling")
def test_every_profile_that_is_read_is_below_it(file: Path) -> None:
    for profile in (
        load_profile("default", workspace=Path("/ws"), home=Path("/home/u"), ceiling=str(file)),
        Choice("default", "", ceiling=str(file)).load(workspace=Path("/ws"), home=Path("/home/u")),
    ):
        assert profile.ceiling is not None
        assert profile.tier is Tier.LIMITED
    assert Choice("default", "", ceiling=str(file)).beside() == (str(file),)


def test_a_file_of_an_ordinary_user_stops_the_start(file: Path) -> None:
    if os.geteuid() == 0:
        os.chown(file, 1000, 1000)
    with pytest.raises(ProfileError, match="cannot be used"):
        load_profile("default", workspace=Path("/ws"), home=Path("/home/u"), ceiling=str(file))

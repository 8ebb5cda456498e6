"""Links on the way of a path."""

from __future__ import annotations

from pathlib import Path

from gmcp_sandbox.monitor.links import real_path, trace


def test_chains_are_told_link_by_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "bin").mkdir(parents=True)
    (tmp_path / "minor").symlink_to("real")
    (tmp_path / "major").symlink_to(tmp_path / "minor")
    found = trace(f"{tmp_path}/major/bin/../bin")
    assert found is not None
    assert found.real == f"{tmp_path}/real/bin"
    assert found.links == ((f"{tmp_path}/major", f"{tmp_path}/minor"), (f"{tmp_path}/minor", "real"))


def test_circles_and_missing_paths_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert trace(f"{tmp_path}/a") is None
    assert trace(f"{tmp_path}/none/x") is None


def test_a_real_path_of_what_is_missing_keeps_its_rest(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert real_path(f"{tmp_path}/link/x/y") == f"{tmp_path}/real/x/y"
    assert real_path("/") == "/"

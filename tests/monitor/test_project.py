"""What a project is, by its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.monitor.project import Project, look_at, remotes_of
from gmcp_sandbox.policy.starting import Language, Origin, Remote


def looked_at(workspace: Path) -> Project:
    return look_at(workspace, home=workspace / "nobody", environ={})


def hosts_of(addresses: list[str]) -> tuple[str, ...]:
    return tuple(one.host for one in remotes_of(addresses))


@pytest.mark.parametrize(
    ("file", "language"),
    [
        ("pyproject.toml", Language.PYTHON),
        ("requirements.txt", Language.PYTHON),
        ("package.json", Language.NODE),
        ("Cargo.toml", Language.RUST),
        ("go.mod", Language.GO),
    ],
)
def test_languages_by_their_files(tmp_path: Path, file: str, language: Language) -> None:
    (tmp_path / file).write_text("")
    assert looked_at(tmp_path).languages == (language,)


def test_an_empty_directory_is_nothing_special(tmp_path: Path) -> None:
    found = looked_at(tmp_path)
    assert found == Project(())


def test_remotes_of_git(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text(
        '[remote "origin"]\n\turl = git@git.example.com:team/app.git\n'
        '[remote "up"]\n\turl = https://u:hunter2@Code.example.com:8443/app\n\tpushurl = ../elsewhere\n'
        '[url "x"]\n\tinsteadOf = https://no.example.com/\n'
    )
    assert looked_at(tmp_path).remotes == (Remote("git.example.com", 22), Remote("code.example.com"))


def test_a_configuration_behind_a_link_or_a_fifo_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "other").write_text('[remote "o"]\nurl = git@git.example.com:a\n')
    (tmp_path / ".git/config").symlink_to(tmp_path / "other")
    assert looked_at(tmp_path).remotes == ()
    os.unlink(tmp_path / ".git/config")
    os.mkfifo(tmp_path / ".git/config")
    assert looked_at(tmp_path).remotes == ()


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        ("ssh://git@git.example.com:22/a", ("git.example.com",)),
        ("git.example.com:a", ("git.example.com",)),
        ("https://git.example.com", ("git.example.com",)),
        ("file:///srv/git/app", ()),
        ("/srv/git/app", ()),
        ("../app", ()),
        ("ext::sh -c id", ()),
        ("https://a\nb/", ()),
        ('https://a"]/', ()),
        ("https:///x", ()),
    ],
)
def test_hosts_of_addresses(address: str, hosts: tuple[str, ...]) -> None:
    assert hosts_of([address]) == hosts


@given(st.lists(st.text(max_size=60), max_size=30))
def test_hosts_are_hosts(addresses: list[str]) -> None:
    found = hosts_of(addresses)
    assert len(found) <= 16
    for host in found:
        assert host.isascii() and host.isprintable() and '"' not in host and "\\" not in host


@pytest.mark.parametrize(
    ("address", "remotes"),
    [
        ("ssh://git@git.example.com:2222/a", (Remote("git.example.com", 2222),)),
        ("git@git.example.com:2222/a", (Remote("git.example.com", 22),)),
        ("ssh://git.example.com:0/a", ()),
        ("ssh://git.example.com:99999/a", ()),
        ("git://git.example.com/a", ()),
        ("https://git.example.com:8443/a", (Remote("git.example.com"),)),
    ],
)
def test_how_a_remote_is_reached(address: str, remotes: tuple[Remote, ...]) -> None:
    assert remotes_of([address]) == remotes


def test_the_files_of_its_languages_say_where_packages_come_from(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("")
    (tmp_path / "package-lock.json").write_text('"resolved": "https://js.example.com/a.tgz"')
    (tmp_path / "Cargo.lock").write_text('source = "registry+https://crates.example.com/index"')
    assert looked_at(tmp_path).origins == (Origin("js.example.com", "package-lock.json"),)

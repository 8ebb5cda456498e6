"""What a project is, by its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.monitor.project import hosts_of, look_at
from gmcp_sandbox.policy.starting import Language


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
    assert look_at(tmp_path).languages == (language,)


def test_an_empty_directory_is_nothing_special(tmp_path: Path) -> None:
    found = look_at(tmp_path)
    assert (found.languages, found.hosts) == ((), ())


def test_remotes_of_git(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text(
        '[remote "origin"]\n\turl = git@git.example.com:team/app.git\n'
        '[remote "up"]\n\turl = https://u:hunter2@Code.example.com:8443/app\n\tpushurl = ../elsewhere\n'
        '[url "x"]\n\tinsteadOf = https://no.example.com/\n'
    )
    assert look_at(tmp_path).hosts == ("git.example.com", "code.example.com")


def test_a_configuration_behind_a_link_or_a_fifo_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "other").write_text('[remote "o"]\nurl = git@git.example.com:a\n')
    (tmp_path / ".git/config").symlink_to(tmp_path / "other")
    assert look_at(tmp_path).hosts == ()
    os.unlink(tmp_path / ".git/config")
    os.mkfifo(tmp_path / ".git/config")
    assert look_at(tmp_path).hosts == ()


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

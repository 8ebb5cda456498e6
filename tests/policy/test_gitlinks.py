from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.gitlinks import against_pointer, is_refused_link


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/w/tree/.git", "gitdir: /w/main/.git/worktrees/tree\n"),
        ("/w/lib/.git", "gitdir: ../.git/modules/lib\n"),
        ("/w/a/lib/.git", "gitdir: ../../.git/modules/a/lib\n"),
        ("/w/.git", "gitdir: /home/u/super/.git\n"),
        ("/w/.git", ""),
        ("/w/.git", "gitdir: "),
        ("/w/.git", "no pointer"),
        ("/w/.git/worktrees/x/commondir", "../..\n"),
        ("/w/.git/worktrees/x/commondir", ""),
        ("/w/src/commondir", "../anything\n"),
    ],
)
def test_what_git_writes_may_stand(path: str, content: str) -> None:
    assert against_pointer(path, content.encode()) is None


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/w/.git", "gitdir: evil\n"),
        ("/w/.git", "gitdir: node_modules/x"),
        ("/w/.git", "gitdir: x/.git/../evil\n"),
        ("/w/.git", "gitdir: x/.git/testing/../../../evil"),
        ("/w/.git", "gitdir: moved/.git/modules/lib\n"),
        ("/w/.git", "gitdir: moved/.git/./modules//lib\n"),
        ("/w/.git", "gitdir:evil"),
        ("/w/.git/commondir", "../evil\n"),
        ("/w/.git/worktrees/x/commondir", "../../../evil"),
        ("/w/.git/commondir", "/w/evil"),
    ],
)
def test_pointers_to_other_directories_are_refused(path: str, content: str) -> None:
    assert against_pointer(path, content.encode()) is not None


def test_links_in_git_directories() -> None:
    assert is_refused_link("/w/.git/logs/HEAD", "/home/u/.bashrc")
    assert is_refused_link("/w/.git/worktrees", "modules")
    assert not is_refused_link("/w/.git/t0aB9x", "testing")
    assert not is_refused_link("/w/node_modules/.bin/x", "../x/bin.js")


@given(st.sampled_from(["/w/.git", "/w/.git/commondir", "/w/commondir"]), st.binary(max_size=60))
def test_any_bytes_get_an_answer(path: str, content: bytes) -> None:
    against_pointer(path, b"gitdir: " + content)
    against_pointer(path, content)

"""Guards of git configuration: ordinary git writes pass, programs on the host do not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.policy.gitkeys import _JUDGES
from gmcp_sandbox.policy.guards import Guard, guard_for

GIT_CONFIG = Guard("/w/.git/config")


@pytest.mark.parametrize(
    "path",
    ["/w/.git/config", "/w/sub/config", "/w/.gitmodules", "/w/x.git/config.worktree", "/w/.gitconfig", "/w/CONFIG"],
)
def test_configuration_is_guarded(path: str) -> None:
    assert guard_for(path) == Guard(path)


@pytest.mark.parametrize("path", ["/w/.git/config.lock", "/w/.git/HEAD", "/w/config.py", "/w/.gitattributes", "/"])
def test_other_files_are_not(path: str) -> None:
    assert guard_for(path) is None


@pytest.mark.parametrize(
    "lines",
    [
        "[core]\nfsmonitor = ./evil",
        "[CORE]\nFSMonitor = ./evil",
        "[core] fsmonitor = ./evil",
        '[core]\nfsmonitor = "./e\\\nvil"',
        "[core]\nfsmonitor = true\nfsmonitor = ./evil",
        "[core]\nhooksPath = /tmp/x",
        "[core]\nhooksPath =",
        "[core]\nsshCommand = sh -c x",
        "[core]\neditor = sh",
        "[core]\npager = sh",
        "[core]\naskPass = x",
        "[core]\ngitProxy = x for example.com",
        "[core]\nalternateRefsCommand = x",
        "[core]\nworktree = ../..",
        "[core]\nworktree = /home/u",
        "[alias]\nst = !sh",
        '[alias]\nst = "  !sh"',
        "[alias]\nst = submodule foreach sh",
        "[alias]\nst = -c core.pager=sh log",
        "[alias]\nst = diff --ext-diff",
        '[filter "x"]\nclean = sh',
        '[filter "lfs"]\nprocess = git-lfs filter-process && sh',
        "[filter]\nclean = sh",
        "[diff]\nexternal = sh",
        '[diff "x"]\ntextconv = sh',
        '[diff "x"]\ncommand = sh',
        '[merge "x"]\ndriver = sh',
        "[credential]\nhelper = store",
        '[credential "https://example.com"]\nhelper = !sh',
        "[gpg]\nprogram = sh",
        '[gpg "ssh"]\nprogram = sh',
        '[gpg "ssh"]\ndefaultKeyCommand = sh',
        "[sequence]\neditor = sh",
        "[pager]\nlog = sh",
        '[difftool "x"]\ncmd = sh',
        '[mergetool "x"]\npath = sh',
        "[uploadpack]\npackObjectsHook = sh",
        '[remote "o"]\nuploadpack = sh',
        '[remote "o"]\nvcs = x',
        '[remote "o"]\nurl = ext::sh -c x',
        '[remote "o"]\npushurl = fd::7',
        '[url "ext::sh "]\ninsteadOf = https://',
        '[protocol "ext"]\nallow = always',
        "[protocol]\nallow = always",
        '[submodule "x"]\nupdate = !sh',
        "[include]\npath = ../evil",
        '[includeIf "gitdir:/"]\npath = ../evil',
        "[init]\ntemplateDir = /tmp/t",
        "[interactive]\ndiffFilter = sh",
        '[trailer "x"]\ncommand = sh',
        "[sendemail]\ntoCmd = sh",
        "[sendemail]\nsmtpServer = /tmp/x",
        "[imap]\ntunnel = sh",
        '[tar "x"]\ncommand = sh',
        '[lfs "customtransfer.x"]\npath = sh',
        '[guitool "x"]\ncmd = sh',
        '[hook "x"]\ncommand = sh',
        "[tig]\nx = !sh",
        "[unknown]\nrunCommand = sh",
        "[alias]\nst = log -1 --format=%B --output=/home/u/.bashrc",
        "[alias]\nst = \"log '--out\\\\put' /home/u/.bashrc\"",
        "[alias]\nst = \"diff '--ext-diff'\"",
        "[diff]\ntool = ../../../../w/evil",
        "[merge]\nguiTool = ../../../../w/evil",
        '[mergetool "vimdiff"]\nlayout = "`sh`"',
        "[http]\nsaveCookies = true\ncookieFile = /home/u/.bashrc",
        "[core]\nfsmonitor = ./evil\n<<<<<<< conflict",
        '[core]\nfsmonitor = "./evil',
        "[core]\nfsmonitor = ./evil\0true",
    ],
)
def test_host_executing_keys_are_refused(lines: str) -> None:
    assert GIT_CONFIG.judge(lines.encode()) is not None
    assert Guard("/w/bare/config").judge(lines.encode()) is not None


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n",
        '[remote "origin"]\n\turl = https://example.com/a.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n',
        '[branch "main"]\n\tremote = origin\n\tmerge = refs/heads/main\n\trebase = true\n',
        "[user]\n\tname = A B\n\temail = a@example.com\n\tsigningkey = 1\n",
        '[filter "lfs"]\nclean = git-lfs clean -- %f\nsmudge = git-lfs smudge -- %f\nrequired = true',
        '[filter "lfs"]\nprocess = git-lfs filter-process',
        "[core]\nfsmonitor = true\nuntrackedCache = true",
        "[core]\nfsmonitor",
        "[core]\npager =\n[pager]\nlog = false\n",
        "[core]\nhooksPath = /dev/null",
        "[alias]\nst = status -sb\nlg = log --oneline --graph",
        '[submodule "lib"]\n\tpath = lib\n\turl = ../lib.git\n\tactive = true\n',
        "[protocol]\nversion = 2",
        "[credential]\nhelper =",
        "[diff]\nalgorithm = histogram\n[merge]\nconflictstyle = zdiff3\ntool = vimdiff",
        '[url "git@example.com:"]\ninsteadOf = https://example.com/',
        "[alias]\nlg = log --graph --pretty=format:'%h -%d %s' --output-indicator-new=+",
        '[mergetool "vimdiff"]\nlayout = "(LOCAL,BASE,REMOTE)/MERGED + @LOCAL"\n[http]\nsaveCookies = false',
        "[gui]\nwmstate = normal\n[gc]\nauto = 0\n[extensions]\nworktreeConfig = true",
    ],
)
def test_ordinary_configuration_passes(lines: str) -> None:
    assert GIT_CONFIG.judge(lines.encode()) is None


def test_a_submodule_keeps_its_worktree() -> None:
    guard = Guard("/w/.git/modules/lib/config")
    assert guard.judge(b"[core]\n\tworktree = ../../../lib\n") is None
    assert guard.judge(b"[core]\n\tworktree = ../../../../other\n") is not None
    assert Guard("/w/bare/config").judge(b"[core]\nworktree = ..\n") is not None


def test_a_repository_works_in_its_own_directory_only() -> None:
    assert GIT_CONFIG.judge(b"[core]\nworktree = ..\n") is None
    assert GIT_CONFIG.judge(b"[core]\nworktree = ../link\n") is not None


def test_what_is_no_git_configuration_is_harmless_elsewhere() -> None:
    ssh = b"Host example.com\n  ProxyCommand nc %h %p\n"
    assert Guard("/w/conf/config").judge(ssh) is None
    assert Guard("/w/.gitmodules").judge(b"<<<<<<< HEAD\n") is None
    assert GIT_CONFIG.judge(ssh) is not None


def test_the_reason_never_holds_the_value() -> None:
    reason = GIT_CONFIG.judge(b"[core]\neditor = hunter2\n")
    assert reason is not None
    assert "hunter2" not in reason


@given(st.binary(max_size=400), st.sampled_from(["/w/.git/config", "/w/config", "/.gitmodules"]))
def test_any_bytes_get_an_answer(content: bytes, path: str) -> None:
    Guard(path).judge(content)


HARMLESS_IF_EVIL = {
    ("merge", "tool"),
    ("merge", "guitool"),
    ("diff", "tool"),
    ("diff", "guitool"),
    ("mergetool", "layout"),
}
KEYS = st.sampled_from(
    sorted(
        key
        for key in _JUDGES.keys() - HARMLESS_IF_EVIL
        if key[1] != "*" and key[0] not in ("url", "protocol", "remote", "submodule")
    )
)
NOISE = st.sampled_from(["", "# c\n", "[user]\nname = x\n", "\ufeff", "\r\n", "[core]\nbare = false\n"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(KEYS, NOISE, NOISE, st.booleans(), st.sampled_from(["evil", '"evil"', "e\\\nvil", 'ev"il" ; c']))
def test_a_dangerous_key_that_git_lists_is_refused(
    tmp_path: Path, key: tuple[str, str], before: str, after: str, is_quoted: bool, value: str
) -> None:
    section = f'[{key[0].upper()} "s"]' if is_quoted else f"[{key[0]}]"
    content = f"{before}{section}{key[1]} = {value}\n{after}".encode()
    path = tmp_path / "config"
    path.write_bytes(content)
    listing = subprocess.run(["git", "config", "-f", str(path), "--list", "-z"], capture_output=True, check=False)
    dangerous = f"{key[0]}.{'s.' if is_quoted else ''}{key[1]}\nevil".encode()
    if dangerous in listing.stdout:
        in_core = key[0] == "core" and is_quoted  # `core.s.editor` is no key that git knows, refused all the same
        assert GIT_CONFIG.judge(content) is not None or in_core

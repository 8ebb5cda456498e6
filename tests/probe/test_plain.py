"""Program starts that the gate need not be asked about, and those that only look like them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import ProcExec
from gmcp_sandbox.probe.plain import is_plain

WORK = "/home/u/app"
GIT = "/usr/bin/git"
GCC = "/usr/bin/x86_64-linux-gnu-gcc-12"
SPAWN = "/usr/lib/jvm/java-17-openjdk-amd64/lib/jspawnhelper"
PLAIN = [
    ("/usr/bin/head", "head -c 20M /dev/zero"),
    ("/usr/bin/head", "head -n5 src/a.py -- src/b.py"),
    ("/usr/bin/tail", "tail -f logs/app.log"),
    ("/usr/bin/paste", "paste -sd+ /dev/fd/63"),
    ("/usr/bin/paste", "paste -d , a.py b.py"),
    ("/usr/bin/comm", "comm -12 /dev/fd/63 /dev/fd/62"),
    ("/usr/bin/date", "date -u +%Y-%m-%dT%H:%M:%SZ"),
    ("/usr/bin/yes", "yes"),
    ("/usr/bin/rm", "rm -f ./build/app.o build/b.o"),
    ("/usr/bin/rm", f"rm -f {WORK}/inst/bin/prog"),
    ("/usr/bin/rm", "rm -fv /tmp/stage/prog"),
    ("/usr/bin/mkdir", "mkdir -p build/obj"),
    ("/usr/bin/sed", "sed -e s/-/_/g"),
    ("/usr/bin/sed", "sed -n 1,20p src/a.py"),
    ("/usr/bin/sort", "sort -rn -k 2,2 -t , data.csv"),
    ("/usr/bin/tr", "tr -d '\\r'"),
    ("/usr/bin/sqlite3", "sqlite3 app.db 'pragma journal_mode=delete; vacuum;'"),
    (GIT, "git reset --hard HEAD~1"),
    (GIT, "git -C work checkout -q -b again HEAD~2"),
    (GIT, "git clean -fd"),
    (GIT, "git branch -D feature/login"),
    (GIT, "git stash drop stash@{0}"),
    (GIT, "git worktree remove --force wt"),
    (GIT, "git bisect reset"),
    (GIT, "git rm -q -f vendor/parser"),
    ("/usr/lib/git-core/git-bisect", "/usr/lib/git-core/git-bisect reset"),
    (GIT, "git submodule--helper deinit --force -- vendor/parser"),
    (GIT, "git-upload-pack --strict shared.git"),
    ("/usr/lib/git-core/git", "/usr/lib/git-core/git reset --hard -q --no-recurse-submodules"),
    (GCC, "cc -m64 /tmp/rustcX/symbols.o a.b-cgu.0.rcgu.o -Wl,--as-needed -Wl,-Bstatic /opt/rust/lib/libstd-1.rlib"
          " -Wl,-Bdynamic -lgcc_s -lc -Wl,--eh-frame-hdr -Wl,-z,noexecstack -L /opt/rust/lib -o target/debug/app"
          " -Wl,--gc-sections -pie -Wl,-z,relro,-z,now -nodefaultlibs"),
    ("/usr/bin/x86_64-linux-gnu-g++-12", "c++ -rdynamic main.o -o app -Wl,-rpath,$ORIGIN libx.so.1.2 -lm"),
    (GCC, "cc m.rcgu.o -B/opt/rust/lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld -fuse-ld=lld -o target/debug/app"),
    (SPAWN, f"{SPAWN} 17.0.15+6-Debian-1deb12u1 4:5:7"),
    (SPAWN, f"{SPAWN} 12:14"),
]  # fmt: skip
ASKED = {
    "another tool": ("/usr/bin/curl", "curl build/x"),
    "a shell": ("/usr/bin/bash", "bash build/x"),
    "an interpreter": ("/usr/bin/python3.11", "python3 build/x"),
    "another place": ("/usr/local/bin/rm", "rm build/x"),
    "a place that looks like one": ("/usr/bin/../../w/bin/rm", "rm build/x"),
    "another name than the program's": ("/usr/bin/rm", "head build/x"),
    "a program of many names": ("/usr/bin/busybox", "rm build/x"),
    "a tree": ("/usr/bin/rm", "rm -rf build"),
    "the workspace": ("/usr/bin/rm", f"rm -f {WORK}"),
    "the workspace by its dot": ("/usr/bin/rm", "rm -f ."),
    "the workspace with a slash": ("/usr/bin/rm", "rm -f ./"),
    "a file above": ("/usr/bin/rm", "rm -f ../other/x"),
    "a file above behind a plain part": ("/usr/bin/rm", "rm -f build/../../x"),
    "a neighbour": ("/usr/bin/rm", f"rm -f {WORK}-other/x"),
    "a hidden file": ("/usr/bin/rm", "rm -f .env"),
    "a file in a hidden directory": ("/usr/bin/rm", "rm -f .git/config"),
    "a hidden file by its whole path": ("/usr/bin/rm", f"rm -f {WORK}/.git/index"),
    "a file of the system": ("/usr/bin/head", "head /etc/shadow"),
    "a file of the home directory": ("/usr/bin/head", "head /home/u/.ssh/id_rsa"),
    "another process": ("/usr/bin/head", "head /proc/1/environ"),
    "another device": ("/usr/bin/head", "head /dev/sda"),
    "a device that is removed": ("/usr/bin/rm", "rm /dev/null"),
    "an option behind the files": ("/usr/bin/rm", "rm build/x -r"),
    "a file like an option": ("/usr/bin/rm", "rm -- -rf"),
    "a glob": ("/usr/bin/rm", "rm -f 'build/*'"),
    "sed that runs": ("/usr/bin/sed", "sed 's/x/id/e'"),
    "sed that runs a line": ("/usr/bin/sed", "sed -n '1e id' a"),
    "sed that writes": ("/usr/bin/sed", "sed 's/x/y/w .bashrc' a"),
    "sed that changes files": ("/usr/bin/sed", "sed -i s/x/y/ a"),
    "sed with a second command behind a line end": ("/usr/bin/sed", "sed 's/x/y/\ne id' a"),
    "sed with a second command": ("/usr/bin/sed", "sed 's/x/y/;e id' a"),
    "sed with a script": ("/usr/bin/sed", "sed -f script a"),
    "sort that runs": ("/usr/bin/sort", "sort --compress-program=build/x data"),
    "sort that writes": ("/usr/bin/sort", "sort -o .bashrc data"),
    "sqlite that runs": ("/usr/bin/sqlite3", "sqlite3 app.db '.shell id'"),
    "sqlite that runs behind upkeep": ("/usr/bin/sqlite3", "sqlite3 app.db 'vacuum;\n.shell id'"),
    "sqlite that drops": ("/usr/bin/sqlite3", "sqlite3 app.db 'drop table users'"),
    "sqlite that reads its input": ("/usr/bin/sqlite3", "sqlite3 app.db"),
    "sqlite that starts with a file": ("/usr/bin/sqlite3", "sqlite3 -init x app.db vacuum"),
    "git with a setting": (GIT, "git -c core.pager=build/x branch"),
    "git with an alias": (GIT, "git -c 'alias.x=!id' x"),
    "git with its own verbs' directory": (GIT, "git --exec-path=build reset"),
    "git with another repository": (GIT, "git --git-dir=/srv/x reset --hard"),
    "git in another directory": (GIT, "git -C /home/u/other reset --hard"),
    "git in a directory above": (GIT, "git -C ../other clean -fd"),
    "git with a verb of the agent's": (GIT, "git evil --hard"),
    "git by the name of a verb": (GIT, "git-filter-branch reset"),
    "a script of git's that runs": ("/usr/lib/git-core/git-bisect", "git-bisect run id"),
    "another script of git's": ("/usr/lib/git-core/git-filter-branch", "git reset --hard"),
    "a script of git's elsewhere": (f"{WORK}/git-core/git-bisect", "git-bisect reset"),
    "git that runs": (GIT, "git bisect run sh -c id"),
    "git that rebases and runs": (GIT, "git rebase -x id main"),
    "git that forgets all": (GIT, "git stash clear"),
    "git that removes what is ignored": (GIT, "git clean -fdx"),
    "git that removes all": (GIT, "git rm -rf ."),
    "git that fetches": (GIT, "git clone https://example.com/x"),
    "git that clones a submodule": (GIT, "git submodule--helper clone --url=https://example.com/x"),
    "git that pushes": (GIT, "git push --force origin main"),
    "git that edits": (GIT, "git branch --edit-description"),
    "git with a hidden file": (GIT, "git checkout HEAD -- .github/workflows/ci.yml"),
    "git without a verb": (GIT, "git"),
    "a compiler with a wrapper": (GCC, "cc -wrapper build/evil a.o -o app"),
    "a compiler with a plug-in": (GCC, "cc -fplugin=build/evil.so a.o -o app"),
    "a compiler with other parts": (GCC, "cc -Bbuild a.o -o app"),
    "a compiler with parts that look like a linker": (GCC, "cc -Bbuild/lib/rustlib/x/bin/gcc-ld a.o -o app"),
    "a compiler with other specifications": (GCC, "cc -specs=build/x a.o -o app"),
    "a compiler with words in a file": (GCC, "cc @words -o app"),
    "a compiler with a source": (GCC, "cc a.c -o app"),
    "a linker with a plug-in": (GCC, "cc a.o -o app -Wl,-plugin,build/evil.so"),
    "a linker of the agent's": (GCC, "cc a.o -o app -fuse-ld=/w/evil"),
    "a linker with words for it": (GCC, "cc a.o -o app -Xlinker -plugin"),
    "a linker that writes elsewhere": (GCC, "cc a.o -o /home/u/.local/bin/ls"),
    "a linker that writes a hidden file": (GCC, "cc a.o -o .git/hooks/x.o"),
    "a linker that writes twice": (GCC, "cc a.o -o app -o b"),
    "a linker that writes a map": (GCC, "cc a.o -o app -Wl,-Map,.bashrc"),
    "a linker without an end": (GCC, "cc a.o -o"),
    "a compiler of the agent's": (f"{WORK}/gcc", "cc a.o -o app"),
    "a helper with other words": (SPAWN, f"{SPAWN} 4:5 rm -rf /"),
    "a helper of the agent's": ("/home/u/.jdk/lib/jspawnhelper", "jspawnhelper 4:5"),
    "seq with a format": ("/usr/bin/seq", "seq -f %s 3"),
    "date that is set": ("/usr/bin/date", "date -s 2020-01-01"),
    "yes with words": ("/usr/bin/yes", "yes 'rm -rf /'"),
}


def started(words, cwd=WORK):
    return ProcExec(tuple(shlex.split(words)), cwd)


@pytest.mark.parametrize(("path", "words"), PLAIN)
def test_what_only_says_which_files(path, words):
    assert is_plain(path, started(words), WORK)


@pytest.mark.parametrize("trick", ASKED)
def test_what_says_more(trick):
    path, words = ASKED[trick]
    assert not is_plain(path, started(words), WORK)


@pytest.mark.parametrize("cwd", ["/", "/home/u", "/etc", "/home/u/app/.git", "/home/u/application", "/tmp/../etc"])
def test_in_another_directory(cwd):
    assert not is_plain("/usr/bin/rm", started("rm -f build/x", cwd), WORK)


def test_below_the_workspace_and_in_tmp():
    assert is_plain("/usr/bin/rm", started("rm -f x", f"{WORK}/src/deep"), WORK)
    assert is_plain("/usr/bin/rm", started("rm -f x", "/tmp/stage"), WORK)


def test_what_is_not_known():
    assert not is_plain("/usr/bin/yes", ProcExec(), WORK)
    assert not is_plain("/usr/bin/yes", ProcExec((), WORK), WORK)
    assert not is_plain("/usr/bin/yes", ProcExec(("yes",), None), WORK)
    assert not is_plain("/usr/bin/rm", ProcExec(("rm", "x"), "/", None), "")


def test_without_a_workspace_nothing_lies_in_it():
    assert not is_plain("/usr/bin/rm", started("rm -f x", "/srv"), "")
    assert not is_plain("/usr/bin/rm", started("rm -f x", "/"), "/")


def test_a_script_is_asked_about():
    assert not is_plain("/usr/bin/rm", ProcExec(("rm", "x"), WORK, None, "./x"), WORK)


PROGRAMS = st.sampled_from([path for path, _ in PLAIN])
WORDS = st.lists(st.text(max_size=30) | st.sampled_from(["-rf", "..", "/", "~", ".env", "/etc/passwd", "\n", "$(id)"]))
BAD = st.sampled_from(["../x", "/etc/passwd", "/", "..", ".env", "a/../../b", "$(id)", "`id`", "x;id", "a\nb", "a b"])


@given(PROGRAMS, WORDS, st.text(max_size=20))
def test_any_words_are_answered(path, words, cwd):
    assert is_plain(path, ProcExec((path.rpartition("/")[2], *words), cwd), WORK) in (True, False)


@given(
    st.sampled_from(["rm", "head", "mkdir", "touch", "wc", "rmdir"]), st.lists(st.sampled_from(["a", "b/c", "-v"])), BAD
)
def test_one_bad_file_is_enough(name, words, bad):
    assert not is_plain(f"/usr/bin/{name}", ProcExec((name, *words, bad), WORK), WORK)


def test_very_many_words_are_read_in_one_go():
    objects = " ".join(f"target/deps/module_{number}.rcgu.o" for number in range(20_000))
    assert is_plain(GCC, started(f"cc {objects} -o app"), WORK)
    assert not is_plain(GCC, started(f"cc {objects} -o app -wrapper x"), WORK)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/usr/bin/sed", ("sed", "1p", "cmds", "-ee")),
        ("/usr/bin/sed", ("sed", "1p", "-fscript")),
        ("/usr/bin/sqlite3", ("sqlite3", "-cmd", "vacuum")),
        ("/usr/bin/sqlite3", ("sqlite3", "-init", "vacuum")),
        ("/usr/lib/git-core/git-branch", ("git-push", "-d", "origin")),
    ],
)
def test_a_word_that_the_program_takes_for_an_option_or_another_name(path, words):
    assert not is_plain(path, ProcExec(words, "/home/u/app"), "/home/u/app")

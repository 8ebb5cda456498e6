"""Real programs do the same inside and outside: output, exit code and every file that they leave."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.e2e.harness import AGENTS

GIT_OPAQUE = (r"(^|/)index$",)  # times and inode numbers of the working tree


@pytest.mark.needs("program:git")
def test_git_works_as_outside(sandbox, both):
    subprocess.run(["bash", "-euc", MAKE_ORIGIN], cwd=sandbox.workspace, env=sandbox.environment(), check=True)
    sandbox.own(sandbox.workspace)
    both("bash", "-euc", GIT_WORK, opaque=GIT_OPAQUE)


MAKE_ORIGIN = """
git init -q origin; cd origin
for i in $(seq 60); do mkdir -p d$((i % 7)); seq $i 200 > d$((i % 7))/file$i.txt; done
printf '#!/bin/sh\\necho run\\n' > run.sh; chmod +x run.sh; ln -s run.sh link
git add -A; git commit -qm 'first'; git tag v1
seq 500 > d1/more.txt; git add -A; git commit -qm 'second'
"""
GIT_WORK = """
git clone -q origin copy; cd copy
git status; git log --stat --format='%H %an %ad %s'; git tag
git config user.name Grace; git config --get-all user.name
git checkout -q -b feature; echo changed >> d2/file2.txt; echo new > new.txt
git status --short; git add -A; git commit -m 'third'; git show --stat
git remote add upstream ../origin; git remote -v; git fetch -q upstream; git branch -a
git checkout -q main; echo other > other.txt; git add other.txt; git commit -qm 'fourth'
git merge -q --no-edit feature; git log --oneline --graph
git checkout -q -b topic v1; echo t > topic.txt; git add .; git commit -qm topic; git rebase -q main 2>&1
echo dirty >> new.txt; git stash -q; git stash list; git stash pop -q; git diff; git checkout -q -- new.txt
git push -q origin topic; git -C ../origin branch
git gc -q; git fsck --strict; git count-objects; git worktree add -q ../tree v1; git worktree list
git mv d3 moved; git commit -qm 'moved'; git status; git clean -qfd; git grep -c 100 | head -5
./run.sh; ./link
"""


@pytest.mark.needs("program:tar")
def test_tar_of_two_thousand_files(both):
    both(
        "bash",
        "-euc",
        """
        mkdir -p in/{0..19}; for d in in/*; do for i in {1..100}; do echo "$d $i" > $d/f$i; done; done
        ln -s 1/f1 in/link; ln in/2/f2 in/hard; chmod 600 in/3/f3; touch -d @1700000000 in/4/f4; mkfifo in/pipe
        tar --sort=name --mtime=@1 --numeric-owner -cf a.tar in; tar -tf a.tar | md5sum; mkdir out; tar -xf a.tar -C out
        diff -r --no-dereference in/5 out/in/5; find out | wc -l
        stat -c '%a %h %F %s' out/in/link out/in/hard out/in/pipe
        tar -czf b.tgz -C out in/6; tar -tzf b.tgz | sort | head -3; rm b.tgz; rm -r in
        """,
    )


@pytest.mark.needs("program:gcc", "program:make")
def test_gcc_builds_a_hundred_files(sandbox, both):
    names = [f"part{number}" for number in range(110)]
    for number, name in enumerate(names):
        (sandbox.workspace / f"{name}.c").write_text(
            f'#include "all.h"\nint {name}(int x) {{ return x + {number}; }}\n'
        )
    calls = "".join(f"    sum = {name}(sum);\n" for name in names)
    head = '#include <stdio.h>\n#include "all.h"\nint main(void) {\n    int sum = 0;\n'
    main = f'{head}{calls}    printf("%d\\n", sum);\n}}\n'
    (sandbox.workspace / "main.c").write_text(main)
    (sandbox.workspace / "all.h").write_text("".join(f"int {name}(int x);\n" for name in names))
    (sandbox.workspace / "Makefile").write_text(
        "OBJECTS := $(patsubst %.c,%.o,$(sort $(wildcard *.c)))\nprog: $(OBJECTS)\n\tgcc -o $@ $^\n"
        "%.o: %.c all.h\n\t@gcc -O0 -c -o $@ $<\n"
    )
    sandbox.own(sandbox.workspace)
    both("bash", "-euc", "make -j2 --output-sync=none; ./prog; make; file=$(ls *.o | wc -l); echo $file", timeout=120)


@pytest.mark.needs("program:node")
def test_node_runs_a_script(both):
    script = """
    const fs = require('fs'), os = require('os'), cp = require('child_process'), crypto = require('crypto');
    const { Worker } = require('worker_threads');
    fs.mkdirSync('a/b', { recursive: true }); fs.writeFileSync('a/b/c.json', JSON.stringify({ x: 1 }));
    console.log(fs.readdirSync('a', { recursive: true }), require('./a/b/c.json'), os.cpus().length > 0, os.homedir());
    console.log(crypto.createHash('sha256').update(fs.readFileSync('a/b/c.json')).digest('hex'));
    console.log(cp.execSync('echo from a child').toString());
    fs.watch('a', () => {}).close();
    new Worker("require('worker_threads').parentPort.postMessage(6 * 7)", { eval: true }).on('message', (m) => {
        console.log('worker says', m);
        import('fs/promises').then(async (p) => {
            await p.rename('a/b/c.json', 'd.json');
            console.log(await p.readdir('.'));
        });
    });
    """
    both("node", "-e", script)


@pytest.mark.needs("program:sqlite3")
@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_sqlite(both, journal):
    statements = (
        f"pragma journal_mode={journal}; create table t(a integer primary key, b text);"
        "with recursive c(x) as (select 1 union all select x+1 from c where x < 3000) "
        "insert into t select x, 'row '||x from c;"
    )
    both(
        "bash",
        "-euc",
        f"""
        sqlite3 a.db "{statements}"
        for i in 1 2 3; do sqlite3 -cmd '.timeout 20000' a.db "update t set b=b||'x' where a % $((i + 1)) = 0" & done
        wait
        sqlite3 a.db "begin; delete from t where a < 100; rollback"
        sqlite3 a.db "select count(*), sum(length(b)) from t; pragma journal_mode"
        sqlite3 a.db "pragma integrity_check; select * from t where a in (1, 2000); vacuum"
        ls; python3 -c '
import sqlite3
c = sqlite3.connect("a.db"); d = sqlite3.connect("a.db", timeout=0)
c.execute("begin immediate"); c.execute("insert into t values(9999, ?)", ("new",))
try: d.execute("begin immediate")
except sqlite3.OperationalError as error: print(error)
c.commit(); print(d.execute("select b from t where a=9999").fetchall()); c.close(); d.close()'
        """,
        opaque=(r"a\.db$",),
    )


def test_a_python_agent_that_uses_everything(sandbox, both):
    sandbox.write("agent.py", (AGENTS / "busy.py").read_bytes())
    both("python3", "agent.py")


def test_shell_pipelines(both):
    both(
        "bash",
        "-euc",
        r"""
        seq 5000 | awk '{ s += $1; print $1 % 97 } END { print s > "sum" }' | sort -n |
            uniq -c | sort -rn | head -20 | tee top
        cat < sum; cat <<< here; paste -d, <(seq 3) <(seq 4 6)
        printf '%s\n' {a..e} | xargs -P 4 -n 1 sh -c 'echo $0' | sort
        mkfifo p; (sed s/a/b/ < p > fifo.out) & echo banana > p; wait; cat fifo.out; rm p
        trap 'echo trapped' TERM; kill -TERM $$; (exit 7) || echo $?; set -o pipefail; false | true || echo failed
        cp -a top copy; ln -s copy sym; readlink -f sym; sed -i 's/1/one/' copy; diff top copy || true
        test -e /dev/null
        for i in 1 2 3; do (echo line $i >> appended) & done; wait; sort -o appended appended; cat appended
        dd if=/dev/zero of=sparse bs=1 count=1 seek=9M 2>/dev/null
        stat -c %s sparse
        cd /; echo $PWD $OLDPWD | wc -w; umask 027; cd "$OLDPWD"; mkdir m; touch m/f; stat -c %a m m/f
        exec 5<>rw; echo five >&5; cat rw; date -u -r rw +%Y | wc -c
        id -u; id -g; whoami || true; pwd; echo ~; tty || true
        """,
    )


def test_a_virtual_environment_is_made_and_used(both):
    both(
        "bash",
        "-euc",
        """
        python3 -m venv --without-pip env; env/bin/python -c 'import sys; print(sys.prefix, sys.base_prefix)'
        . env/bin/activate; command -v python; python -c 'import json, ssl, ctypes; print(json.dumps([1]))'
        python -m compileall -q env; python -m zipfile -c z.zip env/pyvenv.cfg
        python -m zipfile -l z.zip | wc -l; rm z.zip
        """,
        opaque=(r"\.pyc$",),
    )


def test_a_packages_own_test_suite(both):
    """jsonschema's wheel ships its tests; it is a dependency, so pip has installed it."""
    tests = [f"jsonschema.tests.{name}" for name in ("test_validators", "test_types", "test_format", "test_utils")]
    found = _own_tests(both, *tests)
    assert re.search(r"\d{3} passed", found.text)


def test_an_event_loops_own_tests_of_files_and_programs(both):
    """trio's wheel ships its tests, too: programs, signals, threads and files under the event loop."""
    tests = [f"trio._tests.{name}" for name in ("test_file_io", "test_path", "test_subprocess", "test_signals")]
    found = _own_tests(both, "-p", "no:trio", "-p", "trio._tests.pytest_plugin", *tests)
    assert re.search(r"\d+ passed", found.text)


def _own_tests(both, *words: str):
    """Run pytest with its temporary files in the workspace, and remove them at the end."""
    script = '"$@"; code=$?; rm -rf temporary; exit $code'
    pytest_words = (
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-W", "ignore",
        "--basetemp=temporary", "--pyargs",
    )  # fmt: skip
    return both("bash", "-c", script, "sh", *pytest_words, *words, plain=_without_time, timeout=120)


def _without_time(text: str) -> str:
    return re.sub(r" in [0-9.]+s.*", "", text)


def test_find_walks_the_whole_view(sandbox):
    profile = sandbox.profile('name = "plain"\nextends = "default"\ntoolchains = false\n')
    found = sandbox.exec("find", "/", "-xdev", profile=profile, timeout=150)
    lines = found.text.splitlines()
    assert {"/usr/bin/env", "/etc/passwd", "/tmp", str(sandbox.workspace)} <= set(lines)
    assert len(lines) == len(set(lines))
    complaints = [line for line in found.err.splitlines() if line.startswith("find:")]
    assert not [line for line in complaints if not line.endswith("Permission denied")]
    assert found.code == (1 if complaints else 0)
    refused = {record["object"] for record in found.denials}
    for line in complaints:
        path = re.search("‘(.*)’|'(.*)'", line)
        assert path, line
        name = path[1] or path[2]
        assert name in refused or not _may_list(name, sandbox.uid), line


def _may_list(path: str, uid: int) -> bool:
    """True when the modes of a directory of the host let this user list it."""
    import os

    facts = os.stat(path)
    bits = facts.st_mode >> (6 if facts.st_uid == uid else 0)
    return bits & 0o5 == 0o5

"""Ordinary programs work under the system-call filter, and under the ptrace that a profile allows."""

from __future__ import annotations

import shutil

import pytest

PROFILE = """
extends = "default"
name = "mine"
description = "The shipped one, without the gate."
[probe]
tools = ["mcp.call"]
"""
DEBUGGING = PROFILE.replace("[probe]", "ptrace = true\n[probe]")
C = """
#include <stdio.h>
int square(int n) { return n * n; }
int main(void) { printf("%d\\n", square(7)); return 0; }
"""
JAVA = """
import java.nio.file.*;
import java.util.concurrent.*;
public class Hello {
    public static void main(String[] words) throws Exception {
        var pool = Executors.newFixedThreadPool(8);
        var sums = new java.util.ArrayList<Future<Integer>>();
        for (int i = 0; i < 100; i++) { final int n = i; sums.add(pool.submit(() -> n)); }
        int sum = 0;
        for (var each : sums) sum += each.get();
        pool.shutdown();
        Process child = new ProcessBuilder("/bin/echo", "child").start();
        String said = new String(child.getInputStream().readAllBytes()).trim();
        Files.writeString(Path.of("out.txt"), sum + " " + said + "\\n");
        System.gc();
        System.out.print(Files.readString(Path.of("out.txt")));
    }
}
"""
RUST = """
fn main() {
    let threads: Vec<_> = (0..4).map(|i| std::thread::spawn(move || i * i)).collect();
    println!("{}", threads.into_iter().map(|each| each.join().unwrap()).sum::<i32>());
}
"""
GO = """
package main
import "fmt"
func main() {
    sums := make(chan int)
    for i := 0; i < 4; i++ { go func(n int) { sums <- n * n }(i) }
    fmt.Println(<-sums + <-sums + <-sums + <-sums)
}
"""
PYTHON = """
import mmap, multiprocessing, os, select, signal, socket
with multiprocessing.Pool(2) as pool:
    print(sum(pool.map(abs, range(-10, 0))))
poller, (ours, theirs) = select.epoll(), socket.socketpair()
poller.register(ours, select.EPOLLIN)
theirs.send(b"x")
print(len(poller.poll(5)), os.eventfd_read(os.eventfd(3)), len(os.sched_getaffinity(0)) > 0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
signal.setitimer(signal.ITIMER_REAL, 0.01)
print(signal.sigwait([signal.SIGALRM]) == signal.SIGALRM, len(mmap.mmap(-1, 4096, prot=7)))
"""
NODE = """
const { Worker } = require('worker_threads');
new Worker("require('worker_threads').parentPort.postMessage(6 * 7)", { eval: true }).on('message', console.log);
"""
PROGRAMS = {
    # program: (source, its file, command line, what it says)
    "python3": (PYTHON, "main.py", "python3 main.py", "55\n1 3 True\nTrue 4096\n"),
    "node": (NODE, "main.js", "node main.js", "42\n"),
    "gcc": (C, "main.c", "gcc -O2 -o main main.c && ./main", "49\n"),
    "javac": (JAVA, "Hello.java", "javac Hello.java && java -XX:+UseParallelGC Hello", "4950 child\n"),
    "rustc": (RUST, "main.rs", "rustc main.rs && ./main", "14\n"),
    "go": (GO, "main.go", "go run main.go", "14\n"),
}
OPTIONAL = ("javac", "rustc", "go")
"""Tried where the system has them; a test for what few machines have would be a skip on the others."""


def _programs():
    for program in PROGRAMS:
        if program not in OPTIONAL:
            yield pytest.param(program, marks=pytest.mark.needs(f"program:{program}"))
        elif shutil.which(program, path="/usr/bin:/usr/local/bin:/usr/local/go/bin"):
            yield program


def _run(sandbox, line, profile=PROFILE, **how):
    return sandbox.exec("/bin/sh", "-c", line, profile=sandbox.profile(profile), timeout=120, **how)


@pytest.mark.parametrize("program", list(_programs()))
def test_a_program_with_threads_and_children_works(sandbox, program):
    source, name, line, said = PROGRAMS[program]
    sandbox.write(name, source)
    result = _run(sandbox, line)
    assert result.text == said, result.err
    assert not [record for record in result.records if record.get("name") == "attempt_refused"]


# ---------------------------------------------------------------------------------------------------------- debuggers

GDB = 'gdb -q -batch -nx -ex "break square" -ex run -ex "print n" -ex "set var n = 9" -ex continue ./t'


@pytest.mark.needs("program:gcc", "program:gdb")
def test_gdb_on_its_own_child_where_the_profile_allows_it(sandbox):
    sandbox.write("t.c", C)
    result = _run(sandbox, f"gcc -g -O0 -o t t.c && {GDB}", DEBUGGING)
    assert "$1 = 7" in result.text, result.err
    assert "\n81\n" in result.text
    assert result.records[0]["host"]["seccomp"] == "allow-list with ptrace"


@pytest.mark.needs("program:gcc", "program:gdb")
def test_gdb_is_refused_and_recorded_where_it_does_not(sandbox):
    sandbox.write("t.c", C)
    result = _run(sandbox, f"gcc -g -O0 -o t t.c && {GDB}; ./t")
    assert "$1 = 7" not in result.text
    assert result.text.endswith("49\n")
    assert result.records[0]["host"]["seccomp"] == "allow-list"
    attempts = [record["data"]["what"] for record in result.records if record.get("name") == "attempt_refused"]
    assert attempts == ["ptrace"]


@pytest.mark.needs("program:strace")
def test_strace_on_its_own_child_where_the_profile_allows_it(sandbox):
    result = _run(sandbox, "strace -f -e trace=execve sh -c '/bin/echo traced; true' 2>&1", DEBUGGING)
    assert "traced\n" in result.text
    assert result.text.count("execve(") >= 2


@pytest.mark.needs("program:strace", "program:git")
def test_the_start_of_a_traced_process_is_judged_and_noted(sandbox):
    sandbox.write("run", "strace -f /bin/echo said; strace -f git push --force\n")
    result = _run(sandbox, "sh run", DEBUGGING)
    assert result.text == "said\n", result.err
    assert "constitution.history-is-not-forced" in {record.get("reason") for record in result.denials}
    assert any(record.get("name") == "exec_of_a_traced_process" for record in result.records)


SEEN = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
    print(libc.ptrace(request, 1, 0, 0), errno.errorcode[ctypes.get_errno()])
"""


@pytest.mark.needs("program:python3")
def test_a_debugger_reaches_nobody_but_the_agent(sandbox):
    """Process 1 is opaque; nobody else of ours has a number inside."""
    sandbox.write("trace.py", SEEN)
    result = _run(sandbox, "exec python3 trace.py", DEBUGGING)
    assert result.text == "-1 EPERM\n" * 2, result.err

"""Every program start is one decision, with the words that run; whatever way it is started in."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.e2e.harness import wait_until

PROFILE = """
extends = "default"
name = "mine"
description = "The shipped one, without the gate."
[probe]
tools = ["mcp.call"]
"""
ENTERED = "import ctypes, os, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n"


def _run(sandbox, *argv, rules="", head="", **how):
    return sandbox.exec(*argv, profile=sandbox.profile(head + PROFILE + rules), **how)


def _python(sandbox, body, *words, **how):
    sandbox.write("agent.py", ENTERED + body)
    return _run(sandbox, "python3", "agent.py", *words, **how)


def _starts(result):
    """Return what was started, with its words, in order."""
    records = [record for record in result.records if record.get("tool") == "proc.exec"]
    return [(record["object"], record["args"]["argv"]) for record in records if "argv" in record["args"]]


def _events(result, name):
    return [record["data"] for record in result.records if record.get("name") == name]


def test_a_shell_its_scripts_and_their_words_are_judged_once_each(sandbox):
    sandbox.write("hi.sh", "#!/bin/sh -e\necho hello $0 $@\n", 0o755)
    result = _run(sandbox, "/bin/sh", "-c", "./hi.sh a 'b c'; env printf done")
    assert result.text == "hello ./hi.sh a b c\ndone"
    work = str(sandbox.workspace)
    found = _starts(result)
    assert [argv for _, argv in found] == [
        ["/bin/sh", "-c", "./hi.sh a 'b c'; env printf done"],
        ["./hi.sh", "a", "b c"],
        ["/bin/sh", "-e", "./hi.sh", "a", "b c"],
        ["env", "printf", "done"],
        ["printf", "done"],
    ]
    assert found[1][0] == f"{work}/hi.sh"
    first = next(record for record in result.records if record.get("tool") == "proc.exec")
    assert first["args"]["cwd"] == work
    assert len(first["args"]["digest"]) == 40


def test_a_text_without_a_first_line_goes_on_in_the_shell_that_tried_it(sandbox):
    sandbox.write("plain", "echo plain $1\n", 0o755)
    result = _run(sandbox, "/bin/bash", "-c", "./plain x; /bin/echo after")
    assert result.text == "plain x\nafter\n"


def test_every_way_to_start_a_program(sandbox):
    result = _python(
        sandbox,
        """
import subprocess, threading
def child(function):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            function()
        finally:
            os._exit(99)
    assert os.waitpid(pid, 0)[1] == 0, function
echo = "/usr/bin/echo"
subprocess.run([echo, "vfork"], close_fds=False)
subprocess.run([echo, "fork"], preexec_fn=lambda: None)
os.waitpid(os.posix_spawn(echo, ["echo", "spawn"], {}), 0)
fd = os.open(echo, os.O_RDONLY)
child(lambda: os.execve(fd, ["echo", "fexecve"], {}))
child(lambda: os.execv(f"/proc/self/fd/{fd}", ["echo", "proc-fd"]))
directory = os.open("/usr/bin", os.O_PATH)
words = (ctypes.c_char_p * 3)(b"echo", b"execveat", None)
child(lambda: libc.syscall(322, directory, b"echo", words, None, 0))
child(lambda: os.execv("/proc/self/exe", ["busybox-like", "-c", "print('self')"]))
child(lambda: libc.execve(b"/usr/bin/true", None, None))
def threaded():
    thread = threading.Thread(target=lambda: os.execv(echo, ["echo", "thread"]))
    thread.start()
    thread.join()
child(threaded)
def failing_first():
    for name in ("/nowhere/echo", "/usr/nothing", "/etc/passwd", "/usr"):
        try:
            os.execv(name, ["x"])
        except OSError:
            pass
    os.execv(echo, ["echo", "last"])
child(failing_first)
""",
    )
    assert result.code == 0, result.err
    said = ["vfork", "fork", "spawn", "fexecve", "proc-fd", "execveat", "self", "thread", "last"]
    assert result.text.split() == said
    judged = [argv for _, argv in _starts(result)]
    for word in said:
        assert any(word in " ".join(argv) for argv in judged), word
    assert [""] in judged
    assert not result.denials or all(record["tool"] == "fs.stat" for record in result.denials)


@pytest.mark.parametrize("tool", ["make", "node", "perl"])
def test_tools_start_their_children(sandbox, tool):
    if shutil.which(tool, path="/usr/bin:/bin") is None:
        pytest.skip(f"{tool} is not installed")
    sandbox.write("Makefile", "all:\n\t@echo made; /bin/echo child\n")
    sandbox.write("a.js", "console.log(require('child_process').execFileSync('/bin/echo', ['child']).toString())\n")
    argv = {"make": ["make"], "node": ["node", "a.js"], "perl": ["perl", "-e", "system('/bin/echo', 'child')"]}[tool]
    result = _run(sandbox, *argv)
    assert "child" in result.text, result.err
    assert ["/bin/echo", "child"] in [argv for _, argv in _starts(result)]


def test_long_command_lines_pass_whole_and_too_long_ones_as_ever(sandbox):
    result = _python(
        sandbox,
        """
import subprocess
print(len(subprocess.run(["/usr/bin/echo", *["x" * 100000] * 15], stdout=subprocess.PIPE).stdout))
print(subprocess.run(["/usr/bin/true", *["y"] * 60000]).returncode)
try:
    subprocess.run(["/usr/bin/true", *["y"] * 900000])
except OSError as error:
    print(error.errno)
""",
    )
    assert result.text.split() == ["1500015", "0", "7"]


# --------------------------------------------------------------------------------------------------------------- rules

_DENY = '[[rules]]\nid = "mine"\ntext = "no"\neffect = "deny"\nargv = ["echo secret"]\n'


@pytest.mark.parametrize(
    "line",
    [
        "exec echo secret",
        "sh -c '/bin/echo secret'",
        "env A=1 nice -n 1 /bin/echo secret",
        "e''ch\"o\" secret",
        "/usr/bin/env -S 'echo secret'",
        "printf secret | xargs echo secret",
    ],
)
def test_a_rule_on_words_holds_in_whatever_they_are_wrapped(sandbox, line):
    result = _run(sandbox, "/bin/sh", "-c", line, rules=_DENY)
    assert "secret" not in result.text
    assert result.denials[-1]["reason"] == "constitution.mine"


def test_words_in_a_string_are_no_command(sandbox):
    result = _run(sandbox, "/bin/sh", "-c", "printf %s 'echo secret'", rules=_DENY)
    assert result.text == "echo secret"


def test_a_rule_that_asks_is_one_question_for_one_start(sandbox):
    rules = '[approvals]\napprover = "anyone"\ndeadline_seconds = 30\n' + _DENY.replace('"deny"', '"ask"')
    with sandbox.start("-p", sandbox.profile(PROFILE + rules), "--", "/bin/echo", "secret") as running:
        _approve(sandbox, running)
        result = running.end()
    assert result.text == "secret\n", result.err
    assert len([argv for _, argv in _starts(result) if argv[-1] == "secret"]) == 1


def _approve(sandbox, running):
    """Answer the first question with yes."""
    wait_until(lambda: running.log is not None, "a session", 30)
    log = running.log
    wait_until(lambda: sandbox.command("approve", log.name, "1").code == 0, "a question", 30)


def test_decide_speaks_of_words(sandbox):
    profile = sandbox.profile(PROFILE)
    done = sandbox.command(
        "decide", "-p", profile, "proc.exec", "path=/usr/bin/bash", "argv=bash", "argv=-c", "argv=git push --force"
    )
    assert done.code == 1
    assert "history-is-not-forced" in done.text


# ------------------------------------------------------------------------------------------------------------- attacks


_REWRITING = """
import signal
pid = os.fork()
if pid == 0:
    os.execv("/usr/bin/sleep", ["sleep", "60"])
while b"sleep" not in open(f"/proc/{pid}/cmdline", "rb").read():
    pass
place = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[45])  # arg_start
try:
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(place)
        memory.write(b"other")
except OSError as error:
    print(error.errno, end=" ")
print(open(f"/proc/{pid}/cmdline").read().split("\\0")[0])
os.kill(pid, signal.SIGKILL)
"""


def test_words_in_another_process_are_not_rewritten_through_its_mem_file(sandbox):
    assert _python(sandbox, _REWRITING).text == "30 sleep\n"  # EROFS


def test_a_debugger_may_rewrite_them(sandbox):
    assert _python(sandbox, _REWRITING, head="ptrace = true\n").text == "other\n"


@pytest.mark.trick(
    "words that a thread changes after they were read do not run",
    stops="the words of the new image are compared with the judged ones",
)
def test_words_that_a_thread_changes_after_they_were_read_do_not_run(sandbox):
    result = _python(
        sandbox,
        """
import threading, time
GOOD, EVIL = b"harmless", b"EVILEVIL"
for _ in range(25):
    pid = os.fork()
    if pid == 0:
        word = ctypes.create_string_buffer(GOOD, 9)
        first = ctypes.cast(ctypes.c_char_p(b"echo"), ctypes.c_void_p)
        words = (ctypes.c_void_p * 3)(first, ctypes.addressof(word), None)
        go = threading.Event()
        def flip():
            go.set()
            while True:
                ctypes.memmove(word, EVIL, 8)
                ctypes.memmove(word, GOOD, 8)
        threading.Thread(target=flip, daemon=True).start()
        go.wait()
        os.write(1, b"%d " % os.getpid())
        libc.execve(b"/usr/bin/echo", words, None)
        os._exit(9)
    status = os.waitpid(pid, 0)[1]
    print("killed" if os.WIFSIGNALED(status) else "ran", flush=True)
""",
    )
    assert result.code == 0, result.err
    outcomes = result.text.split()
    killed = outcomes.count("killed")
    judged = [argv[1] for path, argv in _starts(result) if path == "/usr/bin/echo"]
    mismatches = _events(result, "exec_mismatch")
    assert len(mismatches) == killed
    assert all(each["judged"] != each["ran"] for each in mismatches)
    said = sorted(word for word in outcomes if word in ("harmless", "EVILEVIL"))
    for each in mismatches:
        judged.remove(each["judged"][1])
    assert said == sorted(judged)  # what ran is what was judged


@pytest.mark.trick(
    "a path renamed between is judged as the file that is opened", stops="the file that is opened is judged"
)
def test_a_path_renamed_between_is_judged_as_the_file_that_is_opened(sandbox):
    rules = '[[rules]]\nid = "mine"\ntext = "no"\neffect = "deny"\ntools = ["proc.exec"]\n'
    rules += f'paths = ["{sandbox.workspace}/bad"]\n'
    shutil.copy("/usr/bin/true", sandbox.workspace / "good")
    shutil.copy("/usr/bin/false", sandbox.workspace / "bad")
    sandbox.own()
    result = _python(
        sandbox,
        """
import subprocess
os.symlink("good", "link")
mover = os.fork()
if mover == 0:
    while True:
        for target in ("bad", "good"):
            os.symlink(target, "next")
            os.rename("next", "link")
for _ in range(40):
    try:
        print(subprocess.run(["./link"]).returncode)
    except PermissionError:
        print("refused")
    except FileNotFoundError:
        pass
os.kill(mover, 9)
""",
        rules=rules,
    )
    assert set(result.text.split()) <= {"0", "refused"}


@pytest.mark.trick("files in memory do not run", stops="memfd without exec right only")
def test_files_in_memory_do_not_run(sandbox):
    result = _python(
        sandbox,
        """
def refused(function, *args):
    try:
        return function(*args)
    except OSError as error:
        print(error.errno)
program = open("/usr/bin/true", "rb").read()
refused(os.memfd_create, "x", 0)
fd = os.memfd_create("x", 8)
os.write(fd, program)
refused(os.execve, fd, ["x"], {})
refused(os.execve, f"/proc/self/fd/{fd}", ["x"], {})
with open("/dev/shm/x", "wb") as file:
    file.write(program)
os.chmod("/dev/shm/x", 0o755)
refused(os.execv, "/dev/shm/x", ["x"])
""",
    )
    assert result.text.split() == ["1", "13", "13", "13"]


@pytest.mark.trick("no loader and no mapping brings code from a tree without exec right", stops="noexec by mount")
def test_no_loader_and_no_mapping_brings_code_from_a_tree_without_exec_right(sandbox):
    result = _python(
        sandbox,
        """
import mmap, shutil, subprocess
shutil.copy("/usr/bin/true", "/var/tmp/program")
os.chmod("/var/tmp/program", 0o755)
import glob
loader = glob.glob("/lib64/ld-linux*")[0]
print(subprocess.run([loader, "/var/tmp/program"], stderr=subprocess.DEVNULL).returncode)
fd = os.open("/var/tmp/program", os.O_RDONLY)
try:
    mmap.mmap(fd, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
except OSError as error:
    print(error.errno)
libc_path = glob.glob("/usr/lib/*/libm.so.6")[0]
shutil.copy(libc_path, "/var/tmp/preloaded.so")
done = subprocess.run(["/usr/bin/true"], env={"LD_PRELOAD": "/var/tmp/preloaded.so"}, stderr=subprocess.PIPE)
print(b"cannot be preloaded" in done.stderr)
""",
    )
    assert result.text.split() == ["127", "1", "True"]


@pytest.mark.trick("a listener of the agents own is refused", stops="one listener a chain of filters")
def test_a_listener_of_the_agents_own_is_refused(sandbox):
    result = _python(
        sandbox,
        """
import struct
program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FC00000))
described = ctypes.create_string_buffer(struct.pack("HP", 1, ctypes.addressof(program)))
print(libc.syscall(317, 1, 8, described), ctypes.get_errno())
""",
    )
    assert result.text == "-1 16\n"


@pytest.mark.trick("x32 and 32 bit calls kill", stops="seccomp kills")
def test_x32_and_32_bit_calls_kill(sandbox):
    result = _python(
        sandbox,
        """
import signal
for number in (0x40000000 | 520, 0x40000000 | 59):
    pid = os.fork()
    if pid == 0:
        libc.syscall(number, b"/usr/bin/true", None, None)
        os._exit(0)
    print(os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGSYS)
""",
    )
    assert set(result.text.split()) == {"True"}


def test_words_on_a_page_of_our_own_mount_are_read_without_a_deadlock(sandbox):
    result = _python(
        sandbox,
        """
import mmap
with open("page", "wb") as file:
    file.write(b"from-the-mount\\0".ljust(8192, b"\\0"))
file = open("page", "r+b")
memory = mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
pid = os.fork()
if pid == 0:
    words = (ctypes.c_void_p * 3)(ctypes.cast(ctypes.c_char_p(b"echo"), ctypes.c_void_p), address, None)
    libc.execve(b"/usr/bin/echo", words, None)
    os._exit(9)
print(os.waitpid(pid, 0)[1])
""",
    )
    assert result.text == "from-the-mount\n0\n"


def test_words_without_memory_fail_as_ever(sandbox):
    result = _python(
        sandbox,
        """
for path, words in ((1, None), (None, None), (b"/usr/bin/true", 8)):
    name = ctypes.c_char_p(path) if isinstance(path, bytes) else ctypes.c_void_p(path)
    libc.execve(name, ctypes.c_void_p(words), None)
    print(ctypes.get_errno())
""",
    )
    assert result.text.split() == ["14", "14", "14"]


@pytest.mark.trick("a flood of starts leaves the session answering", stops="starts are judged one by one")
def test_a_flood_of_starts_leaves_the_session_answering(sandbox):
    result = _run(
        sandbox,
        "/bin/bash",
        "-c",
        "for i in 1 2 3 4; do (for j in {1..60}; do /bin/true $i $j; done) & done; cat /etc/hostname; wait; echo all",
    )
    assert result.text.endswith("all\n")
    assert len([argv for _, argv in _starts(result) if argv[0] == "/bin/true"]) == 240


def test_signals_reach_a_program_whose_start_failed(sandbox):
    result = _python(
        sandbox,
        """
import signal, time
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    signal.signal(signal.SIGTERM, lambda *_: os.write(write, b"t"))
    try:
        os.execv("/etc/passwd", ["x"])
    except OSError:
        pass
    os.write(write, b"r")
    while True:
        signal.pause()
assert os.read(read, 1) == b"r"
os.kill(pid, signal.SIGTERM)
print(os.read(read, 1))
os.kill(pid, signal.SIGSTOP)
print(os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]))
os.kill(pid, signal.SIGCONT)
os.kill(pid, signal.SIGTERM)
print(os.read(read, 1))
os.kill(pid, signal.SIGKILL)
print(os.WTERMSIG(os.waitpid(pid, 0)[1]))
""",
    )
    assert result.text.split() == ["b't'", "True", "b't'", "9"], result.err


_SLOW = "echo up; /bin/sleep 50; /bin/echo never"


@pytest.mark.trick("when the gate dies nothing starts and the session ends", stops="no gate, no exec")
def test_when_the_gate_dies_nothing_starts_and_the_session_ends(sandbox):
    with sandbox.start(
        "-p", sandbox.profile(PROFILE), "--", "/bin/sh", "-c", "echo up; /bin/sleep 50; /bin/echo never"
    ) as running:
        running.read_until(b"up")
        gate = next(each for each in running.family() if _title(each.pid) == "gmcp-gate")
        gate.kill()
        result = running.end()
    assert result.code == 125
    assert "exec gate ended" in result.err
    assert "never" not in result.text


def test_an_agent_that_ends_at_once_without_its_gate_does_not_hide_that(sandbox):
    script = "import os, sys; print('up', flush=True); sys.stdin.read(1); os._exit(7)"
    with sandbox.start("-p", sandbox.profile(PROFILE), "--", "/usr/bin/python3", "-c", script, stdin=-1) as running:
        running.read_until(b"up")
        next(each for each in running.family() if _title(each.pid) == "gmcp-gate").kill()
        result = running.end()
    assert (result.code, "exec gate ended" in result.err) == (125, True), result.err


def _title(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def test_the_start_of_a_session_says_that_words_are_compared(sandbox):
    result = _run(sandbox, "/bin/true")
    assert "compared" in json.dumps(result.records[0]["host"]["exec"])

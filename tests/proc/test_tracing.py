"""Programs stopped before their first instruction, for real: children of this process."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys

# The tracer blocks SIGCHLD for its whole process, so each case is a process of its own.
_PRELUDE = """
import os, select, signal, sys, threading, time
from gmcp_sandbox.proc.memory import Processes
from gmcp_sandbox.proc.tracing import Tracer

arrived = []
tracer = Tracer(Processes(), lambda pid, tid, words: arrived.append((pid, tid, words)))

def child(function):
    ready, told = os.pipe()
    go, start = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        try:
            os.write(told, b"r")
            os.read(go, 1)
            function()
        finally:
            os._exit(9)
    os.read(ready, 1)
    return pid, start

def attend_until(claim):
    deadline = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < deadline
        select.select([tracer.fileno()], [], [], 1)
        tracer.attend()

ended = {}
def end_of(pid):
    "Its status, which attending may have collected."
    wait = os.waitpid
    def attending(which, options):
        found, status = wait(which, options)
        if found > 0 and not os.WIFSTOPPED(status):
            ended[found] = status
        return found, status
    os.waitpid = attending
    attend_until(lambda: pid in ended)
    os.waitpid = wait
    return ended[pid]

def echo():
    os.execv("/bin/true", ["true", "x"])
"""


def _case(body):
    done = subprocess.run([sys.executable, "-c", _PRELUDE + body], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().split()


def test_an_exec_stops_until_it_is_released():
    said = _case("""
pid, go = child(echo)
assert tracer.seize(pid, (b"w",))
os.write(go, b"g")
attend_until(lambda: arrived)
assert arrived == [(pid, pid, (b"w",))]
print(Processes().command_line(pid) == (b"true", b"x"))
tracer.release(pid)
tracer.release(pid)
print(end_of(pid))
""")
    assert said == ["True", "0"]


def test_a_killed_one_runs_nothing():
    said = _case("""
pid, go = child(echo)
tracer.seize(pid, (b"w",))
os.write(go, b"g")
attend_until(lambda: arrived)
tracer.kill(pid)
print(os.WTERMSIG(end_of(pid)))
""")
    assert said == [str(int(signal.SIGKILL))]


def test_the_last_words_count_and_a_failed_exec_makes_no_stop():
    said = _case("""
def twice():
    try:
        os.execv("/nowhere", ["x"])
    except OSError:
        echo()
pid, go = child(twice)
tracer.seize(pid, (b"first",))
assert tracer.seize(pid, (b"second",))
os.write(go, b"g")
attend_until(lambda: arrived)
print(arrived[0][2][0].decode())
tracer.release(pid)
print(end_of(pid))
""")
    assert said == ["second", "0"]


def test_a_thread_of_a_process_whose_other_thread_is_seized():
    said = _case("""
pid, go = child(lambda: threading.Thread(target=echo).start() or time.sleep(20))
tracer.seize(pid, (b"leader",))
os.write(go, b"g")
tid = 0
while not tid:
    tid = next((int(each) for each in os.listdir(f"/proc/{pid}/task") if int(each) != pid), 0)
    if arrived:
        break
    tracer.attend()
try:
    tracer.seize(tid, (b"thread",))
except OSError:
    pass
deadline = time.monotonic() + 20
while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline and not arrived:
    select.select([tracer.fileno()], [], [], 0.1)
    tracer.attend()
print("answered")
try:
    os.kill(pid, 9)
except ProcessLookupError:
    pass  # the thread's program took its number and has ended
""")
    assert said == ["answered"]


def test_who_is_gone_cannot_be_seized():
    said = _case("""
try:
    tracer.seize(2 ** 22 - 1, ())
except OSError as error:
    print(error.errno)
""")
    assert said == [str(errno.ESRCH)]


def test_what_another_process_traces_is_left_to_it():
    said = _case("""
import ctypes
libc = ctypes.CDLL(None)
def traced():
    libc.ptrace(0, 0, 0, 0)
    os.write(1, b"traced ")
    time.sleep(20)
middle, go = child(lambda: None)
ready, told = os.pipe()
pid = os.fork()
if pid == 0:
    inner = os.fork()
    if inner == 0:
        libc.ptrace(0, 0, 0, 0)
        os.write(told, b"%d" % os.getpid())
        time.sleep(20)
        os._exit(0)
    time.sleep(20)
    os._exit(0)
inner = int(os.read(ready, 20))
print(tracer.seize(inner, ()))
for each in (inner, pid, middle):
    os.kill(each, 9)
""")
    assert said == ["False"]

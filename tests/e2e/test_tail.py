"""`tail --all` over sessions that come and go, and a reader that stands still."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from contextlib import contextmanager

import pytest

from gmcp_sandbox.audit.verify import State, verify
from tests.e2e.harness import Hung, wait_until


class Tail:
    """A running `tail`."""

    def __init__(self, process):
        self.process = process
        self._data = b""

    def line(self, seconds=30):
        """Return the next line as JSON."""
        while b"\n" not in self._data:
            ready, _, _ = select.select([self.process.stdout], [], [], seconds)
            part = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not part:
                raise Hung(f"no line of the tail; so far {self._data!r}")
            self._data += part
        line, _, self._data = self._data.partition(b"\n")
        return json.loads(line)

    def until(self, claim):
        """Return the first line that is so."""
        while not claim(found := self.line()):
            pass
        return found


@contextmanager
def tailing(sandbox, *words):
    process = subprocess.Popen(
        sandbox._as_user(sandbox.gmcp("tail", *words)),
        cwd=sandbox.workspace,
        env=sandbox.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Tail(process)
    finally:
        process.kill()
        process.communicate()


def reads(name):
    return lambda line: line.get("object", "").endswith(name) and line["tool"] == "fs.read"


def test_sessions_that_start_and_end_one_after_the_other_are_followed(sandbox):
    for name in ("one.txt", "two.txt"):
        sandbox.write(name, "x")
    past = sandbox.exec("true").session
    with (
        sandbox.start("--share", "--", "bash", "-c", "read line", stdin=subprocess.PIPE) as running,
        tailing(sandbox, "--all", "--json", "--from-start") as tail,
    ):
        wait_until(lambda: running.log and (running.log / "audit.jsonl").exists(), "a session that runs")
        assert tail.until(lambda line: line["kind"] == "genesis")["session"] == running.log.name  # it follows now
        for name in ("one.txt", "two.txt"):
            session = sandbox.exec("cat", name, options=("--share",)).session
            assert session != past
            assert tail.until(lambda line: line["kind"] == "genesis")["session"] == session
            assert tail.until(reads(name))["session"] == session
            assert tail.until(lambda line: line["kind"] == "seal")["session"] == session
        running.send(b"end\n")
        running.end()
        assert tail.until(lambda line: line["kind"] == "seal")["session"] == running.log.name


def test_a_second_tail_reads_the_same_and_a_killed_session_is_said(sandbox):
    sandbox.write("one.txt", "x")
    script = "echo ready; read line; cat one.txt; echo again; read line"
    with sandbox.start("--", "bash", "-c", script, stdin=subprocess.PIPE) as running:
        running.read_until(b"ready")
        with tailing(sandbox, "--all", "--json", "--from-start") as first:
            assert first.line()["kind"] == "genesis"
            running.send(b"go\n")
            running.read_until(b"again")
            assert first.until(reads("one.txt"))["session"] == running.log.name
        with tailing(sandbox, "--all", "--json", "--from-start") as second:
            assert second.line()["kind"] == "genesis"
            assert second.until(reads("one.txt"))["session"] == running.log.name
            running.supervisor.kill()  # whoever dies before it, it would seal the log
            running.end()
            said = second.process.stderr.readline().decode()
    assert said == f"session {running.log.name}: ended without a seal\n"


@pytest.mark.parametrize("words", [["--all"], []], ids=["all", "one"])
def test_a_stopped_tail_blocks_no_session_and_loses_nothing(sandbox, words):
    """It reads the log: what was decided while it stood still is there when it goes on."""
    script = "echo ready; read line; for n in {1..300}; do echo $n > file; read -r x < file; done; cat /etc/shadow"
    with sandbox.start("--", "bash", "-c", script, stdin=subprocess.PIPE) as running:
        running.read_until(b"ready")
        with tailing(sandbox, *words, "--json", "--from-start") as tail:
            tail.line()
            pid = tail.process.pid
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: _state(pid) == "T", "a stopped tail")
            running.send(b"go\n")
            result = running.end(30)  # while nobody reads
            assert _state(pid) == "T"
            os.kill(pid, signal.SIGCONT)
            seqs = []
            while (line := tail.line())["kind"] != "seal":
                if line["kind"] == "call":
                    seqs.append(line["seq"])
    assert verify(str(result.log)).state is State.WHOLE
    assert seqs == [record["seq"] for record in result.records if record["kind"] in ("call", "again")]


def _state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def test_a_tail_whose_output_nobody_takes_blocks_no_session(sandbox):
    script = "echo ready; read line; for n in {1..2000}; do : < /etc/hostname; done"
    with sandbox.start("--", "bash", "-c", script, stdin=subprocess.PIPE) as running:
        running.read_until(b"ready")
        with tailing(sandbox, "--all", "--json"):  # its pipe fills up after some hundred lines
            running.send(b"go\n")
            assert running.end(60).code == 0


def test_a_log_that_is_pruned_while_it_is_followed_is_said_with_the_last_record(sandbox):
    """The one way in which a reader of logs loses something."""
    with (
        sandbox.start("--", "bash", "-c", "echo ready; read line", stdin=subprocess.PIPE) as running,
        tailing(sandbox, "--all", "--json", "--from-start", "--tool", "proc.exec") as tail,  # few: nobody reads on
    ):
        running.read_until(b"ready")
        last = tail.until(lambda line: line["kind"] == "call")
        log = running.log / "audit.jsonl"
        with log.open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(size - 1)
            file.write(b"?\n")
        said = tail.process.stderr.readline().decode()
        running.send(b"go\n")
        running.end()
    assert said.startswith(f"session {log.parent.name}: the log is lost after record ")
    assert int(said.split("record ")[1].split(":")[0]) >= last["seq"]

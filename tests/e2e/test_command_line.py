"""The contract of `exec` and its companions: exit codes, messages, what goes to which stream, what is left behind."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from gmcp_sandbox.audit.verify import State, verify
from tests.e2e.harness import Process, wait_until

SUMMARY = re.compile(r"(\d+) allowed, (\d+) denied.* · gmcp-sandbox audit show ([0-9a-f]{8})")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -9 $$"), 137),
        (("sh", "-c", "kill -TERM $$"), 143),
        (("python3", "-c", "import os; os.abort()"), 134),
        (("no-such-program",), 127),
        (("./no-such-program",), 127),
        (("./notes.txt",), 126),
        (("./folder",), 126),
        (("./orphan",), 127),
        (("./script.py", "a"), 3),
        (("missing.py",), 127),
    ],
)
def test_exit_codes(sandbox, command, code):
    sandbox.write("notes.txt", "not a program")
    sandbox.write("orphan", "#!/no/such/interpreter\n", 0o755)
    sandbox.write("folder/file", "")
    sandbox.write("script.py", "import sys\nsys.exit(2 + len(sys.argv[1:]))\n")
    result = sandbox.exec(*command)
    assert result.code == code, result.err
    assert result.out == b""
    assert "Traceback" not in result.err
    assert ("error:" in result.err) == (code in (126, 127))


def test_the_summary_and_nothing_else_of_ours(sandbox):
    result = sandbox.exec("sh", "-c", "echo out; echo err >&2; cat /etc/shadow")
    lines = result.err.splitlines()
    assert result.out == b"out\n"
    assert lines[0] == "err" and "Permission denied" in lines[1] and len(lines) == 3
    found = SUMMARY.fullmatch(lines[2])
    assert found and found[3] == result.session
    assert int(found[2]) == len(result.denials) >= 1
    assert int(found[1]) == sum(record.get("outcome") == "allow" for record in result.records)


def test_status_as_json(sandbox):
    result = sandbox.exec("sh", "-c", "exit 4")
    start, end = result.status
    assert start["event"] == "start" and start["session"] == end["session"] == result.session
    assert end["event"] == "end" and end["code"] == 4 and end["reason"] == "exited"
    assert isinstance(end["allowed"], int) and isinstance(end["denied"], int)


def test_status_goes_to_an_open_descriptor_only(sandbox):
    result = sandbox.command("exec", "--json-status", "77", "true")
    assert result.code == 125 and "77 is no open descriptor" in result.err
    assert not sandbox.sessions.exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_are_no_way_in(sandbox, closed):
    """Descriptors of our own must not take the numbers, or the agent's output would reach the supervisor as orders."""
    script = 'echo \'{"kind":"signal","signal":9}\'; echo \'{"kind":"signal","signal":9}\' >&2; cat; exit 3'
    result = sandbox.exec("sh", "-c", script, outer=("sh", "-c", f'exec "$@" {closed}', "sh"))
    assert result.code == 3


def test_a_dry_run_runs_nothing(sandbox):
    result = sandbox.exec("touch", "made", options=("--dry-run",))
    assert result.code == 0 and result.log is None
    assert not (sandbox.workspace / "made").exists()
    assert not sandbox.sessions.exists() or not list(sandbox.sessions.iterdir())
    for word in ("view", "grants", "set-up", "enforced", str(sandbox.workspace), "/usr", "seccomp"):
        assert word in result.text, word


def test_the_agents_name_is_recorded(sandbox):
    result = sandbox.exec("true", options=("--name", "reviewer"))
    assert result.records[0]["agent"] == "reviewer"
    assert result.records[0]["argv"] == ["true"]
    assert sandbox.exec("true").records[0]["agent"] == "true"


@pytest.mark.parametrize("where", ["/", "home", "/usr", "/tmp", "state"])
def test_some_directories_are_no_workspace(sandbox, where):
    place = {"home": str(sandbox.home), "state": str(sandbox.state)}.get(where, where)
    result = sandbox.exec("true", workspace=Path(place))
    assert result.code == 125 and result.log is None
    assert "cannot be the workspace" in result.err and "-w DIR" in result.err


def test_a_workspace_by_option(sandbox):
    result = sandbox.exec(
        "sh", "-c", "pwd; echo x > made", workspace=sandbox.home, options=("-w", str(sandbox.workspace))
    )
    assert result.text == f"{sandbox.workspace}\n"
    assert (sandbox.workspace / "made").stat().st_uid == sandbox.uid


def test_a_subdirectory_of_the_workspace_stays_the_working_directory(sandbox):
    sandbox.write("a/b/file", "deep")
    result = sandbox.exec(
        "sh",
        "-c",
        "pwd; cat file; ls ../..",
        workspace=sandbox.workspace / "a/b",
        options=("-w", str(sandbox.workspace)),
    )
    assert result.text == f"{sandbox.workspace}/a/b\ndeepa\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "x"\nextends = "default"\nallow_everything = true\n', "allow_everything"),
        ('name = "x"\nextends = "default"\n[limits]\nopen_fils = 3\n', "open_fils"),
        ('name = "x"\nextends = "default"\n[[capabilities]]\ntools = []\nlabels = ["system"]\n', "tools"),
        ('name = "x"\ntier = "standard"\ncapabilities = []\n', "capabilities"),
        ('name = "x"\nextends = "default"\n[environment]\nallow = []\n', "allow"),
        ('name = "x\n', "mine.toml"),
        ('name = "x"\nextends = "nobody"\n', "nobody"),
    ],
)
def test_a_wrong_profile_starts_nothing(sandbox, text, said):
    result = sandbox.exec("touch", "made", profile=sandbox.profile(text))
    assert result.code == 125, result.err
    assert result.err.startswith("error: ") and said in result.err
    assert "Traceback" not in result.err
    assert not (sandbox.workspace / "made").exists()


def test_a_profile_that_is_not_there(sandbox):
    result = sandbox.exec("true", profile="/nowhere/mine.toml")
    assert result.code == 125 and "mine.toml" in result.err


def test_no_python_for_a_script(sandbox):
    sandbox.write("agent.py", "print(1)")
    result = sandbox.exec("agent.py", env={"PATH": "/nonexistent"})
    assert result.code == 127, result.err
    assert "python3" in result.err and "Traceback" not in result.err


def test_a_state_directory_that_is_a_file(sandbox):
    (sandbox.base / "file").write_text("")
    result = sandbox.exec("touch", "made", env={"XDG_STATE_HOME": str(sandbox.base / "file")})
    assert result.code == 125 and "state directory" in result.err
    assert not (sandbox.workspace / "made").exists()


@pytest.mark.root
def test_a_state_directory_that_is_read_only(sandbox):
    outer = ("unshare", "-m", "sh", "-ec", f'mount -t tmpfs -o ro t {sandbox.state}; exec "$@"', "sh")
    result = sandbox.exec("touch", "made", outer=outer)
    assert result.code == 125 and "Read-only file system" in result.err
    assert "Traceback" not in result.err
    assert not (sandbox.workspace / "made").exists()


FILL = """
import os, sys
for number in range(100000):
    try:
        open(f"file{number}", "w").close()
        os.unlink(f"file{number}")
    except OSError as error:
        print(number, error, flush=True)
"""


@pytest.mark.root
def test_a_full_disk_under_the_log_ends_the_session(sandbox):
    saved = sandbox.base / "saved"
    script = (
        f"mount -t tmpfs -o size=192k,mode=0755 t {sandbox.state}; chown {sandbox.uid}:{sandbox.uid} {sandbox.state}; "
        f'"$@" || code=$?; cp -a {sandbox.state} {saved}; exit $code'
    )
    result = sandbox.exec("python3", "-c", FILL, outer=("unshare", "-m", "sh", "-ec", script, "sh"), is_whole=False)
    assert result.code == 125, result.err
    assert "cannot write the audit log" in result.err and "try:" in result.err
    assert "No space left on device" in result.err or "is the disk full?" in result.err
    assert "Traceback" not in result.err
    (session,) = (saved / "gmcp-sandbox" / "sessions").iterdir()
    found = verify(str(session))
    assert found.state is not State.BROKEN, found
    assert found.records > 100


@pytest.mark.root
def test_no_room_for_the_log_at_all(sandbox):
    script = (
        f"mount -t tmpfs -o size=16k,mode=0755 t {sandbox.state}; chown {sandbox.uid}:{sandbox.uid} {sandbox.state}; "
        f'head -c 16k /dev/zero > {sandbox.state}/filler || true; exec "$@"'
    )
    result = sandbox.exec("touch", "made", outer=("unshare", "-m", "sh", "-ec", script, "sh"), is_whole=False)
    assert result.code == 125, result.err
    assert "No space left" in result.err and "Traceback" not in result.err
    assert not (sandbox.workspace / "made").exists()


def test_the_logs_own_budget_ends_the_session(sandbox):
    profile = sandbox.profile('name = "x"\nextends = "default"\n[limits]\nlog_bytes = "256KiB"\n')
    result = sandbox.exec("python3", "-c", FILL, profile=profile, is_whole=False)
    assert result.code == 125, result.err
    assert "log_bytes" in result.err and "Traceback" not in result.err
    assert sum(path.stat().st_size for path in result.log.glob("audit*")) <= 256 * 1024
    assert verify(str(result.log)).state is not State.BROKEN


def test_input_goes_through(sandbox):
    data = os.urandom(1 << 20) * 3
    result = sandbox.exec("sha256sum", stdin=data)
    assert result.text.split()[0] == hashlib.sha256(data).hexdigest()


def test_input_that_nobody_reads_is_no_matter(sandbox):
    assert sandbox.exec("true", stdin=bytes(1 << 20)).code == 0


def test_fifty_megabytes_of_output(sandbox):
    result = sandbox.exec(
        "python3", "-c", "import sys\nfor i in range(800): sys.stdout.buffer.write(bytes([i % 256]) * 65536)"
    )
    expected = hashlib.sha256()
    for number in range(800):
        expected.update(bytes([number % 256]) * 65536)
    assert len(result.out) == 800 * 65536
    assert hashlib.sha256(result.out).digest() == expected.digest()


def test_a_reader_that_goes_away_ends_the_writer(sandbox):
    profile = sandbox.profile('name = "x"\nextends = "default"\n')
    with sandbox.start("-p", profile, "--", "sh", "-c", "yes; exit 5") as running:
        running.read_until(b"y\ny\n")
        running.process.stdout.close()
        assert running.process.wait(20) == 5


def test_both_streams_stay_apart_and_in_order(sandbox):
    script = "import os\nfor i in range(5000): os.write(1 + i % 2, b'%d\\n' % i)"
    result = sandbox.exec("python3", "-c", script)
    assert result.text.split() == [str(number) for number in range(0, 5000, 2)]
    assert result.err.split()[:2500] == [str(number) for number in range(1, 5000, 2)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_agent(sandbox, number):
    script = f"trap 'echo caught; exit 42' {number.name[3:]}; echo ready; while :; do sleep 0.05; done"
    with sandbox.start("--", "bash", "-c", script) as running:
        running.read_until(b"ready")
        running.process.send_signal(number)
        result = running.end(20)
    assert result.code == 42 and result.text.endswith("caught\n")


def test_a_signal_that_the_agent_does_not_catch(sandbox):
    with sandbox.start("--", "sh", "-c", "echo ready; exec sleep 1000") as running:
        running.read_until(b"ready")
        running.process.terminate()
        assert running.end(20).code == 143


def test_background_processes_end_with_the_agent(sandbox):
    sleepers = "(trap '' HUP TERM; sleep 1000) & setsid sleep 1000 & nohup sleep 1000 2>/dev/null &"
    script = f"{sleepers} echo ready; read line; exit 9"
    with sandbox.start("--", "bash", "-c", script, stdin=subprocess.PIPE) as running:
        running.read_until(b"ready")
        family = wait_until(lambda: len(found := running.family()) >= 7 and found, "three sleepers")
        running.send(b"go\n", close=True)
        running.process.stdin = None
        assert running.end(20).code == 9
        wait_until(lambda: all(process.is_gone for process in family), "the end of all processes", 5)


def test_ps_stop_and_audit(sandbox):
    with sandbox.start(
        "--name", "watcher", "--", "sh", "-c", "cat /etc/shadow; echo ready; exec sleep 1000"
    ) as running:
        running.read_until(b"ready")
        log = wait_until(lambda: running.log, "a session")
        listed = sandbox.command("ps")
        assert log.name in listed.text and "watcher" in listed.text and "running" in listed.text
        (facts,) = (json.loads(line) for line in sandbox.command("ps", "--json").text.splitlines())
        assert facts["session"] == log.name and facts["state"] == "running"
        assert Process.of(facts["pid"]) == running.supervisor
        unsealed = sandbox.command("audit", "verify", log.name)
        assert unsealed.code == 0 and "running" in unsealed.text
        family = running.family()
        assert sandbox.command("stop", log.name[:5]).code == 0
        result = running.end(10)
    assert result.code == 143
    assert all(process.is_gone for process in family)
    verified = sandbox.command("audit", "verify", log.name)
    assert verified.code == 0 and "WHOLE" in verified.text
    shown = sandbox.command("audit", "show", log.name, "--denied")
    assert shown.code == 0 and "/etc/shadow" in shown.text and "DENY" in shown.text
    assert log.name not in sandbox.command("ps").text
    assert log.name in sandbox.command("ps", "--all").text
    assert sandbox.command("stop", log.name).code == 2


def test_tail_shows_decisions_as_they_are_made(sandbox):
    result = sandbox.exec("sh", "-c", "cat /etc/shadow; true", options=("--tail",))
    assert any("DENY" in line and "/etc/shadow" in line for line in result.err.splitlines())
    assert result.err.splitlines()[-1].startswith(SUMMARY.match(result.err.splitlines()[-1])[1])


def test_a_session_can_be_followed_from_outside(sandbox):
    with sandbox.start("--", "sh", "-c", "echo ready; read line; true < /etc/shadow", stdin=subprocess.PIPE) as running:
        running.read_until(b"ready")
        log = wait_until(lambda: running.log, "a session")
        follower = subprocess.Popen(
            sandbox._as_user(sandbox.gmcp("tail", "--from-start", "--denied", "--json", log.name)),
            env=sandbox.environment(),
            stdout=subprocess.PIPE,
        )
        try:
            running.send(b"go\n", close=True)
            running.process.stdin = None
            running.end(20)
            out, _ = follower.communicate(timeout=20)
        finally:
            follower.kill()
            follower.wait()
    objects = [json.loads(line).get("object") for line in out.splitlines()]
    assert "/etc/shadow" in objects


def test_limits_of_the_profile(sandbox):
    profile = sandbox.profile('name = "x"\nextends = "default"\n[limits]\nopen_files = 77\ncpu_seconds = 1000\n')
    assert sandbox.exec("sh", "-c", "ulimit -n; ulimit -t", profile=profile).text.split() == ["77", "1000"]


def test_the_time_limit_ends_the_session(sandbox):
    profile = sandbox.profile('name = "x"\nextends = "default"\n[limits]\nwall_seconds = 1\n')
    result = sandbox.exec("sleep", "1000", profile=profile, timeout=20)
    assert result.code == 124 and "limit" in result.err


def test_an_agent_can_be_told_of_denials(sandbox):
    profile = sandbox.profile('name = "x"\nextends = "default"\nexplain = "category"\n')
    result = sandbox.exec(
        "sh", "-c", "true < /etc/shadow; true < /etc/shadow; cat /run/gmcp-sandbox/denials", profile=profile
    )
    told = [line for line in result.text.splitlines() if "/etc/shadow" in line]
    assert told == ["DENY fs.read /etc/shadow (trust)"]
    assert result.err.count("gmcp-sandbox: DENY fs.read /etc/shadow (trust)") == 1


def test_the_agent_sees_its_user_its_time_zone_and_its_variables(sandbox):
    script = (
        "id -u; id -g; date +%z; uname -n; cat /proc/sys/kernel/hostname; echo ${TOKEN-none} $GMCP_SANDBOX $LANG; :"
    )
    env = {"TZ": "Asia/Kolkata", "TOKEN": "hunter2", "LD_PRELOAD": ""}
    result = sandbox.exec("bash", "-c", script, env=env)
    uid, gid, zone, host, again, words = result.text.splitlines()
    assert (int(uid), int(gid), zone) == (sandbox.uid, sandbox.uid, "+0530")
    assert host == again == "gmcp-sandbox"
    assert words == "none 1 C.UTF-8"


def test_the_view_has_no_more_than_it_should(sandbox):
    result = sandbox.exec(
        "sh",
        "-c",
        "ls -a /; echo --; ls -A ~; echo --; ls -A /tmp; echo --; ls /dev; echo --; ls /proc | grep -c '^[0-9]'",
    )
    root, home, tmp, dev, processes = result.text.split("--\n")
    assert not set(root.split()) & {"boot", "mnt", "media", "lost+found"}
    assert home.split() == [".gitconfig"]
    assert "gmcp-e2e" not in tmp
    assert set(dev.split()) == {
        "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"
    }  # fmt: skip
    assert int(processes) <= 6


def test_a_second_session_that_would_write_to_the_workspace_is_refused(sandbox):
    with sandbox.start("--", "sh", "-c", "echo ready; read line", stdin=subprocess.PIPE) as one:
        one.read_until(b"ready")
        second = sandbox.exec("true")
        assert second.code == 125 and "another session writes" in second.err
        assert sandbox.exec("true", profile="readonly").code == 0
        one.send(b"go\n", close=True)
        one.process.stdin = None
        one.end(20)
    assert sandbox.exec("true").code == 0


def test_two_sessions_that_share_side_by_side(sandbox):
    script = "echo ready; read line; echo $line > made-by-$line; ls made-by-*"
    words = ("--share", "--", "sh", "-c", script)
    with sandbox.start(*words, stdin=subprocess.PIPE) as one:
        with sandbox.start(*words, stdin=subprocess.PIPE) as two:
            for running, name in ((one, b"one\n"), (two, b"two\n")):
                running.read_until(b"ready")
                running.send(name, close=True)
                running.process.stdin = None
            results = [one.end(20), two.end(20)]
    assert [result.code for result in results] == [0, 0]
    assert results[0].session != results[1].session
    assert sorted(path.name for path in sandbox.workspace.iterdir()) == ["made-by-one", "made-by-two"]

"""Real launches: namespaces, ids, what process 1 lets through, and how everything ends."""

import os
import signal

import pytest

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.proc import launch, mounts
from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.stdio import Stdio
from tests.proc.sandbox_run import plan_for, run

pytestmark = pytest.mark.needs("userns")


def shell(script):
    return run("/bin/sh", "-c", script)


def test_a_program_runs_and_its_exit_code_comes_back():
    ran = shell("echo out; echo err >&2; exit 7")
    assert (ran.code, ran.out, ran.err) == (7, "out\n", "err\n")
    assert [message["kind"] for message in ran.messages] == ["init", "started", "exit"]


def test_a_signal_comes_back_as_such():
    assert shell("kill -TERM $$").code == -signal.SIGTERM


def test_a_missing_program_is_told_by_its_errno():
    ran = run("/usr/bin/no-such-program")
    assert ran.messages[-1] == {"kind": "not_executed", "errno": 2}


def test_the_agent_has_no_capability_and_no_new_privileges():
    status = shell("cat /proc/self/status").out
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{name}:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_the_agent_bears_the_callers_ids():
    assert shell("id -u; id -g").out.split() == [str(os.getuid()), str(os.getgid())]


@pytest.mark.root
def test_roots_agent_is_nobody_on_the_host():
    inside = shell("cat /proc/self/uid_map").out.split()
    assert inside == ["0", "0", "65536"]
    identity = Identity.of_caller()
    assert identity.outer_maps()[0].split()[1] == str(identity.base_uid) != "0"


def test_only_its_own_processes_are_seen():
    ran = shell("for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done")
    assert ran.out.splitlines()[0].strip() == "gmcp-init"
    assert "python" not in ran.out


def test_process_1_is_opaque_and_cannot_be_killed():
    ran = shell("kill -9 1; kill -TERM 1; cat /proc/1/environ /proc/1/maps; ls /proc/1/fd /proc/1/root; echo alive")
    assert ran.out == "alive\n"
    assert ran.err.count("ermission denied") == 4


@pytest.mark.parametrize("word", ["unshare -U true", "unshare -n true", "unshare -m true", "unshare -r true"])
def test_no_new_namespaces(word):
    assert shell(f"{word} && echo made").out == ""


def test_no_mount_and_no_remount():
    script = "mount -t tmpfs x /opt; mount -o remount,rw /dev; umount /proc"
    ran = shell(f"{script}; ls /opt; test -e /proc/self || echo gone")
    assert ran.out == ""


def test_foreign_standard_descriptors_and_channels_are_closed():
    assert shell("ls /proc/self/fd").out.split() == ["0", "1", "2", "3"]  # 3 is ls's own directory


def test_dev_holds_the_usual_nodes_and_cannot_be_written():
    script = "ls /dev; touch /dev/x; echo through >/dev/null; head -c 4 /dev/zero | wc -c"
    ran = shell(f"{script}; touch /dev/shm/y && ls /dev/shm")
    names, rest = ran.out.split("4\n")
    assert set(names.split()) == {
        "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero",
    }  # fmt: skip
    assert rest == "y\n"
    assert "touch: cannot touch '/dev/x'" in ran.err


def test_proc_says_nothing_of_the_hosts_secrets_and_cannot_be_written():
    script = "head -c 1 /proc/kallsyms | wc -c; head -c 1 /proc/keys | wc -c"
    ran = shell(f"{script}; echo 1 >/proc/sys/kernel/panic; : >/proc/irq/default_smp_affinity")
    assert ran.out.split() == ["0", "0"]
    assert ran.err.count("ead-only file system") == 2


def test_programs_on_dev_shm_do_not_run():
    ran = shell("cp /bin/true /dev/shm/true; /dev/shm/true; echo $?")
    assert ran.out == "126\n"


def test_output_can_be_opened_again_through_dev_stdout():
    assert shell("echo again >/dev/stdout").out == "again\n"


def test_orphans_are_reaped_and_end_with_the_agent():
    ran = shell("(sleep 1000 &) ; (true &) ; exit 3")
    assert ran.code == 3


def test_a_step_that_fails_is_named():
    class Impossible:
        def apply(self, stage):
            raise PermissionError(1, "Operation not permitted")

        def describe(self):
            return "do the impossible"

    with pytest.raises(HostError, match="cannot do the impossible: Operation not permitted"):
        run("/bin/true", extra_steps=(Impossible(),))


def test_a_bind_of_a_missing_tree_is_named():
    with pytest.raises(HostError, match="cannot allow programs in /nowhere"):
        run("/bin/true", extra_steps=(mounts.BindTree("/nowhere", True),))


def test_when_the_supervisor_lets_go_everything_ends():
    read_end, write_end = os.pipe()
    stdio = Stdio((os.open("/dev/null", os.O_RDONLY), write_end, os.open("/dev/null", os.O_WRONLY)), (None, None, None))
    front, agent_line = Channel.pair()
    started = launch.start(plan_for(["/bin/sh", "-c", "sleep 1000"], stdio), agent_line)
    started.map_ids(Identity.of_caller())
    started.receive_mounts()
    started.begin()
    while started.channel.receive()[0]["kind"] != "started":
        pass
    started.kill()
    assert os.read(read_end, 1) == b""  # the last holder of the pipe's other end is gone
    started.channel.close()
    front.close()
    os.close(read_end)

"""What a launch has mounted, as the kernel lists it; and what follows from the flags."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

import pytest

from gmcp_sandbox import kernel
from gmcp_sandbox.proc import mounts
from gmcp_sandbox.proc.plan import Stage, Step
from tests.children import in_child, own_namespaces
from tests.proc.sandbox_run import run

pytestmark = pytest.mark.needs("userns")
QUIET = {"nosuid", "nodev", "noexec"}


def mounted(text: str) -> dict[str, set[str]]:
    """Return the flags of each mount by its place, the last on top (proc_pid_mountinfo(5))."""
    return {fields[4]: set(fields[5].split(",")) for fields in (line.split() for line in text.splitlines())}


@pytest.fixture(scope="module")
def flags() -> dict[str, set[str]]:
    return mounted(run("/bin/cat", "/proc/self/mountinfo").out)


def test_dev_is_read_only_and_runs_nothing(flags: dict[str, set[str]]) -> None:
    assert {"ro", "nosuid", "noexec"} <= flags["/dev"]


def test_shm_and_pts_run_nothing(flags: dict[str, set[str]]) -> None:
    assert flags["/dev/shm"] >= QUIET
    assert flags["/dev/pts"] >= {"nosuid", "noexec"}


def test_every_device_is_a_mount_of_its_own(flags: dict[str, set[str]]) -> None:
    assert {f"/dev/{name}" for name in mounts.DEVICE_NODES} <= set(flags)


def test_proc_runs_nothing_and_its_controls_are_read_only(flags: dict[str, set[str]]) -> None:
    assert flags["/proc"] >= QUIET
    for name in mounts.PROC_READ_ONLY:
        if os.path.exists(f"/proc/{name}"):
            assert flags[f"/proc/{name}"] >= {"ro", *QUIET}
    for name in mounts.PROC_MASKED:
        assert (f"/proc/{name}" in flags) == os.path.exists(f"/proc/{name}")


def test_the_old_root_is_nowhere(flags: dict[str, set[str]]) -> None:
    assert "/tmp" not in flags
    assert not any(place.startswith(("/sys", "/run", "/boot", "/home", "/root")) for place in flags)
    ran = run("/bin/sh", "-c", "cd ..; cd ../../..; ls; ls /proc/self/root/; ls /proc/$$/cwd/../root")
    assert "root" not in ran.out.split()
    assert "No such file" in ran.err


def test_masked_files_are_empty_whoever_reads_them() -> None:
    names = [f"/proc/{name}" for name in mounts.PROC_MASKED if os.path.exists(f"/proc/{name}")]
    assert run("/bin/sh", "-c", f"cat {' '.join(names)} | wc -c").out == "0\n"


def test_the_bound_of_shm_holds() -> None:
    ran = run("/bin/sh", "-c", "head -c 2000000 /dev/zero >/dev/shm/x; stat -c %s /dev/shm/x")
    assert "No space left" in ran.err
    assert int(ran.out) <= 1 << 20


def test_dev_itself_takes_no_files_and_no_nodes() -> None:
    ran = run("/bin/sh", "-c", "mknod /dev/shm/m c 1 1; mknod /dev/m c 1 1; ln -s x /dev/y; rm /dev/null; echo")
    assert ran.err.count("\n") == 4
    assert ran.out == "\n"


def test_terminals_of_others_are_not_there() -> None:
    assert run("/bin/sh", "-c", "ls /dev/pts").out == "ptmx\n"


def test_bytes_pass_through_the_nodes() -> None:
    ran = run(
        "/bin/sh", "-c", "head -c 3 /dev/urandom | wc -c; head -c 1 /dev/zero > /dev/full; readlink /dev/fd /dev/ptmx"
    )
    assert ran.out == "3\n/proc/self/fd\npts/ptmx\n"
    assert "No space left" in ran.err


@dataclass(frozen=True)
class Programs:
    """A tree without exec right, with the same program at its top and in two directories below."""

    def apply(self, stage: Stage) -> None:
        top = stage.root + b"/opt"
        kernel.mount(b"tmpfs", top, b"tmpfs", kernel.MS_NOEXEC | kernel.MS_NOSUID, b"mode=0755")
        for place in (top, top + b"/no", top + b"/no/yes"):
            os.makedirs(place, exist_ok=True)
            shutil.copy(b"/bin/true", place)

    def describe(self) -> str:
        return "show programs"


TRY = "for d in /opt /opt/no /opt/no/yes; do $d/true 2>/dev/null; printf '%s ' $?; done"


@pytest.mark.parametrize(
    ("steps", "codes"),
    [
        ((), "126 126 126 "),
        ((mounts.BindTree("/opt", True),), "0 0 0 "),
        ((mounts.BindTree("/opt", True), mounts.BindTree("/opt/no", False)), "0 126 126 "),
        (
            (mounts.BindTree("/opt", True), mounts.BindTree("/opt/no", False), mounts.BindTree("/opt/no/yes", True)),
            "0 126 0 ",
        ),
        ((mounts.BindTree("/opt/no/yes", True),), "126 126 0 "),
        ((mounts.BindTree("/opt/true", True),), "0 126 126 "),
    ],
)
def test_exec_right_comes_and_goes_with_the_bind(steps: tuple[Step, ...], codes: str) -> None:
    assert run("/bin/sh", "-c", TRY, extra_steps=(Programs(), *steps)).out == codes


def test_a_bound_tree_is_as_writable_as_before_and_quiet() -> None:
    ran = run("/bin/cat", "/proc/self/mountinfo", extra_steps=(Programs(), mounts.BindTree("/opt", True)))
    found = mounted(ran.out)["/opt"]
    assert {"rw", "nosuid", "nodev"} <= found
    assert "noexec" not in found


def test_a_program_that_is_in_memory_by_name_runs_no_more_without_the_right() -> None:
    """The loader maps the program for execution: a noexec mount refuses that, too."""
    ran = run("/bin/sh", "-c", "/lib64/ld-linux-x86-64.so.2 /opt/true", extra_steps=(Programs(),))
    assert ran.code != 0
    assert "failed to map segment" in ran.err or "not permitted" in ran.err


def test_scratch_space_is_bounded_and_mounted_nowhere() -> None:
    def action() -> list[object]:
        if os.geteuid() != 0:
            own_namespaces(kernel.CLONE_NEWNS)
        stage = Stage(b"")
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            before = file.read()
        mounts.ScratchTmpfs(1 << 20).apply(stage)
        scratch = stage.fds["scratch"]
        fd = os.open("x", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=scratch)
        written = 0
        try:
            while written < 1 << 24:
                written += os.write(fd, bytes(65536))
        except OSError:
            pass
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return [0 < written <= 1 << 20, os.fstat(scratch).st_mode & 0o7777, file.read() == before]

    assert in_child(action) == [True, 0o755, True]


def test_steps_say_what_they_do() -> None:
    steps: list[Step] = [
        mounts.PrivatePropagation(),
        mounts.MountDev(3 << 20),
        mounts.MountProc(),
        mounts.BindTree("/usr", True),
        mounts.BindTree("/usr/share", False),
        mounts.ScratchTmpfs(7 << 20),
        mounts.ChangeRoot(),
    ]
    lines = [step.describe() for step in steps]
    assert len(set(lines)) == len(lines)
    assert "3 MiB of /dev/shm" in lines[1]
    assert lines[3:5] == ["allow programs in /usr", "no programs in /usr/share"]
    assert "at most 7 MiB" in lines[5]


PROC_WRITES = """
import os
for name in ("comm", "mem", "oom_score_adj", "uid_map", "fd/1"):
    try:
        os.close(os.open(f"/proc/self/{name}", os.O_WRONLY))
        print(name)
    except OSError as error:
        print(name, error.errno)
"""


@pytest.mark.needs("program:/usr/bin/python3")
def test_a_sealed_proc_takes_no_writes_but_through_descriptors() -> None:
    ran = run("/usr/bin/python3", "-I", "-c", PROC_WRITES, sealing=(mounts.SealProc(),))
    assert ran.out.split("\n")[:5] == ["comm 30", "mem 30", "oom_score_adj 30", "uid_map 30", "fd/1"], ran.err
    assert run("/usr/bin/python3", "-I", "-c", PROC_WRITES).out.split("\n")[:2] == ["comm", "mem"]

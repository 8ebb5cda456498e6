"""Known ways out of a sandbox, each tried for real by one agent. What counts is what it got, and what the host has.

The host prepares what there would be to get: files beside the workspace, sockets, shared memory, a pipe, a program of
the same user. `scripts/scoreboard` prints the table of these and the other suites' tricks.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from gmcp_sandbox.proc.mounts import PROC_MASKED
from tests.e2e.harness import AGENTS, Process

MARK = "HOST-MARK-41c7"
OWN_PROC = "own pid namespace; process 1 is opaque"
TWO_SPACES = "nested user namespace that owns nothing"
NO_CAPS = "no capability, none in the bounding set"
READ_ONLY = "/proc/sys and other controls read-only"
NOT_SHOWN = "the view does not show it"
FILTER = "seccomp"
JUDGED = "every open is judged by the object"
OWN_IPC = "own ipc namespace"
OWN_NET = "own network namespace"
NO_SUID = "no_new_privs, nosuid"
PIDS = "own pid namespace"

TRICKS: dict[str, tuple[str, str]] = {
    "root_link_of_process_1": (OWN_PROC, "EACCES"),
    "working_directory_of_process_1": (OWN_PROC, "EACCES"),
    "program_of_process_1": (OWN_PROC, "EACCES"),
    "memory_of_process_1": (OWN_PROC, "EACCES"),
    "map_files_of_process_1": (OWN_PROC, "EACCES EISDIR"),
    "descriptors_of_process_1": (OWN_PROC, "EACCES"),
    "namespaces_of_process_1": (OWN_PROC, "EACCES"),
    "root_link_of_a_program_of_the_host": (PIDS, "ENOENT"),
    "memory_of_process_1_for_writing": (OWN_PROC, "EACCES"),
    "kill_order_of_process_1": (OWN_PROC, "EACCES"),
    "dots_above_the_root": ("pivot_root: nothing is above", "ENOENT"),
    "a_directory_that_is_left_behind_by_a_rename": (NOT_SHOWN, "ENOENT"),
    "writing_anywhere_below_proc_sys": (READ_ONLY, "EROFS"),
    "writing_to_the_kernels_files_in_proc": (READ_ONLY + ", the rest belongs to nobody inside", "EACCES"),
    "core_of_the_kernel": ("masked", "got-nothing EACCES ENOENT"),
    "log_of_the_kernel": (NO_CAPS, "EACCES EPERM"),
    "addresses_of_the_kernel": ("masked", "got-nothing"),
    "pattern_of_cores": (READ_ONLY, "EROFS EACCES"),
    "program_that_loads_modules": (READ_ONLY, "EROFS EACCES ENOENT"),
    "formats_of_programs": (READ_ONLY, "EROFS EACCES ENOENT"),
    "magic_keys": (READ_ONLY, "EROFS EACCES ENOENT"),
    "id_map_of_its_own": (TWO_SPACES, "EROFS EACCES"),
    "id_map_again": (TWO_SPACES, "EPERM EROFS EACCES"),
    "inherited_descriptors": ("all but 0, 1, 2 closed; these are pipes of our own", "EBADF"),
    "descriptor_of_a_sibling": (FILTER, "EPERM"),
    "descriptor_of_process_1": (FILTER, "EPERM"),
    "namespace_by_pidfd_of_process_1": (OWN_PROC, "EACCES EPERM ENOTTY EINVAL"),
    "owner_of_the_mount_namespace": (TWO_SPACES, "EPERM"),
    "user_namespace_above": (TWO_SPACES, "EPERM"),
    "pid_namespace_above": (TWO_SPACES, "EPERM"),
    "secret_by_a_path_descriptor": (JUDGED, "EACCES"),
    "secret_linked_by_its_descriptor": (JUDGED, "EACCES"),
    "system_file_reopened_for_writing": (JUDGED, "EROFS EACCES"),
    "secret_sent_over_a_socket": ("a path descriptor reads nothing", "EBADF"),
    "trace_a_sibling": (FILTER, "EPERM"),
    "trace_a_sibling_that_agreed": (FILTER, "EPERM EINVAL"),
    "memory_of_a_sibling": (FILTER, "EPERM"),
    "signal_to_a_program_of_the_host": (PIDS, "ESRCH"),
    "group_of_a_program_of_the_host": (PIDS, "ESRCH"),
    "priority_of_all_programs_of_the_user": (PIDS, "ESRCH"),
    "input_priority_of_all_programs_of_the_user": (PIDS, "ESRCH"),
    "raise_a_limit": (NO_CAPS, "EPERM"),
    "a_core_of_its_own": (NO_CAPS, "EPERM"),
    "child_beside_process_1": ("process 1 reaps whatever it gets", "ECHILD"),
    "leave_no_new_privileges": ("the kernel", "EINVAL"),
    "gain_a_capability": (NO_CAPS, "EPERM"),
    "set_a_capability": (NO_CAPS, "EPERM"),
    "secure_bits": (NO_CAPS, "EPERM"),
    "another_program_in_the_name_of_this_one": (NO_CAPS, "EPERM"),
    "a_listener_in_the_place_of_the_gate": ("one listener a chain of filters", "EBUSY"),
    "a_filter_that_answers_for_the_gate": ("without a listener the kernel refuses", "ENOSYS"),
    "set_user_id_program": (NO_SUID, "EPERM"),
    "set_user_id_program_with_a_library": (NO_SUID, "EPERM"),
    "file_capabilities": ("security.* is not writable", "EPERM EOPNOTSUPP EACCES"),
    "device_mem": (NOT_SHOWN, "ENOENT"),
    "device_kmem": (NOT_SHOWN, "ENOENT"),
    "device_kmsg": (NOT_SHOWN, "ENOENT"),
    "device_port": (NOT_SHOWN, "ENOENT"),
    "device_fuse": (NOT_SHOWN, "ENOENT"),
    "device_net_tun": (NOT_SHOWN, "ENOENT"),
    "device_userfaultfd": (NOT_SHOWN, "ENOENT"),
    "device_console": (NOT_SHOWN, "ENOENT"),
    "device_tty1": (NOT_SHOWN, "ENOENT"),
    "device_vda": (NOT_SHOWN, "ENOENT"),
    "device_sda": (NOT_SHOWN, "ENOENT"),
    "device_kvm": (NOT_SHOWN, "ENOENT"),
    "character_device_in_the_workspace": ("refused; nodev", "EPERM EACCES"),
    "character_device_in_tmp": ("refused; nodev", "EPERM EACCES"),
    "character_device_in_shm": (NO_CAPS + "; nodev", "EPERM"),
    "block_device_in_the_workspace": ("refused; nodev", "EPERM EACCES"),
    "block_device_in_tmp": ("refused; nodev", "EPERM EACCES"),
    "block_device_in_shm": (NO_CAPS + "; nodev", "EPERM"),
    "disks_of_the_host": (NOT_SHOWN, "ENOENT EACCES"),
    "release_agent_of_a_control_group": (NOT_SHOWN, "ENOENT EACCES EROFS"),
    "connections_of_fuse": (NOT_SHOWN, "ENOENT EACCES"),
    "type_into_a_terminal": (FILTER, "EPERM"),
    "paste_into_a_terminal": (FILTER, "EPERM"),
    "console_output": (NO_CAPS, "EPERM"),
    "another_control_terminal": (NO_CAPS, "EPERM"),
    "abstract_socket_of_the_host": (OWN_NET, "ECONNREFUSED"),
    "named_socket_of_the_host_outside": (NOT_SHOWN, "ENOENT"),
    "named_socket_of_the_host_in_the_workspace": ("a socket's inode on FUSE is not the host's", "ECONNREFUSED EACCES"),
    "shared_memory_of_the_host": (OWN_IPC, "ENOENT"),
    "message_queue_of_the_host": (OWN_IPC, "ENOENT"),
    "pipe_of_the_host_in_the_workspace": ("a pipe's inode on FUSE is not the host's", "ENXIO EACCES"),
    "keys_of_the_user": (FILTER + ", new session keyring", "EPERM"),
    "listening_ports_of_the_host": (OWN_NET, "ECONNREFUSED ENETUNREACH"),
    "flags_of_a_file": ("no ioctl on FUSE", "ENOTTY EACCES EOPNOTSUPP"),
    "a_file_that_shares_blocks_with_a_secret": (JUDGED, "EOPNOTSUPP EBADF EXDEV ENOTTY EINVAL"),
    "handle_of_a_file": (FILTER, "EOPNOTSUPP"),
    "handle_with_the_files_number": (FILTER, "EOPNOTSUPP"),
    "mounts_of_other_namespaces": (NO_CAPS, "EPERM ENOENT ENOSYS EINVAL"),
    "unnamed_file_that_is_linked_later": ("O_TMPFILE is refused", "EOPNOTSUPP"),
    "attribute_in_the_trusted_space": (NO_CAPS, "EPERM EOPNOTSUPP EACCES"),
    "give_a_file_away": (NO_CAPS, "EPERM EINVAL EACCES"),
}
"""Trick → what stops it, and the errnos that say so."""


WITHOUT_GATE = """
extends = "default"
name = "walls"
description = "The shipped one, without the semantic gate: the walls alone have to stand."
[probe]
tools = ["mcp.call"]
"""


class Surroundings:
    """What the host has that an agent must not reach."""

    def __init__(self, box, stack):
        self.box = box
        (box.base / "outside.txt").write_text(MARK)
        box.write(".env", MARK)
        os.mkfifo(box.workspace / "host.fifo")
        self._reader = os.open(box.workspace / "host.fifo", os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(os.close, self._reader)
        self._sockets = [
            self._listen(stack, socket.AF_UNIX, "\0" + box.base.name),
            self._listen(stack, socket.AF_UNIX, str(box.base / "out.sock")),
            self._listen(stack, socket.AF_UNIX, str(box.workspace / "host.sock")),
            self._listen(stack, socket.AF_INET, ("127.0.0.1", 0)),
        ]
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.key = int.from_bytes(os.urandom(3), "big") + 1
        memory = self._libc.shmget(self.key, 4096, 0o1666)
        queue = self._libc.msgget(self.key, 0o1666)
        assert memory >= 0 and queue >= 0
        stack.callback(self._libc.shmctl, memory, 0, None)
        stack.callback(self._libc.msgctl, queue, 0, None)
        self.alive = subprocess.Popen(
            box._as_user([sys.executable, "-c", "print('up', flush=True); input()"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=box.environment(),
            start_new_session=True,
        )
        stack.callback(self._end)
        assert self.alive.stdout.readline() == b"up\n"
        self.identity = Process.of(self.alive.pid)
        self.priority = os.getpriority(os.PRIO_PROCESS, self.alive.pid)
        box.own()

    def _listen(self, stack, family, address):
        server = stack.enter_context(closing(socket.socket(family)))
        server.bind(address)
        server.listen()
        if family == socket.AF_UNIX and not address.startswith("\0"):
            os.chmod(address, 0o777)
        return server

    def _end(self):
        self.alive.stdin.close()
        self.alive.wait(10)
        self.alive.stdout.close()

    def as_json(self):
        return json.dumps(
            {
                "outside": str(self.box.base / "outside.txt"),
                "alive": self.alive.pid,
                "abstract": self.box.base.name,
                "socket outside": str(self.box.base / "out.sock"),
                "shared memory": self.key,
                "port": self._sockets[-1].getsockname()[1],
                "mount namespace": os.stat("/proc/self/ns/mnt").st_ino,
                "other id": self.box.uid + 70_000,
                "masked": [f"/proc/{name}" for name in PROC_MASKED],
            }
        )

    def is_untouched(self):
        """Nobody connected, nothing was written, and the host's program is as it was."""
        assert not select.select(self._sockets, [], [], 0)[0]
        assert os.read(self._reader, 10) == b""
        assert not self.identity.is_gone
        assert os.getpriority(os.PRIO_PROCESS, self.alive.pid) == self.priority
        assert _input_priority(self._libc, self.alive.pid) == 0


def _input_priority(libc, pid):
    """Return the class of a process (ioprio_get(2)); 0 where it has none of its own, 2 for best effort."""
    found = libc.syscall(252, 1, pid)
    return 0 if found >> 13 in (0, 2) else found >> 13


def _run(box, *argv, **how):
    return box.exec(*argv, profile=box.profile(WITHOUT_GATE), **how)


@pytest.fixture(scope="module")
def run(shared_sandbox):
    """One agent that tries everything; after it, what the host has."""
    box = shared_sandbox
    box.write("agent.py", (AGENTS / "escapist.py").read_bytes())
    with ExitStack() as stack:
        host = Surroundings(box, stack)
        box.write("host.json", host.as_json())
        result = _run(box, "/usr/bin/python3", "agent.py", timeout=120)
        assert result.code == 0, result.err
        host.is_untouched()
    return box, result, json.loads(result.out)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.trick(name.replace("_", " "), stops=stops))
        for name, (stops, _) in TRICKS.items()
    ],
)
def test_a_known_way_out_leads_nowhere(run, name):
    _, _, found = run
    expected = TRICKS[name][1].split()
    if found[name] == ["got", ""]:
        assert "got-nothing" in expected
    elif found[name][0] == "got":
        assert "got-descriptor" in expected and found[name][1].isdigit(), found[name]
    else:
        assert found[name][0] == "errno" and found[name][1] in expected, found[name]


def test_every_trick_is_looked_at_and_no_mark_of_the_host_came_out(run):
    box, result, found = run
    assert found.keys() == TRICKS.keys()
    assert MARK not in result.text and MARK not in result.err
    assert not (box.workspace / "linked").exists() and not (box.workspace / ".envrc").exists()
    assert [path.name for path in Path(box.workspace).iterdir() if path.is_block_device()] == []


SWAPPING = """
import ctypes, os, sys, threading, time
libc = ctypes.CDLL(None)
base, seconds = sys.argv[1], 2.0
os.makedirs("plain"); open("plain/credentials", "w").write("plain")
os.symlink({target}, "link")
os.mkdir("other")
end = time.monotonic() + seconds
turns = [0, 0]

def swap():
    while time.monotonic() < end:
        libc.renameat2(-100, b"plain", -100, b"link", 2)
        turns[0] += 1

def use(action):
    while time.monotonic() < end:
        turns[1] += 1
        try:
            action()
        except OSError:
            pass

def read():
    with open("plain/credentials") as file:
        text = file.read()
    if "MARK" in text:
        print("GOT", text)

def write():
    with open("plain/credentials", "r+") as file:
        file.write("x")

def make():
    os.close(os.open("plain/planted", os.O_CREAT | os.O_WRONLY))
    os.unlink("plain/planted")

def move():
    os.rename("plain/credentials", "other/taken")
    os.rename("other/taken", "plain/credentials")

def change():
    os.chmod("plain/credentials", 0o666)

def put():
    open("other/planted", "w").close()
    os.rename("other/planted", "plain/planted")

threads = [threading.Thread(target=swap)]
threads += [threading.Thread(target=use, args=(each,)) for each in (read, write, make, move, change, put)]
for each in threads: each.start()
for each in threads: each.join()
print("turns", turns[0] > 50, turns[1] > 50)
"""


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        pytest.param(
            "base + '/outside'",
            "outside/credentials",
            marks=pytest.mark.trick(
                "swapping a directory and a link to the outside while files are opened through it",
                stops="the supervisor walks by descriptors and follows no link",
            ),
        ),
        pytest.param(
            "'.aws'",
            "work/.aws/credentials",
            marks=pytest.mark.trick(
                "swapping a directory and a link to secrets while files are opened through it",
                stops="the label is that of the object that was opened",
            ),
        ),
    ],
    ids=["to the outside", "to secrets"],
)
def test_a_race_of_links_and_renames(sandbox, target, kept):
    outside = sandbox.base / "outside"
    outside.mkdir(mode=0o777)
    (outside / "credentials").write_text(MARK)
    sandbox.write(".aws/credentials", MARK)
    sandbox.own(outside)
    before = (sandbox.base / kept).stat()
    sandbox.write("agent.py", SWAPPING.format(target=target))
    result = _run(sandbox, "/usr/bin/python3", "agent.py", str(sandbox.base))
    assert result.text == "turns True True\n", result.err
    after = (sandbox.base / kept).stat()
    assert (sandbox.base / kept).read_text() == MARK
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    assert os.listdir((sandbox.base / kept).parent) == ["credentials"]


@pytest.mark.trick(
    "a link in the view that the host's user swaps in meanwhile", stops="no link is followed on the host"
)
def test_a_race_with_the_host_itself(sandbox):
    """The workspace is shared with the host: a directory that becomes a link there, under us, leads nowhere either."""
    outside = sandbox.base / "outside"
    outside.mkdir(mode=0o777)
    (outside / "file").write_text(MARK)
    sandbox.write("folder/file", "plain")
    (sandbox.workspace / "aside").symlink_to(outside)
    sandbox.own(outside)
    libc = ctypes.CDLL(None)
    work = os.fsencode(sandbox.workspace)
    script = """
import os
print("ready", flush=True)
for _ in range(3000):
    for path in ("folder/file", "aside/file"):
        try:
            with open(path) as file:
                text = file.read()
            if text != "plain":
                print("GOT", text)
        except OSError:
            pass
"""
    with sandbox.start("-p", sandbox.profile(WITHOUT_GATE), "--", "/usr/bin/python3", "-c", script) as running:
        running.read_until(b"ready")
        has_ended = threading.Event()

        def swap():
            while not has_ended.is_set():
                libc.renameat2(-100, work + b"/folder", -100, work + b"/aside", 2)

        swapping = threading.Thread(target=swap)
        swapping.start()
        try:
            result = running.end()
        finally:
            has_ended.set()
            swapping.join()
    assert (result.code, result.text) == (0, "ready\n"), result.err


EVERYBODY = """
import os, signal
if os.fork() == 0:
    signal.pause()
os.kill(-1, signal.SIGKILL)
print(os.waitstatus_to_exitcode(os.wait()[1]), os.path.exists("/proc/1/comm"))
"""


@pytest.mark.trick("kill(-1)", stops=PIDS)
def test_a_signal_to_everybody_stays_inside(sandbox):
    with ExitStack() as stack:
        host = Surroundings(sandbox, stack)
        result = _run(sandbox, "/usr/bin/python3", "-c", EVERYBODY)
        assert (result.code, result.text) == (0, "-9 True\n"), result.err
        host.is_untouched()

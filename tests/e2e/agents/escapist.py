"""An agent that tries the known ways out of a sandbox. Prints one JSON object: trick → errno name, or what it got.

Each trick is one function and runs in a child of its own. One that works returns what it got: a marker that the host
left, a number, a name. None of them does harm where it works.

Beside it lies `host.json`: what the host has prepared (see `test_escapes.py`).
"""

import array
import ctypes
import errno
import fcntl
import json
import os
import resource
import socket
import struct
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
TRICKS: dict[str, Callable[[], object]] = {}
HOST = json.loads(Path("host.json").read_text())
ALIVE = HOST["alive"]
"""The pid of a program of the host, of the same user."""


def trick(function):
    TRICKS[function.__name__] = function
    return function


def call(number, *arguments):
    """Make a system call by its number on x86_64."""
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def prctl(*arguments):
    return call(157, *arguments)


def reads(name, path):
    def function():
        with open(path, "rb") as file:
            return file.read(100).decode(errors="replace")

    TRICKS[name] = function


def opens(name, path, flags):
    TRICKS[name] = lambda: os.open(path, flags)


def fails(code, why):
    """Say with an errno that a trick led nowhere."""
    return OSError(code, why)


class Sibling:
    """Another process of the agent."""

    def __enter__(self):
        self._pipe = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._pipe[1])
            os.read(self._pipe[0], 1)
            os._exit(0)
        return self.pid

    def __exit__(self, *_):
        os.close(self._pipe[1])
        os.waitpid(self.pid, 0)


# ---- /proc
reads("root_link_of_process_1", f"/proc/1/root{HOST['outside']}")
reads("working_directory_of_process_1", f"/proc/1/cwd{HOST['outside']}")
reads("program_of_process_1", "/proc/1/exe")
reads("memory_of_process_1", "/proc/1/mem")
reads("map_files_of_process_1", "/proc/1/map_files")
TRICKS["descriptors_of_process_1"] = lambda: os.listdir("/proc/1/fd")
TRICKS["namespaces_of_process_1"] = lambda: os.readlink("/proc/1/ns/mnt")
reads("root_link_of_a_program_of_the_host", f"/proc/{ALIVE}/root{HOST['outside']}")
opens("memory_of_process_1_for_writing", "/proc/1/mem", os.O_WRONLY)
opens("kill_order_of_process_1", "/proc/1/oom_score_adj", os.O_WRONLY)


@trick
def dots_above_the_root():
    here = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(5):
        here = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
    return os.read(os.open(HOST["outside"][1:], os.O_RDONLY, dir_fd=here), 100).decode()


@trick
def a_directory_that_is_left_behind_by_a_rename():
    os.makedirs("deep/a/b")
    os.chdir("deep/a/b")
    os.rename("../../../deep/a", "../../../moved")
    with open("../../../../" + os.path.basename(HOST["outside"])) as file:
        return file.read()


@trick
def writing_anywhere_below_proc_sys():
    got = []
    for directory, _, files in os.walk("/proc/sys"):
        for name in files:
            try:
                os.close(os.open(f"{directory}/{name}", os.O_WRONLY | os.O_NONBLOCK))
                got.append(f"{directory}/{name}")
            except OSError:
                pass
    if got:
        return got
    raise fails(errno.EROFS, "none")


@trick
def writing_to_the_kernels_files_in_proc():
    got = []
    for directory, directories, files in os.walk("/proc"):
        if directory == "/proc":
            directories[:] = [each for each in directories if not each.isdigit() and not each.endswith("self")]
        for name in files:
            try:
                os.close(os.open(f"{directory}/{name}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW))
                got.append(f"{directory}/{name}")
            except OSError:
                pass
    if set(got) <= set(HOST["masked"]):  # these are /dev/null
        raise fails(errno.EACCES, "none")
    return got


reads("core_of_the_kernel", "/proc/kcore")
reads("log_of_the_kernel", "/proc/kmsg")
reads("addresses_of_the_kernel", "/proc/kallsyms")
opens("pattern_of_cores", "/proc/sys/kernel/core_pattern", os.O_WRONLY)
opens("program_that_loads_modules", "/proc/sys/kernel/modprobe", os.O_WRONLY)
opens("formats_of_programs", "/proc/sys/fs/binfmt_misc/register", os.O_WRONLY)
opens("magic_keys", "/proc/sysrq-trigger", os.O_WRONLY)
opens("id_map_of_its_own", "/proc/self/uid_map", os.O_WRONLY)
TRICKS["id_map_again"] = lambda: os.write(os.open("/proc/self/uid_map", os.O_WRONLY), b"0 0 1\n")


# ---- descriptors
@trick
def inherited_descriptors():
    """Whatever the launch left open; the first process passes on what it has, which is what it got."""
    odd = [entry for entry in HOST_DESCRIPTORS if not entry[1].startswith(("pipe:", "/dev/pts/"))]
    if odd or [entry[0] for entry in HOST_DESCRIPTORS] != [0, 1, 2]:
        return HOST_DESCRIPTORS
    raise fails(errno.EBADF, "0, 1 and 2 are pipes of the sandbox")


@trick
def descriptor_of_a_sibling():
    with Sibling() as pid:
        return call(438, os.pidfd_open(pid), 0, 0)


@trick
def descriptor_of_process_1():
    return call(438, os.pidfd_open(1), 0, 0)


@trick
def namespace_by_pidfd_of_process_1():
    return fcntl.ioctl(os.pidfd_open(1), 0xFF03)  # PIDFD_GET_MNT_NAMESPACE, ioctl_pidfd(2)


@trick
def owner_of_the_mount_namespace():
    return fcntl.ioctl(os.open("/proc/self/ns/mnt", os.O_RDONLY), 0xB701)  # NS_GET_USERNS, ioctl_nsfs(2)


@trick
def user_namespace_above():
    return fcntl.ioctl(os.open("/proc/self/ns/user", os.O_RDONLY), 0xB702)  # NS_GET_PARENT


@trick
def pid_namespace_above():
    return fcntl.ioctl(os.open("/proc/self/ns/pid", os.O_RDONLY), 0xB702)


@trick
def secret_by_a_path_descriptor():
    fd = os.open(".env", os.O_PATH)
    with open(f"/proc/self/fd/{fd}") as file:
        return file.read()


@trick
def secret_linked_by_its_descriptor():
    fd = os.open(".env", os.O_PATH)
    call(265, -100, f"/proc/self/fd/{fd}".encode(), -100, b"linked", 0x400)  # AT_SYMLINK_FOLLOW
    with open("linked") as file:
        return file.read()


@trick
def system_file_reopened_for_writing():
    fd = os.open("/etc/hostname", os.O_RDONLY)
    return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY)


@trick
def secret_sent_over_a_socket():
    """A path descriptor, which may be held, grows no right on its way to another process."""
    one, other = socket.socketpair()
    one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [os.open(".env", os.O_PATH)]))])
    _, fds, _, _ = socket.recv_fds(other, 1, 1)
    return os.read(fds[0], 100).decode()


# ---- processes
@trick
def trace_a_sibling():
    with Sibling() as pid:
        return call(101, 0x4206, pid, 0, 0)


@trick
def trace_a_sibling_that_agreed():
    prctl(0x59616D61, -1, 0, 0, 0)  # PR_SET_PTRACER, PR_SET_PTRACER_ANY
    with Sibling() as pid:
        return call(101, 0x4206, pid, 0, 0)


@trick
def memory_of_a_sibling():
    with Sibling() as pid:
        return call(310, pid, 0, 0, 0, 0, 0)


@trick
def signal_to_a_program_of_the_host():
    os.kill(ALIVE, 0)


@trick
def group_of_a_program_of_the_host():
    os.killpg(ALIVE, 0)


@trick
def priority_of_all_programs_of_the_user():
    """It reaches those of the own pid namespace alone; the test looks at the host's."""
    os.setpriority(os.PRIO_USER, os.getuid(), 7)
    raise fails(errno.ESRCH, "done inside; the host is looked at by the test")


@trick
def input_priority_of_all_programs_of_the_user():
    call(251, 3, os.getuid(), 3 << 13)  # ioprio_set, IOPRIO_WHO_USER, idle
    raise fails(errno.ESRCH, "done inside; the host is looked at by the test")


@trick
def raise_a_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    call(160, resource.RLIMIT_NOFILE, ctypes.create_string_buffer(struct.pack("QQ", soft, hard + 1)))


@trick
def a_core_of_its_own():
    call(160, resource.RLIMIT_CORE, ctypes.create_string_buffer(struct.pack("QQ", 1 << 20, 1 << 20)))


@trick
def child_beside_process_1():
    """CLONE_PARENT: its parent is process 1. It gains nothing by it."""
    if call(56, 0x8000 | 17, 0, 0, 0, 0) == 0:
        os._exit(0)
    if os.path.exists("/proc/1/comm"):
        raise fails(errno.ECHILD, "process 1 reaps it, and lives")


@trick
def leave_no_new_privileges():
    prctl(38, 0, 0, 0, 0)


@trick
def gain_a_capability():
    prctl(47, 2, 21, 0, 0)  # PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN


@trick
def set_a_capability():
    header = struct.pack("Ii", 0x20080522, 0)
    data = struct.pack("6I", 1 << 21, 1 << 21, 0, 0, 0, 0)
    call(126, ctypes.create_string_buffer(header), ctypes.create_string_buffer(data))


@trick
def secure_bits():
    prctl(28, 1, 0, 0, 0)


@trick
def another_program_in_the_name_of_this_one():
    """PR_SET_MM_EXE_FILE, prctl(2)."""
    prctl(35, 13, os.open("/usr/bin/env", os.O_RDONLY), 0, 0)


@trick
def a_listener_in_the_place_of_the_gate():
    """A filter of the agent's own that answers for execve would be asked before ours."""
    listen_on_exec = struct.pack("HBBI", 6, 0, 0, 0x7FC00000)
    memory = ctypes.create_string_buffer(listen_on_exec)
    program = struct.pack("HxxxxxxQ", 1, ctypes.addressof(memory))
    call(317, 1, 1 << 3, ctypes.create_string_buffer(program))  # SECCOMP_FILTER_FLAG_NEW_LISTENER


@trick
def a_filter_that_answers_for_the_gate():
    """The same without a listener: the exec is refused, not done unasked."""
    if os.fork() == 0:
        notify_59 = [
            struct.pack("HBBI", 0x20, 0, 0, 0),
            struct.pack("HBBI", 0x15, 0, 1, 59),
            struct.pack("HBBI", 6, 0, 0, 0x7FC00000),
            struct.pack("HBBI", 6, 0, 0, 0x7FFF0000),
        ]
        memory = ctypes.create_string_buffer(b"".join(notify_59))
        program = struct.pack("HxxxxxxQ", 4, ctypes.addressof(memory))
        call(317, 1, 0, ctypes.create_string_buffer(program))
        try:
            os.execv("/usr/bin/true", ["true"])
        except OSError as error:
            os._exit(error.errno or 1)
    _, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise fails(code, "the exec")
    return "it ran"


def auxiliary_vector(program, *words, **variables):
    """Return what the kernel told a program of itself, which its loader prints (ld.so(8), LD_SHOW_AUXV)."""
    env = {"LD_SHOW_AUXV": "1", **variables}
    done = subprocess.run([program, *words], capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("AT_")]
    return {words[0].rstrip(":"): words[1] for words in lines if len(words) > 1}


SET_ID = next(
    (path for path in ("/usr/bin/su", "/bin/su", "/usr/bin/mount", "/usr/bin/passwd") if os.path.exists(path)), ""
)


@trick
def set_user_id_program():
    facts = auxiliary_vector(SET_ID, "--version")
    if facts["AT_EUID"] == facts["AT_UID"] == str(os.getuid()) and facts["AT_SECURE"] == "0":
        raise fails(errno.EPERM, "it runs as an ordinary program")
    return facts


@trick
def set_user_id_program_with_a_library():
    facts = auxiliary_vector(SET_ID, "--version", LD_PRELOAD="libm.so.6")
    if facts["AT_EUID"] == str(os.getuid()):
        raise fails(errno.EPERM, "it is loaded into an ordinary program")
    return facts


@trick
def file_capabilities():
    Path("tool").write_bytes(b"#!/bin/sh\n")
    os.setxattr("tool", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0))


# ---- devices
for device in ("mem", "kmem", "kmsg", "port", "fuse", "net/tun", "userfaultfd", "console", "tty1", "vda", "sda", "kvm"):
    opens("device_" + device.replace("/", "_"), "/dev/" + device, os.O_RDONLY)
for kind, name in ((0o020000, "character"), (0o060000, "block")):
    for place, where in (("the_workspace", "."), ("tmp", "/tmp"), ("shm", "/dev/shm")):
        TRICKS[f"{name}_device_in_{place}"] = partial(os.mknod, f"{where}/node", kind | 0o666, os.makedev(1, 1))
opens("disks_of_the_host", "/sys/block", os.O_RDONLY)
opens("release_agent_of_a_control_group", "/sys/fs/cgroup/release_agent", os.O_WRONLY)
opens("connections_of_fuse", "/sys/fs/fuse/connections", os.O_RDONLY)


def _terminal(request, argument=b"x" * 64):
    master, slave = os.openpty()
    return fcntl.ioctl(slave, request, argument) if master else None


TRICKS["type_into_a_terminal"] = lambda: _terminal(0x5412)
TRICKS["paste_into_a_terminal"] = lambda: _terminal(0x541C)
TRICKS["console_output"] = lambda: _terminal(0x541D, 0)
TRICKS["another_control_terminal"] = lambda: fcntl.ioctl(os.openpty()[1], 0x540E, 1)  # TIOCSCTTY by force


# ---- what the host has between its programs
@trick
def abstract_socket_of_the_host():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + HOST["abstract"])
        return client.recv(100).decode()


@trick
def named_socket_of_the_host_outside():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(HOST["socket outside"])
        return client.recv(100).decode()


@trick
def named_socket_of_the_host_in_the_workspace():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("host.sock")
        return client.recv(100).decode()


@trick
def shared_memory_of_the_host():
    return call(29, HOST["shared memory"], 0, 0)


@trick
def message_queue_of_the_host():
    return call(68, HOST["shared memory"], 0)


@trick
def pipe_of_the_host_in_the_workspace():
    """Two ends on two file systems never meet: the reader on the host gets nothing."""
    fd = os.open("host.fifo", os.O_WRONLY | os.O_NONBLOCK)
    return os.write(fd, b"x")


@trick
def keys_of_the_user():
    return call(249, b"user", b"gmcp", 0, -3)


@trick
def listening_ports_of_the_host():
    with socket.create_connection(("127.0.0.1", HOST["port"]), timeout=5) as client:
        return client.recv(100).decode()


# ---- the file system itself
@trick
def flags_of_a_file():
    with open("plain", "w") as file:
        fcntl.ioctl(file, 0x40086602, struct.pack("l", 0x10))  # FS_IOC_SETFLAGS, immutable


@trick
def a_file_that_shares_blocks_with_a_secret():
    with open("clone", "w") as file:
        fcntl.ioctl(file, 0x40049409, os.open(".env", os.O_PATH))  # FICLONE


@trick
def handle_of_a_file():
    handle = ctypes.create_string_buffer(136)
    ctypes.c_uint.from_buffer(handle).value = 128
    call(303, -100, b".env", handle, ctypes.byref(ctypes.c_int()), 0)
    return "a handle"


@trick
def handle_with_the_files_number():
    """AT_HANDLE_FID: the kernel makes one for any file system, to compare by."""
    handle = ctypes.create_string_buffer(136)
    ctypes.c_uint.from_buffer(handle).value = 128
    call(303, -100, b".env", handle, ctypes.byref(ctypes.c_int()), 0x200)
    return "a handle"


@trick
def mounts_of_other_namespaces():
    request = struct.pack("IIQQQ", 32, 0, 0xFFFFFFFFFFFFFFFF, 0, HOST["mount namespace"])
    found = ctypes.create_string_buffer(8 * 64)
    return call(458, ctypes.create_string_buffer(request), found, 64, 0)  # listmount(2)


@trick
def unnamed_file_that_is_linked_later():
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR)
    call(265, -100, f"/proc/self/fd/{fd}".encode(), -100, b".envrc", 0x400)


@trick
def attribute_in_the_trusted_space():
    os.setxattr("agent.py", "trusted.x", b"x")


@trick
def give_a_file_away():
    Path("given").write_bytes(b"")
    os.chown("given", HOST["other id"], HOST["other id"])


def tried(function):
    """Run a trick in a child; return how it ended."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            answer = ["got", str(function())]
        except OSError as error:
            answer = ["errno", errno.errorcode.get(error.errno or 0, str(error)).replace("ENOTSUP", "EOPNOTSUPP")]
        except BaseException as error:  # noqa: BLE001 - told, in a child that ends here
            answer = ["raised", repr(error)]
        os.write(writer, json.dumps(answer).encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        data = file.read()
    _, status = os.waitpid(pid, 0)
    return json.loads(data) if data else ["died", status]


HOST_DESCRIPTORS = [
    (int(name), os.readlink(f"/proc/self/fd/{name}"))
    for name in sorted(os.listdir("/proc/self/fd"), key=int)
    if os.path.lexists(f"/proc/self/fd/{name}")
]
if __name__ == "__main__":
    print(json.dumps({name: tried(function) for name, function in TRICKS.items()}))

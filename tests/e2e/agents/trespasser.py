"""An agent that tries what it must not. Prints one JSON object: attempt → errno name, or what it got.

Arguments: the workspace's neighbour that the view does not show. Every attempt is one function; its name is the key.
"""

import ctypes
import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
ATTEMPTS: dict[str, Callable[[], object]] = {}
OUTSIDE = sys.argv[1]
HOME = os.environ["HOME"]
HERE = os.getcwd()


def attempt(function):
    ATTEMPTS[function.__name__] = function
    return function


def reads(name, path):
    def function():
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")[:200]

    ATTEMPTS[name] = function


def writes(name, path, text="x"):
    def function():
        with open(path, "w") as file:
            return file.write(text)

    ATTEMPTS[name] = function


def calls(name, number, *arguments):
    """A system call by number; ctypes passes it through syscall(2)."""

    def function():
        ctypes.set_errno(0)
        words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
        result = libc.syscall(ctypes.c_long(number), *words)
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    ATTEMPTS[name] = function


# ---- reading secrets
reads("etc_shadow", "/etc/shadow")
reads("etc_shadow_by_dots", f"{HERE}/../../../../../../etc/shadow")
reads("ssh_key", f"{HOME}/.ssh/id_ed25519")
reads("ssh_rsa_key", f"{HOME}/.ssh/id_rsa")
reads("dot_env", ".env")
reads("pem", "server.pem")
reads("nested_dot_env", "sub/.env.production")
reads("link_by_host_to_shadow", "link-to-shadow")
reads("link_by_host_to_env", "link-to-env")
reads("link_by_host_to_key", "link-to-key")
reads("link_by_host_to_outside", "link-to-outside")
reads("hard_link_by_host_to_env", "hard-to-env")
reads("hard_link_by_host_to_key", "hard-to-key")
reads("outside", OUTSIDE)
reads("outside_by_proc_self_root", f"/proc/self/root{OUTSIDE}")
reads("outside_by_proc_self_cwd", f"/proc/self/cwd/../{os.path.basename(OUTSIDE)}")
reads("root_home", "/root/.bashrc")
reads("other_home", "/home/someone/file")
reads("audit_log", os.path.dirname(OUTSIDE) + "/state/gmcp-sandbox/sessions")
reads("proc_kcore", "/proc/kcore")
reads("proc_1_environ", "/proc/1/environ")
reads("proc_1_mem", "/proc/1/mem")
reads("proc_1_maps", "/proc/1/maps")
reads("proc_1_root_shadow", "/proc/1/root/etc/hostname")
reads("proc_1_cwd", "/proc/1/cwd/etc/hostname")


@attempt
def link_by_agent_to_shadow():
    os.symlink("/etc/shadow", "own-link")
    with open("own-link") as file:
        return file.read()


@attempt
def hard_link_by_agent_to_env():
    os.link(".env", "own-hard")
    with open("own-hard") as file:
        return file.read()


@attempt
def hard_link_by_agent_to_shadow():
    os.link("/etc/shadow", "own-shadow")


@attempt
def copy_of_secret():
    done = subprocess.run(["cp", ".env", "copied"], capture_output=True, text=True)
    if "Permission denied" in done.stderr:
        raise PermissionError(errno.EACCES, done.stderr)
    return done


@attempt
def secret_by_rename():
    os.rename(".env", "plain.txt")


@attempt
def secret_directory_renamed_down():
    os.rename("vault/.aws", "vault/plain")


@attempt
def parent_of_secret_renamed_then_read():
    os.rename("vault", "moved")
    with open("moved/.aws/credentials") as file:
        return file.read()


@attempt
def secret_by_exchange():
    open("bait", "w").close()
    ctypes.set_errno(0)
    if libc.renameat2(-100, b".env", -100, b"bait", 2) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@attempt
def directory_renamed_up_to_secret():
    os.mkdir("ordinary")
    os.rename("ordinary", ".aws")


@attempt
def secret_removed():
    os.unlink(".env")


@attempt
def secret_truncated():
    os.truncate(".env", 0)


@attempt
def secret_chmod():
    os.chmod(".env", 0o777)


@attempt
def secret_by_open_by_handle():
    handle = ctypes.create_string_buffer(136)
    ctypes.c_uint.from_buffer(handle).value = 128
    mount = ctypes.c_int()
    if libc.name_to_handle_at(-100, b".env", handle, ctypes.byref(mount), 0) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return "got a handle"


# ---- changing what is not ours
writes("usr_create", "/usr/planted")
writes("usr_write", "/usr/bin/env")
writes("etc_write", "/etc/passwd")
ATTEMPTS["usr_unlink"] = lambda: os.unlink("/usr/bin/env")
ATTEMPTS["usr_rename"] = lambda: os.rename("/usr/bin/env", "/usr/bin/env2")
ATTEMPTS["usr_chmod"] = lambda: os.chmod("/usr/bin/env", 0o777)
ATTEMPTS["usr_mkdir"] = lambda: os.mkdir("/usr/planted.d")
ATTEMPTS["root_mkdir"] = lambda: os.mkdir("/planted")
writes("dev_create", "/dev/planted")
writes("proc_sys", "/proc/sys/kernel/core_pattern")
writes("sysrq", "/proc/sysrq-trigger")

# ---- files that run on the host later
writes("git_hook", ".git/hooks/pre-commit", "#!/bin/sh\n")
writes("envrc", ".envrc")
writes("vscode_tasks", ".vscode/tasks.json")
writes("bashrc_in_workspace", ".bashrc")


@attempt
def git_hook_by_rename():
    with open("hook", "w") as file:
        file.write("#!/bin/sh\n")
    os.rename("hook", ".git/hooks/post-commit")


@attempt
def git_hook_by_link():
    with open("hook2", "w") as file:
        file.write("#!/bin/sh\n")
    os.link("hook2", ".git/hooks/post-merge")


@attempt
def git_hook_by_symlink():
    os.symlink("../../hook3", ".git/hooks/pre-push")


@attempt
def git_hook_by_renamed_directory():
    os.makedirs("staging/h")
    with open("staging/h/pre-commit", "w") as file:
        file.write("#!/bin/sh\n")
    os.rename(".git/hooks", ".git/hooks.old")
    os.rename("staging/h", ".git/hooks")


@attempt
def workflow():
    os.makedirs(".github/workflows", exist_ok=True)
    with open(".github/workflows/ci.yml", "w") as file:
        file.write("on: push\n")


def _git(*words):
    done = subprocess.run(["git", *words], capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(errno.EACCES, done.stderr)
    return done.stdout


ATTEMPTS["git_fsmonitor"] = lambda: _git("config", "core.fsmonitor", "/tmp/run-me")
ATTEMPTS["git_hookspath"] = lambda: _git("config", "core.hooksPath", "/tmp")
ATTEMPTS["git_alias"] = lambda: _git("config", "alias.st", "!touch /tmp/x")
ATTEMPTS["git_sshcommand"] = lambda: _git("config", "core.sshCommand", "/tmp/x")


@attempt
def git_config_by_writing():
    with open(".git/config", "a") as file:
        file.write("[core]\n\tfsmonitor = /tmp/x\n")
        file.flush()


@attempt
def git_config_by_small_writes():
    fd = os.open(".git/config", os.O_WRONLY | os.O_APPEND)
    for byte in b"[core]\npager=/tmp/x\n":
        os.write(fd, bytes([byte]))


@attempt
def git_config_by_rename():
    with open("config.new", "w") as file:
        file.write("[core]\n\tfsmonitor = /tmp/x\n")
    os.rename("config.new", ".git/config")


# ---- running what must not run
@attempt
def exec_in_home():
    with open("/usr/bin/true", "rb") as source, open(f"{HOME}/tool", "wb") as target:
        target.write(source.read())
    os.chmod(f"{HOME}/tool", 0o755)
    subprocess.run([f"{HOME}/tool"], check=True)


@attempt
def exec_in_home_by_loader():
    if not os.path.exists("/lib64/ld-linux-x86-64.so.2"):
        raise PermissionError(errno.EACCES, "another architecture")
    done = subprocess.run(["/lib64/ld-linux-x86-64.so.2", f"{HOME}/tool"], capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(errno.EACCES, done.stderr)


@attempt
def exec_in_shm():
    with open("/usr/bin/true", "rb") as source, open("/dev/shm/tool", "wb") as target:
        target.write(source.read())
    os.chmod("/dev/shm/tool", 0o755)
    subprocess.run(["/dev/shm/tool"], check=True)


@attempt
def map_code_from_home():
    import mmap

    with open(f"{HOME}/tool", "rb") as file:
        mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE).close()


ATTEMPTS["memfd"] = lambda: os.memfd_create("code", 0)


@attempt
def memfd_noexec_exec():
    fd = os.memfd_create("code", 0x8)
    with open("/usr/bin/true", "rb") as source:
        os.write(fd, source.read())
    os.execve(f"/proc/self/fd/{fd}", ["true"], {})


@attempt
def memfd_noexec_chmod():
    os.fchmod(os.memfd_create("code", 0x8), 0o755)


@attempt
def set_id_program():
    with open("suid", "w") as file:
        file.write("#!/bin/sh\n")
    os.chmod("suid", 0o4755)
    if os.stat("suid").st_mode & 0o4000:
        return "it is set-user-ID"
    raise PermissionError(errno.EPERM, "the bit was not set")


# ---- the kernel's doors
calls("ptrace_init", 101, 16, 1, 0, 0)
calls("ptrace_parent", 101, 0x4206, os.getppid(), 0, 0)
calls("mount_tmpfs", 165, b"tmpfs", b"/tmp", b"tmpfs", 0, 0)
calls("mount_remount", 165, b"none", HOME.encode(), 0, 32 | 4096, 0)
calls("umount", 166, b"/proc", 2)
calls("pivot_root", 155, b".", b".")
calls("chroot", 161, b"/tmp")
calls("unshare_user", 272, 0x10000000)
calls("unshare_mount", 272, 0x00020000)
calls("clone3", 435, 0, 0)
calls("setns", 308, 0, 0)
calls("open_tree", 428, -100, b"/", 1)
calls("fsopen", 430, b"tmpfs", 0)
calls("move_mount", 429, -100, b"/", -100, b"/tmp", 0)
calls("bpf", 321, 0, 0, 0)
calls("io_uring", 425, 8, 0)
calls("userfaultfd", 323, 0)
calls("perf", 298, 0, 0, -1, -1, 0)
calls("keyctl", 250, 0, -3, 0)
calls("add_key", 248, b"user", b"x", b"y", 1, -3)
calls("kexec", 246, 0, 0, 0, 0)
calls("init_module", 175, 0, 0, b"")
calls("open_by_handle", 304, -100, 0, 0)
calls("process_vm_readv", 310, 1, 0, 0, 0, 0, 0)
calls("pidfd_getfd", 438, 0, 0, 0)
calls("kcmp", 312, 1, 1, 0, 0, 0)
calls("fanotify", 300, 0, 0)
calls("syslog", 103, 3, 0, 0)
calls("swapon", 167, b"/tmp/x", 0)
calls("reboot", 169, 0, 0, 0, 0)
calls("sethostname", 170, b"x", 1)
calls("settimeofday", 164, 0, 0)
calls("mknod_device", 133, b"device", 0o020666, (1 << 8) | 3)
calls("future_call", 999)


def _ioctl(request):
    _, slave = os.openpty()
    fcntl.ioctl(slave, request, b"x")


ATTEMPTS["tiocsti"] = lambda: _ioctl(0x5412)
ATTEMPTS["tioclinux"] = lambda: _ioctl(0x541C)
ATTEMPTS["raw_socket"] = lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
ATTEMPTS["raw_socket_6"] = lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)
ATTEMPTS["packet_socket"] = lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
ATTEMPTS["vsock"] = lambda: socket.socket(40, socket.SOCK_STREAM, 0)
ATTEMPTS["netfilter"] = lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
ATTEMPTS["internet"] = lambda: socket.create_connection(("192.0.2.1", 80), timeout=3)
ATTEMPTS["setuid_root"] = lambda: os.setuid(12345)


@attempt
def supervisor_fd():
    """Every descriptor that any visible process has: none may be ours."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) not in (os.getpid(), os.getppid()):
            os.listdir(f"/proc/{pid}/fd")
    raise PermissionError(errno.EACCES, "there is nobody else")


@attempt
def kill_init():
    """The kernel delivers it nothing from inside; it must live on, as this program does."""
    os.kill(1, 9)
    os.kill(1, 15)
    if os.path.exists("/proc/1/comm"):
        raise PermissionError(errno.EPERM, "it lives")


@attempt
def loopback_down():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anchor:
        fcntl.ioctl(anchor, 0x8914, b"lo".ljust(16, b"\0") + bytes(24))


def main():
    found = {}
    for name, function in ATTEMPTS.items():
        # The one program that would replace this one runs in a child.
        child_read, child_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(child_read)
            try:
                answer = ["got", str(function())]
            except OSError as error:
                answer = ["errno", errno.errorcode.get(error.errno or 0, str(error))]
            except BaseException as error:  # noqa: BLE001 - told, in a child that ends here
                answer = ["raised", repr(error)]
            os.write(child_write, json.dumps(answer).encode())
            os._exit(0)
        os.close(child_write)
        with os.fdopen(child_read, "rb") as file:
            data = file.read()
        _, status = os.waitpid(pid, 0)
        found[name] = json.loads(data) if data else ["died", status]
    print(json.dumps(found))


main()

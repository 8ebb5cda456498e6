"""The filter in a real launch: each trick fails with its errno, and what programs need still works.

The arguments are chosen so that the kernel itself, without the filter, would answer something else (or let it happen),
wherever an agent without capabilities can tell the difference.
"""

from __future__ import annotations

import errno
import json
import platform
import signal

import pytest

from gmcp_sandbox.calls.numbers import numbers_of
from gmcp_sandbox.calls.refusals import refused_calls
from gmcp_sandbox.proc.filter import LoadFilter
from tests.proc.sandbox_run import on_terminal, read_until, run

PYTHON = "/usr/bin/python3"
pytestmark = [
    pytest.mark.needs("userns", f"program:{PYTHON}"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64"),
]

PRELUDE = """
import ctypes, json, mmap, os, sys
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

def ask(number, *args):
    "Make a system call; return its errno, or None when it succeeds."
    made = _libc.syscall(ctypes.c_long(number), *(ctypes.c_ulong(arg & 2**64 - 1) for arg in args))
    return ctypes.get_errno() if made == -1 else None
"""
HIGH_BIT = 1 << 63
CALLS = {
    # trick: (number, arguments, what the agent sees)
    "trace oneself (PTRACE_TRACEME)": (101, (0, 0, 0, 0), "EPERM"),
    "read another's memory": (310, (1, 0, 0, 0, 0, 0), "EPERM"),
    "write another's memory": (311, (1, 0, 0, 0, 0, 0), "EPERM"),
    "compare kernel objects (kcmp)": (312, (2**31, 2**31, 0, 0, 0), "EPERM"),
    "take another's descriptor": (438, (-1, 0, 0), "EPERM"),
    "load a kernel program (bpf)": (321, (999, 0, 0), "EPERM"),
    "count events (perf_event_open)": (298, (0, 0, -1, -1, 0), "EPERM"),
    "handle page faults (userfaultfd)": (323, (-1,), "EPERM"),
    "io_uring_setup": (425, (1, 0), "ENOSYS"),
    "io_uring_enter": (426, (-1, 0, 0, 0, 0, 0), "ENOSYS"),
    "io_uring_register": (427, (-1, 0, 0, 0), "ENOSYS"),
    "keyctl": (250, (0, -3, 0), "EPERM"),
    "add_key": (248, (0, 0, 0, 0, 0), "EPERM"),
    "request_key": (249, (0, 0, 0, 0), "EPERM"),
    "kexec_load": (246, (0, 0, 0, -1), "EPERM"),
    "kexec_file_load": (320, (-1, -1, 0, 0, 0), "EPERM"),
    "init_module": (175, (0, 0, 0), "EPERM"),
    "finit_module": (313, (-1, 0, 0), "EPERM"),
    "delete_module": (176, (0, 0), "EPERM"),
    "mount": (165, (0, 0, 0, 0, 0), "EPERM"),
    "umount": (166, (0, 0), "EPERM"),
    "open_tree, even of the own root": (428, (-100, "/", 0), "EPERM"),
    "move_mount": (429, (-1, 0, -1, 0, 0), "EPERM"),
    "fsopen": (430, (0, 0), "EPERM"),
    "fsconfig": (431, (-1, 0, 0, 0, 0), "EPERM"),
    "fsmount": (432, (-1, 0, 0), "EPERM"),
    "fspick": (433, (-100, 0, 0), "EPERM"),
    "mount_setattr": (442, (-1, 0, 0, 0, 0), "EPERM"),
    "open_tree_attr": (467, (-100, "/", 0, 0, 0), "EPERM"),
    "pivot_root": (155, (0, 0), "EPERM"),
    "chroot": (161, (0,), "EPERM"),
    "unshare, even nothing": (272, (0,), "EPERM"),
    "setns": (308, (-1, 0), "EPERM"),
    "clone3": (435, (0, 0), "ENOSYS"),
    "secret memory (memfd_secret)": (447, (0,), "ENOSYS"),
    "pages lent to a pipe (vmsplice)": (278, (-1, 0, 0, 0), "ENOSYS"),
    "which pages of a file are in memory (cachestat)": (451, (-1, 0, 0, 0), "ENOSYS"),
    "namespaces by number (listns)": (470, (0, 0, 0, 0), "ENOSYS"),
    "a memory policy (get_mempolicy)": (239, (0, 0, 0, 0, 0), "ENOSYS"),
    "advice about another's memory": (440, (-1, 0, 0, 0, 0), "ENOSYS"),
    "a file by its handle": (304, (-1, 0, 0), "EPERM"),
    "the handle of a file": (303, (-100, "/", 0, 0, 0), "EOPNOTSUPP"),
    "read the kernel's log": (103, (10, 0, 0), "EPERM"),
    "a descriptor table of the own (modify_ldt)": (154, (0, 0, 0), "EPERM"),
    "watch a whole mount (fanotify)": (300, (-1, 0), "EPERM"),
    "memfd that can be run": (319, ("x", 0), "EPERM"),
    "memfd with MFD_EXEC": (319, ("x", 0x10), "EPERM"),
    "memfd with only high bits that look like a seal": (319, ("x", 8 << 32), "EPERM"),
    "TIOCSTI": (16, (0, 0x5412, 0), "EPERM"),
    "TIOCSTI with a high bit": (16, (0, 0x5412 | 1 << 32, 0), "EPERM"),
    "TIOCSTI with the highest bit": (16, (0, 0x5412 | HIGH_BIT, 0), "EPERM"),
    "TIOCLINUX": (16, (0, 0x541C, 0), "EPERM"),
    "TIOCLINUX with a high bit": (16, (0, 0x541C | HIGH_BIT, 0), "EPERM"),
    "AF_PACKET": (41, (17, 3, 0), "EAFNOSUPPORT"),
    "AF_ALG": (41, (38, 5, 0), "EAFNOSUPPORT"),
    "AF_VSOCK": (41, (40, 1, 0), "EAFNOSUPPORT"),
    "AF_XDP": (41, (44, 3, 0), "EAFNOSUPPORT"),
    "AF_BLUETOOTH": (41, (31, 3, 0), "EAFNOSUPPORT"),
    "AF_ALG with a high bit": (41, (38 | HIGH_BIT, 5, 0), "EAFNOSUPPORT"),
    "AF_UNSPEC": (41, (0, 1, 0), "EAFNOSUPPORT"),
    "a family that Linux does not have": (41, (1000, 1, 0), "EAFNOSUPPORT"),
    "netlink for firewalls": (41, (16, 3, 12), "EAFNOSUPPORT"),
    "netlink for devices": (41, (16, 3, 15), "EAFNOSUPPORT"),
    "netlink, generic": (41, (16, 3, 16), "EAFNOSUPPORT"),
    "netlink with a high bit": (41, (16 | HIGH_BIT, 3, 16), "EAFNOSUPPORT"),
    "a pair of AF_TIPC sockets": (53, (30, 1, 0, 0), "EAFNOSUPPORT"),
    "READ_IMPLIES_EXEC": (135, (0x0400000,), "EPERM"),
    "READ_IMPLIES_EXEC with a high bit": (135, (0x0400000 | HIGH_BIT,), "EPERM"),
    "READ_IMPLIES_EXEC beside what is allowed": (135, (0x0440000,), "EPERM"),
    "all personality bits but one": (135, (0xFFFBFFFF,), "EPERM"),
    "32-bit addresses": (135, (8,), "EPERM"),
    # What programs need.
    "TCP": (41, (2, 1, 0), None),
    "UDP over IPv6": (41, (10, 2, 0), None),
    "UNIX": (41, (1, 1, 0), None),
    "netlink ROUTE": (41, (16, 3, 0), None),
    "ask for the personality": (135, (0xFFFFFFFF,), None),
    "ADDR_NO_RANDOMIZE": (135, (0x0040000,), None),
    "the default personality": (135, (0,), None),
    "another ioctl": (16, (0, 0x541B, 0), "EFAULT"),
}
PAST_FILTERS = ("uprobe", "uretprobe")
"""Newer kernels ask no filter about these, and refuse them by themselves but from the kernel's own trampolines."""
CLONE_SIGHAND = 0x800  # without CLONE_VM the kernel's own answer is EINVAL (clone(2))
NEW = {
    "CLONE_NEWNS": 0x00020000,
    "CLONE_NEWCGROUP": 0x02000000,
    "CLONE_NEWUTS": 0x04000000,
    "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
CLONES = {
    **{name: (flag | CLONE_SIGHAND, "EPERM") for name, flag in NEW.items()},
    **{f"{name} with a high bit": (flag | CLONE_SIGHAND | HIGH_BIT, "EPERM") for name, flag in NEW.items()},
    "no new namespace": (CLONE_SIGHAND, "EINVAL"),
}


def inside(body: str) -> str:
    ran = run(PYTHON, "-I", "-c", PRELUDE + body)
    assert ran.code == 0, ran.err
    return str(ran.out)


@pytest.fixture(scope="module")
def answers() -> dict[str, int | None]:
    """What an agent saw that tried everything, in one launch."""
    calls = {name: (number, args) for name, (number, args, _) in CALLS.items()}
    calls |= {f"clone {name}": (56, (flags, 0, 0, 0, 0)) for name, (flags, _) in CLONES.items()}
    body = f"""
kept = []
def pointer(arg):
    if isinstance(arg, int):
        return arg
    kept.append(ctypes.create_string_buffer(arg.encode()))
    return ctypes.addressof(kept[-1])
print(json.dumps({{name: ask(number, *map(pointer, args)) for name, (number, args) in {calls!r}.items()}}))
"""
    found: dict[str, int | None] = json.loads(inside(body))
    return found


def _tricks(table):
    """Mark what is refused; the rest is what programs need."""
    return [
        pytest.param(name, marks=pytest.mark.trick(name, stops=f"seccomp: {row[-1]}") if row[-1] else ())
        for name, row in table.items()
    ]


@pytest.mark.parametrize("trick", _tricks(CALLS))
def test_an_agent_sees(answers: dict[str, int | None], trick: str) -> None:
    expected = CALLS[trick][2]
    assert answers[trick] == (None if expected is None else getattr(errno, expected))


@pytest.mark.parametrize("trick", _tricks(CLONES))
def test_clone(answers: dict[str, int | None], trick: str) -> None:
    assert answers[f"clone {trick}"] == getattr(errno, CLONES[trick][1])


def test_every_refused_system_call_answers_as_the_table_says() -> None:
    known = numbers_of("x86_64")
    expected = {known[name]: getattr(errno, code) for name, code in refused_calls().items() if name not in PAST_FILTERS}
    numbers = sorted(expected)
    body = f"print(json.dumps([ask(number, *[-1] * 6) for number in {numbers}]))"
    assert json.loads(inside(body)) == [expected[number] for number in numbers]
    assert len(numbers) > 90


def test_numbers_without_a_name_are_not_there() -> None:
    numbers = sorted(set(range(1024)) - set(numbers_of("x86_64").values()))
    assert {390, 420, 500} < set(numbers)  # 337 to 423 are a hole in the table
    assert set(json.loads(inside(f"print(json.dumps([ask(number) for number in {numbers}]))"))) == {errno.ENOSYS}


@pytest.mark.parametrize("number", [39, 165, 41])
def test_a_32_bit_call_kills(number: int) -> None:
    """int 0x80 has other numbers: 165 would be getresuid, and 20 getpid."""
    code = bytes([0xB8, *number.to_bytes(4, "little"), 0xCD, 0x80, 0xC3])  # mov eax, number; int 0x80; ret
    body = f"""
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write({code!r})
call = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
print("before", flush=True)
print("after", call())
"""
    ran = run(PYTHON, "-I", "-c", PRELUDE + body)
    assert (ran.code, ran.out) == (-signal.SIGSYS, "before\n")


@pytest.mark.parametrize("number", [39, 41, 165, 520, 521])
def test_an_x32_number_kills(number: int) -> None:
    ran = run(PYTHON, "-I", "-c", PRELUDE + f"print('before', flush=True); ask({number} | 1 << 30); print('after')")
    assert (ran.code, ran.out) == (-signal.SIGSYS, "before\n")


def test_a_thread_and_a_child_of_a_child_are_filtered_alike() -> None:
    body = """
import threading
seen = []
worker = threading.Thread(target=lambda: seen.append(ask(101, 0, 0, 0, 0)))
worker.start()
worker.join()
reader, writer = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.dup2(writer, 1)
        words = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); libc.ptrace(0, 0, 0, 0)"
        os.execv(sys.executable, [sys.executable, "-c", words + "; print(ctypes.get_errno())"])
    os.wait()
    os._exit(0)
os.wait()
print(seen[0], os.read(reader, 10).decode())
"""
    assert inside(body).split() == [str(errno.EPERM)] * 2


def test_nobody_types_into_a_terminal_that_others_read() -> None:
    body = """
import fcntl, termios, tty
tty.setraw(0)
try:
    fcntl.ioctl(0, termios.TIOCSTI, b"x")
    print("typed", end="|", flush=True)
except PermissionError:
    print("refused", end="|", flush=True)
"""
    with on_terminal(PYTHON, "-I", "-c", PRELUDE + body) as (_, master):
        assert read_until(master, b"|") == b"refused|"


def test_sealed_memfds_serve_and_cannot_be_run() -> None:
    body = """
fd = os.memfd_create("x", 0x8 | os.MFD_ALLOW_SEALING)
os.write(fd, b"#!/bin/sh\\necho through\\n")
try:
    os.execve(fd, ["x"], {})
except PermissionError:
    print("refused")
"""
    assert inside(body) == "refused\n"


def test_a_filter_of_the_agents_own_cannot_bring_anything_back() -> None:
    body = """
_libc.prctl(38, 1, 0, 0, 0)
allow = ctypes.create_string_buffer(b"\\x06\\x00\\x00\\x00" + (0x7FFF0000).to_bytes(4, "little"))  # BPF_RET, ALLOW
program = ctypes.create_string_buffer(16)
program[:2] = (1).to_bytes(2, "little")
program[8:16] = ctypes.addressof(allow).to_bytes(8, "little")
print(ask(317, 1, 0, ctypes.addressof(program)), ask(101, 0, 0, 0, 0))
"""
    assert inside(body).split() == ["None", str(errno.EPERM)]


def test_the_step_says_how_much_it_allows() -> None:
    assert LoadFilter().describe() == "load the system-call filter (290 system calls allowed, no others)"
    told = LoadFilter(("execve", "execveat"), debugging=True).describe()
    assert (
        told == "load the system-call filter (294 system calls allowed, debugging among them, 2 announced, no others)"
    )

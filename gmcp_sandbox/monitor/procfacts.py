"""Who a process is: its pid with what tells it from a later process of the same number."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec


class ProcessIdentity(msgspec.Struct, frozen=True):
    """A process of this host, across reboots.

    Attributes:
        pid: In the caller's pid namespace.
        started: Start time in clock ticks since boot (proc_pid_stat(5), field 22).
        boot: The kernel's boot id.
    """

    pid: int
    started: int
    boot: str

    def is_alive(self) -> bool:
        """True while this very process exists and is no zombie."""
        return self.boot == boot_id() and _start_time(self.pid) == self.started


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a running process, or None when there is none."""
    started = _start_time(pid)
    return None if started is None else ProcessIdentity(pid, started, boot_id())


@functools.cache
def boot_id() -> str:
    """Return the id that the kernel chose at boot; empty where /proc does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _start_time(pid: int) -> int | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = line[line.rindex(b")") + 2 :].split()  # the name may hold spaces and brackets
    return None if fields[0] in (b"Z", b"X") else int(fields[19])

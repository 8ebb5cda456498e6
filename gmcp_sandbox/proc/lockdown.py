"""What the supervisor gives up once a session is set up, before it serves the first request of the agent.

It reads hostile bytes all day, so what it can still do is what a fault in it would be worth. Afterwards it
- runs no program, traces nothing, changes neither kernel nor mounts and enters no namespace, in any thread;
- has, as root, those capabilities only that stand for other users' files and processes (`KEPT`);
- leaves no core, and shows its memory to nobody but root (PR_SET_DUMPABLE, prctl(2)).

What stays: it opens the files of the view and dials hosts, because that is its work.
"""

from __future__ import annotations

import errno
import os
import resource

import prctl

from gmcp_sandbox import kernel
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.proc import bpf
from gmcp_sandbox.proc.confine import hide_process, last_capability
from gmcp_sandbox.proc.plan import naming

KEPT = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SYS_PTRACE",
)
"""Files of any owner are opened, made and given away; processes of the sandbox are looked at and ended."""
REFUSED = """
    acct add_key adjtimex bpf chroot clock_adjtime clock_settime delete_module execve execveat fanotify_init
    finit_module fsconfig fsmount fsopen fspick init_module ioperm iopl kcmp kexec_file_load kexec_load keyctl
    lookup_dcookie mount mount_setattr move_mount nfsservctl open_by_handle_at open_tree perf_event_open
    personality pivot_root process_vm_writev ptrace quotactl quotactl_fd reboot request_key sethostname
    setdomainname setns settimeofday swapoff swapon syslog umount2 unshare userfaultfd uselib vhangup
"""
"""System calls that neither serving nor ending a session needs."""


def lock_down() -> None:
    """Give all of it up. Call it while there is one thread: capabilities belong to each (capabilities(7)).

    Raises:
        HostError: The kernel refused, or another thread runs already.
    """
    if len(os.listdir("/proc/self/task")) != 1:
        raise HostError("the supervisor cannot give up its rights: another thread runs", hint="please report this")
    with naming("give up what the supervisor does not need"):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _keep_capabilities()
        prctl.set_no_new_privs(1)
        hide_process()
        _refuse()


def _keep_capabilities() -> None:
    if os.geteuid() == 0:
        kept = {getattr(prctl, "CAP_" + name) for name in KEPT}
        for number in set(range(last_capability() + 1)) - kept:
            prctl.capbset_drop(number)
        kernel.keep_capabilities(kept)


def _refuse() -> None:
    answers = dict.fromkeys(REFUSED.split(), bpf.always(bpf.ERROR | errno.EPERM))
    bpf.load(bpf.compiled(answers, bpf.ALLOW), bpf.TSYNC)

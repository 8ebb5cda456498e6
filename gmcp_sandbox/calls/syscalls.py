"""Every system call of x86_64, by family: pure data.

Names are libseccomp's. The list reaches beyond the libseccomp that is installed (2.5.4 knows 368 of them), so that a
newer one finds its additions here; `tests/calls/test_mediation.py` fails when one is missing. A system call that this
table does not name does not pass: the filter allows nothing else.
"""

from __future__ import annotations

from gmcp_sandbox.calls.fates import Family, Fate, Origin
from gmcp_sandbox.calls.tools import Tool


def _family(name: str, fate: Fate, reason: str, members: str, *tools: Tool, errno: str | None = None) -> Family:
    return Family(Origin.SYSCALL, name, fate, reason, tuple(members.split()), tools, errno)


_JUDGED: tuple[Family, ...] = (
    _family(
        "open",
        Fate.JUDGED,
        "LOOKUP of every component, then OPEN or CREATE with the access that is asked for",
        "open openat openat2 creat",
        Tool.FS_STAT,
        Tool.FS_READ,
        Tool.FS_WRITE,
        Tool.FS_CREATE,
        Tool.FS_LIST,
    ),
    _family(
        "attributes",
        Fate.JUDGED,
        "LOOKUP, GETATTR, ACCESS, READLINK",
        "stat lstat fstat newfstatat statx access faccessat faccessat2 readlink readlinkat statfs fstatfs",
        Tool.FS_STAT,
    ),
    _family(
        "extended attributes",
        Fate.JUDGED,
        "GETXATTR and LISTXATTR look, SETXATTR and REMOVEXATTR change",
        "getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr flistxattr listxattrat setxattr lsetxattr "
        "fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat",
        Tool.FS_STAT,
        Tool.FS_SETATTR,
    ),
    _family("list", Fate.JUDGED, "READDIRPLUS under the grant of OPENDIR", "getdents getdents64", Tool.FS_LIST),
    _family(
        "read",
        Fate.JUDGED,
        "READ under the grant of its OPEN; pages that the kernel keeps are covered by that grant",
        "read pread64 readv preadv preadv2 readahead",
        Tool.FS_READ,
    ),
    _family(
        "write",
        Fate.JUDGED,
        "WRITE; fallocate is answered EOPNOTSUPP",
        "write pwrite64 writev pwritev pwritev2 truncate ftruncate fallocate",
        Tool.FS_WRITE,
    ),
    _family(
        "copy",
        Fate.JUDGED,
        "READ of one and WRITE of the other, wherever they lie in the FUSE root",
        "sendfile splice tee copy_file_range io_submit",
        Tool.FS_READ,
        Tool.FS_WRITE,
    ),
    _family(
        "map",
        Fate.JUDGED,
        "page faults READ under the grant of the OPEN, and dirty pages are WRITE; code only from executable mounts",
        "mmap msync",
        Tool.FS_READ,
        Tool.FS_WRITE,
    ),
    _family(
        "create",
        Fate.JUDGED,
        "MKDIR, MKNOD, SYMLINK, LINK; device nodes are refused",
        "mkdir mkdirat mknod mknodat symlink symlinkat link linkat",
        Tool.FS_CREATE,
    ),
    _family("delete", Fate.JUDGED, "UNLINK, RMDIR", "unlink unlinkat rmdir", Tool.FS_DELETE),
    _family("rename", Fate.JUDGED, "RENAME", "rename renameat renameat2", Tool.FS_RENAME),
    _family(
        "change attributes",
        Fate.JUDGED,
        "SETATTR",
        "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat",
        Tool.FS_SETATTR,
    ),
    _family(
        "run",
        Fate.JUDGED,
        "announced with its words (seccomp notification), judged with the file at the OPEN with the exec flag, only on "
        "executable mounts; other words than the judged ones before the first instruction kill the process",
        "execve execveat",
        Tool.PROC_EXEC,
    ),
    _family("working directory", Fate.JUDGED, "LOOKUP; what is done there is judged", "chdir fchdir", Tool.FS_STAT),
    _family(
        "synchronise",
        Fate.COVERED,
        "FSYNC and FLUSH of what was judged when it was written",
        "fsync fdatasync sync syncfs sync_file_range fadvise64",
    ),
    _family(
        "exchange packets",
        Fate.JUDGED,
        "packets to loopback stay inside, all others meet the network device; see the packet classes",
        "connect sendto sendmsg sendmmsg",
        Tool.NET_CONNECT,
        Tool.NET_SEND,
        Tool.DNS_RESOLVE,
        Tool.TLS_HELLO,
        Tool.HTTP_REQUEST,
    ),
)

_OWN: tuple[Family, ...] = (
    _family(
        "memory",
        Fate.OWN,
        "the caller's own address space",
        "mprotect munmap brk mremap mincore madvise mlock mlock2 munlock mlockall munlockall "
        "pkey_mprotect pkey_alloc pkey_free membarrier map_shadow_stack mseal",
    ),
    _family(
        "processes",
        Fate.OWN,
        "processes of the own pid namespace; pid 1 of it cannot be signalled to death from inside",
        "fork vfork exit exit_group wait4 waitid kill tkill tgkill pidfd_open pidfd_send_signal getpid getppid gettid "
        "getpgid getpgrp setpgid getsid setsid pause set_tid_address restart_syscall rseq "
        "set_robust_list get_robust_list arch_prctl prctl getcpu",
    ),
    _family(
        "signals",
        Fate.OWN,
        "signals among the agent's own processes",
        "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo "
        "rt_sigsuspend sigaltstack",
    ),
    _family(
        "scheduling and limits",
        Fate.OWN,
        "without capabilities, priorities and limits can only be lowered",
        "sched_yield sched_setparam sched_getparam sched_setscheduler sched_getscheduler sched_get_priority_max "
        "sched_get_priority_min sched_rr_get_interval sched_setaffinity sched_getaffinity sched_setattr sched_getattr "
        "getpriority setpriority ioprio_set ioprio_get getrlimit setrlimit prlimit64 getrusage times",
    ),
    _family(
        "ids and capabilities",
        Fate.OWN,
        "no capabilities, one id, no_new_privs: there is nothing to change to",
        "getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid "
        "setresgid setgroups setfsuid setfsgid capget capset umask",
    ),
    _family(
        "restrict oneself",
        Fate.OWN,
        "a filter or ruleset of its own only takes more away",
        "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
    ),
    _family(
        "time",
        Fate.OWN,
        "reads clocks and waits",
        "gettimeofday time clock_gettime clock_getres nanosleep clock_nanosleep alarm getitimer setitimer timer_create "
        "timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime",
    ),
    _family(
        "synchronisation",
        Fate.OWN,
        "futexes of the own memory",
        "futex futex_waitv futex_wake futex_wait futex_requeue",
    ),
    _family("random", Fate.OWN, "random bytes", "getrandom"),
    _family(
        "host facts",
        Fate.KERNEL,
        "name, memory and load of the machine, and the own mount namespace, as the kernel shows them to anybody",
        "uname sysinfo statmount listmount",
    ),
)

_KERNEL: tuple[Family, ...] = (
    _family(
        "descriptors",
        Fate.KERNEL,
        "descriptors of the agent; RELEASE and locks of open files are covered by the open's grant",
        "close close_range dup dup2 dup3 fcntl flock lseek getcwd",
    ),
    _family(
        "pipes and events",
        Fate.KERNEL,
        "objects without a name outside of the agent",
        "pipe pipe2 eventfd eventfd2 signalfd signalfd4 poll ppoll select pselect6 epoll_create epoll_create1 "
        "epoll_ctl epoll_wait epoll_pwait epoll_pwait2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch",
    ),
    _family(
        "asynchronous input and output",
        Fate.KERNEL,
        "a queue; what is submitted to it is judged as read and write",
        "io_setup io_destroy io_getevents io_pgetevents io_cancel",
    ),
    _family(
        "System V and POSIX queues",
        Fate.KERNEL,
        "objects of the own ipc namespace",
        "shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink "
        "mq_timedsend mq_timedreceive mq_notify mq_getsetattr",
    ),
    _family(
        "sockets in use",
        Fate.KERNEL,
        "on sockets of the allowed families, inside of the own network namespace",
        "accept accept4 recvfrom recvmsg recvmmsg shutdown bind listen getsockname getpeername setsockopt getsockopt",
    ),
)

_ARGUMENT: tuple[Family, ...] = (
    _family(
        "sockets",
        Fate.ARGUMENT,
        "UNIX, INET, INET6 and NETLINK ROUTE are KERNEL; other families are unused surface, or reach past the device; "
        "raw and packet sockets are EPERM",
        "socket socketpair",
        errno="EAFNOSUPPORT",
    ),
    _family(
        "clone",
        Fate.ARGUMENT,
        "threads and processes are OWN; a new namespace would bring capabilities",
        "clone",
        errno="EPERM",
    ),
    _family(
        "ioctl",
        Fate.ARGUMENT,
        "TIOCSTI and TIOCLINUX type into a terminal that others read; others are KERNEL, and ENOTTY on the FUSE root",
        "ioctl",
        errno="EPERM",
    ),
    _family(
        "personality",
        Fate.ARGUMENT,
        "asking, the default, and ADDR_NO_RANDOMIZE (debuggers) are OWN; others weaken memory protection",
        "personality",
        errno="EPERM",
    ),
    _family(
        "memfd",
        Fate.ARGUMENT,
        "KERNEL with MFD_NOEXEC_SEAL; without it the file could be run (its kernel default depends on a sysctl that "
        "the filter cannot see), unjudged. Programs fall back to files in /tmp or /dev/shm",
        "memfd_create",
        errno="EPERM",
    ),
)


def _refused(name: str, errno: str, reason: str, members: str) -> Family:
    return _family(name, Fate.REFUSED, reason, members, errno=errno)


_REFUSED: tuple[Family, ...] = (
    _refused(
        "mounts",
        "EPERM",
        "the view is fixed once the agent runs",
        "mount umount2 move_mount open_tree open_tree_attr fsopen fsmount fsconfig fspick mount_setattr pivot_root "
        "chroot",
    ),
    _refused("namespaces", "EPERM", "a new namespace would bring capabilities over it", "unshare setns"),
    _refused(
        "clone3",
        "ENOSYS",
        "its flags lie in memory, where a filter cannot read them; libc then uses clone",
        "clone3",
    ),
    _refused(
        "other processes' memory and descriptors",
        "EPERM",
        "a process of the agent must not act in the name of another one; `ptrace = true` in a profile allows debuggers",
        "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd",
    ),
    _refused(
        "io_uring", "ENOSYS", "its operations pass no seccomp filter", "io_uring_setup io_uring_enter io_uring_register"
    ),
    _refused(
        "kernel programs and probes",
        "EPERM",
        "code and hooks in the kernel",
        "bpf perf_event_open userfaultfd uprobe uretprobe",
    ),
    _refused("keyrings", "EPERM", "keys of the user outside", "add_key request_key keyctl"),
    _refused(
        "kernel image and modules",
        "EPERM",
        "changes the kernel",
        "kexec_load kexec_file_load init_module finit_module delete_module",
    ),
    _refused(
        "file handles",
        "EPERM",
        "opens an object by number, past its path and label",
        "open_by_handle_at",
    ),
    _refused("file handle names", "EOPNOTSUPP", "what a file system without handles answers", "name_to_handle_at"),
    _refused(
        "machine",
        "EPERM",
        "changes the machine: clock, name, power, ports, accounting, swap, quota, terminals",
        "reboot settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname iopl ioperm modify_ldt "
        "acct swapon swapoff quotactl quotactl_fd vhangup",
    ),
    _refused("kernel log", "EPERM", "tells addresses and events of the host", "syslog"),
    _refused("file system events", "EPERM", "watches whole mounts", "fanotify_init fanotify_mark"),
    _refused(
        "obsolete",
        "ENOSYS",
        "gone from Linux, or never there on x86_64",
        "_sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms get_thread_area getpmsg "
        "lookup_dcookie nfsservctl putpmsg query_module security set_thread_area tuxcall uselib vserver",
    ),
    _refused(
        "outlived",
        "ENOSYS",
        "replaced long ago (mmap, statfs, /proc/filesystems), and asked for by no program of today",
        "remap_file_pages ustat sysfs",
    ),
    _refused(
        "memory of large machines",
        "ENOSYS",
        "where pages lie among the nodes of a machine; programs are prepared for a kernel without nodes",
        "mbind set_mempolicy get_mempolicy set_mempolicy_home_node migrate_pages move_pages",
    ),
    _refused(
        "memory out of sight",
        "ENOSYS",
        "memory that no other process can read, and the exec gate has to read the words of a start",
        "memfd_secret",
    ),
    _refused(
        "pages lent to a pipe",
        "ENOSYS",
        "what is in the pipe still changes with the memory it came from; a write copies it",
        "vmsplice",
    ),
    _refused(
        "advice about others' memory",
        "ENOSYS",
        "acts on other processes; on its own memory a program has madvise",
        "process_madvise process_mrelease",
    ),
    _refused("page cache", "ENOSYS", "tells which files of the host were used lately", "cachestat"),
    _refused(
        "flags of inodes",
        "ENOSYS",
        "immutable, append-only and the like, which the view does not have",
        "file_getattr file_setattr",
    ),
    _refused(
        "security modules",
        "ENOSYS",
        "the domain that a security module of the host has put the process in; nothing inside is to see or change it",
        "lsm_get_self_attr lsm_set_self_attr lsm_list_modules",
    ),
    _refused(
        "lists of namespaces",
        "ENOSYS",
        "namespaces by their number; nothing inside of one namespace needs them",
        "listns",
    ),
    _refused("longer turns", "ENOSYS", "asks for more of the processor than its turn", "rseq_slice_yield"),
    _refused("all others", "ENOSYS", "what no family names is never allowed: nobody has looked at it yet", ""),
)

DEBUGGING = ("ptrace", "process_vm_readv", "process_vm_writev", "kcmp")
"""Refused ones that a debugger of the agent's own processes needs: allowed where the profile says `ptrace = true`."""

SYSCALLS: tuple[Family, ...] = (*_JUDGED, *_OWN, *_KERNEL, *_ARGUMENT, *_REFUSED)

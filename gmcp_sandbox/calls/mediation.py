"""The mediation table: every kernel request an agent can make, and what becomes of it. Pure data.

`gmcp-sandbox tools` prints it. A test holds it against what pyfuse3 and libseccomp really offer, so that an operation
or a system call which is new there cannot go unnoticed; the seccomp filter is made from it, and allows nothing else.

Invariant: no member stands in two families of one origin.
"""

from __future__ import annotations

import msgspec

from gmcp_sandbox.calls.fates import Family, Fate, Origin
from gmcp_sandbox.calls.syscalls import SYSCALLS
from gmcp_sandbox.calls.tools import Tool

__all__ = [
    "FUSE",
    "PACKETS",
    "SYSCALLS",
    "TABLE",
    "TREES",
    "Row",
    "fate_of",
    "rows",
]


def _fuse(name: str, fate: Fate, reason: str, members: str, *tools: Tool) -> Family:
    return Family(Origin.FUSE, name, fate, reason, tuple(members.split()), tools)


FUSE: tuple[Family, ...] = (
    _fuse(
        "look",
        Fate.JUDGED,
        "attributes, existence, where a link leads; what the view fixes, and xattrs outside of user.*, answer uncalled",
        "lookup getattr access readlink getxattr listxattr",
        Tool.FS_STAT,
    ),
    _fuse(
        "list",
        Fate.JUDGED,
        "each page of names is a call, with the attributes of what is labelled no higher",
        "opendir readdir",
        Tool.FS_LIST,
    ),
    _fuse(
        "open",
        Fate.JUDGED,
        "by the access that is asked for; with the exec flag it runs a program",
        "open",
        Tool.FS_READ,
        Tool.FS_WRITE,
        Tool.PROC_EXEC,
    ),
    _fuse("read", Fate.JUDGED, "bytes are delivered as they were judged", "read", Tool.FS_READ),
    _fuse("write", Fate.JUDGED, "bytes are judged before they are written", "write", Tool.FS_WRITE),
    _fuse(
        "create",
        Fate.JUDGED,
        "device nodes are refused; over a name that the view fixes EEXIST, between mounts EXDEV, uncalled",
        "create mknod mkdir symlink link",
        Tool.FS_CREATE,
        Tool.FS_WRITE,
    ),
    _fuse(
        "delete", Fate.JUDGED, "of a name; one that the view fixes is EBUSY, uncalled", "unlink rmdir", Tool.FS_DELETE
    ),
    _fuse(
        "rename",
        Fate.JUDGED,
        "both paths are judged; names that the view fixes are EBUSY, moves between mounts EXDEV, uncalled",
        "rename",
        Tool.FS_RENAME,
    ),
    _fuse(
        "change attributes",
        Fate.JUDGED,
        "each attribute is a call; a new length is a write",
        "setattr setxattr removexattr",
        Tool.FS_SETATTR,
        Tool.FS_WRITE,
    ),
    _fuse(
        "finish",
        Fate.COVERED,
        "ends or stores what was judged when it was opened and written",
        "flush fsync fsyncdir release releasedir forget",
    ),
    _fuse("free space", Fate.OWN, "numbers without a name in them", "statfs"),
    _fuse("poll", Fate.OWN, "unimplemented: the kernel then says that regular files are always ready", "poll"),
    _fuse(
        "protocol",
        Fate.OWN,
        "between the kernel, pyfuse3 and the supervisor; no agent can ask for it",
        "init stacktrace supports_dot_lookup enable_writeback_cache enable_acl",
    ),
)


def _packet(name: str, fate: Fate, reason: str, *tools: Tool, errno: str | None = None) -> Family:
    return Family(Origin.PACKET, name, fate, reason, (name,), tools, errno)


PACKETS: tuple[Family, ...] = (
    _packet("loopback", Fate.KERNEL, "stays in the agent's own network namespace, which is all there is without [net]"),
    _packet(
        "TCP SYN",
        Fate.JUDGED,
        "judged, dialled, then let in; a denial is a reset or ICMP at once",
        Tool.NET_CONNECT,
    ),
    _packet(
        "TCP other",
        Fate.COVERED,
        "of a connection that was let in; without one the gateway's kernel, which has no way out, resets it",
    ),
    _packet("UDP", Fate.JUDGED, "the first datagram of a flow; QUIC and multicast are refused", Tool.NET_SEND),
    _packet("ICMP echo", Fate.JUDGED, "each; answered when the host's answer came", Tool.NET_SEND),
    _packet(
        "DNS question",
        Fate.JUDGED,
        "port 53 of any address, UDP and TCP; answered with fake addresses",
        Tool.DNS_RESOLVE,
    ),
    _packet(
        "TLS ClientHello",
        Fate.JUDGED,
        "the first bytes of a flow, at any port; what is neither TLS nor HTTP needs the right to raw bytes",
        Tool.TLS_HELLO,
        Tool.NET_CONNECT,
    ),
    _packet(
        "HTTP request",
        Fate.JUDGED,
        "each request of a flow that is plain or was opened; malformed ones are refused",
        Tool.HTTP_REQUEST,
        Tool.NET_CONNECT,
    ),
    _packet(
        "fragment, IP options, other source, other protocol",
        Fate.REFUSED,
        "dropped or reset; each kind and destination is recorded once as a denied net.send, later ones are counted",
        errno="ECONNREFUSED",
    ),
    _packet(
        "link housekeeping", Fate.REFUSED, "group memberships and neighbours of the agent's kernel: counted", errno="–"
    ),
)


def _tree(path: str, reason: str) -> Family:
    return Family(Origin.TREE, path, Fate.KERNEL, reason, (path,))


TREES: tuple[Family, ...] = (
    Family(
        Origin.TREE,
        "/",
        Fate.JUDGED,
        "the FUSE root: everything that is not named below",
        ("/",),
        tuple(tool for tool in Tool if tool.startswith("fs.") or tool is Tool.PROC_EXEC),
    ),
    _tree(
        "/proc",
        "of the own pid namespace, read-only without `ptrace = true`; sys, irq, bus, fs, pressure, sysrq-trigger "
        "always; kcore, keys, kallsyms, timer_list, cmdline, interrupts, config.gz, sched_debug masked",
    ),
    _tree("/dev", "null, zero, full, random, urandom and tty: nodes without memory of what is written to them"),
    _tree("/dev/pts", "terminals of a private instance"),
    _tree("/dev/shm", "a bounded tmpfs of the session, noexec"),
)

TABLE: tuple[Family, ...] = (*FUSE, *PACKETS, *SYSCALLS, *TREES)

_FATES: dict[tuple[Origin, str], Family] = {
    (family.origin, member): family for family in TABLE for member in family.members
}


def fate_of(origin: Origin, member: str) -> Family | None:
    """Return the family that names a request, or None when the table does not know it."""
    return _FATES.get((origin, member))


class Row(msgspec.Struct, frozen=True):
    """One line of the printed table."""

    origin: str
    family: str
    fate: str
    becomes: str
    reason: str
    members: tuple[str, ...]


def rows() -> tuple[Row, ...]:
    """Return the table for printing, one row a family, in its order."""
    return tuple(
        Row(
            family.origin.value,
            family.name,
            family.fate.value,
            ", ".join(family.tools) or family.errno or "–",
            family.reason,
            family.members,
        )
        for family in TABLE
    )

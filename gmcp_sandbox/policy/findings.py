"""What a valid profile may still get wrong: grants that give more than their author probably meant.

Guarantees: the shipped profiles have no findings. A finding is advice; none changes what the profile does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.profile import Caching, MountMode, Profile

_CHANGING = frozenset({Tool.FS_WRITE, Tool.FS_CREATE, Tool.FS_DELETE, Tool.FS_RENAME, Tool.FS_SETATTR})
_TELLING = re.compile(r"TOKEN|SECRET|PASS|CREDENTIAL|API_?KEY|PRIVATE|_KEY$|^AWS_|^AZURE_|^GOOGLE_|^GITHUB_|^SSH_")


class Finding(msgspec.Struct, frozen=True):
    """One remark: where, what it means, and what to do."""

    key: str
    text: str
    hint: str = ""


def findings_of(profile: Profile, home: str) -> list[Finding]:
    """Return what deserves a second look, in the order of the file's parts."""
    return [finding for look in _LOOKS for finding in look(profile, home)]


def _mounts(profile: Profile, home: str) -> Iterator[Finding]:
    for mount in profile.mounts:
        is_writable = mount.mode is MountMode.RW
        if is_writable and mount.label.name in ("system", "private", "secret", "watched"):
            yield Finding("mounts", f"{mount.path} is {mount.label.name} and read-write", 'use mode = "ro"')
        if is_writable and mount.caching is Caching.SENSITIVE:
            yield Finding("mounts", f"{mount.path}: SQLite's WAL fails in a writable sensitive tree")
        if is_writable and mount.label.name in profile.every_read:
            yield Finding(
                "mediation", f"SQLite's WAL fails in {mount.path}: every read of {mount.label.name} is a call"
            )
        if mount.source is not None and (home == mount.source or home.startswith(mount.source.rstrip("/") + "/")):
            yield Finding("mounts", f"{mount.path} shows the whole home directory", "list home.files instead")


def _grants(profile: Profile, _home: str) -> Iterator[Finding]:
    for index, capability in enumerate(profile.capabilities):
        tools, labels = set(capability.tools), set(capability.labels)
        key = f"capabilities[{index}]"
        if Tool.FS_READ in tools and "secret" in labels:
            yield Finding(key, "credentials can be read", "name the files in `objects`, or drop the label secret")
        if tools & _CHANGING and labels & {"system", "private", "secret"}:
            yield Finding(key, "files of the host or the user can be changed")
        if tools & _CHANGING and "watched" in labels and capability.objects is None:
            yield Finding(key, "files that run on the host later can be changed", "name them in `objects`")
        if Tool.PROC_EXEC in tools and labels & {"secret", "private"}:
            yield Finding(key, "private files can run as programs")


def _exec_right(profile: Profile, _home: str) -> Iterator[Finding]:
    granted = {
        label
        for one in profile.capabilities
        if Tool.PROC_EXEC in one.tools
        for label in one.labels
        if label != "watched"
    }
    running = {mount.label.name for mount in profile.mounts if mount.executable}
    for label in sorted(granted - running):
        yield Finding("capabilities", f"proc.exec is granted on {label}, but no tree of that label has `exec`")
    for label in sorted(running - granted):
        yield Finding("mounts", f"trees labelled {label} have `exec`, but proc.exec is not granted on it")


def _environment(profile: Profile, _home: str) -> Iterator[Finding]:
    for name in profile.environment.allow:
        if _TELLING.search(name):
            yield Finding("environment.allow", f"{name} may carry a credential", "pass what the agent needs by a file")


def _leaks(profile: Profile, _home: str) -> Iterator[Finding]:
    may_leave = profile.net is not None or profile.mcp is not None
    reads_secrets = any(Tool.FS_READ in one.tools and "secret" in one.labels for one in profile.capabilities)
    is_ruled = any(rule.taint and "secret" in rule.taint for rule in profile.rules)
    if may_leave and reads_secrets and not is_ruled:
        yield Finding("rules", "secrets can be read and hosts reached, and no rule on taint stands between")


def _network(profile: Profile, _home: str) -> Iterator[Finding]:
    if profile.net is None:
        return
    for index, rule in enumerate(profile.net.allow):
        key = f"net.allow[{index}]"
        stars = [host for host in rule.hosts if "*" in host]
        if stars and rule.addresses:
            text = f"whoever owns a name that {stars[0]} covers can point it at {', '.join(rule.addresses)}"
            yield Finding(key, text, "name the hosts of `addresses` in full")
        if "*" in rule.hosts and rule.raw:
            yield Finding(key, "anything may be sent to any host", "name the hosts of `raw = true`")
        if any(text.startswith(("127.", "::1")) for text in rule.addresses):
            yield Finding(key, "the host's loopback can be reached by a name", "use [[net.services]]")
    if profile.net.proxy_resolves:
        yield Finding("net.proxy_resolves", "the proxy alone decides which address a name leads to")


def _servers(profile: Profile, _home: str) -> Iterator[Finding]:
    for server in () if profile.mcp is None else profile.mcp.servers:
        key = f"mcp.servers.{server.name}"
        if server.where == "host" and server.command:
            yield Finding(key, "runs on the host with all your rights", 'leave `where = "host"` out')
        if "*" in server.flows_to and len(profile.mcp.servers if profile.mcp else ()) > 2:
            yield Finding(key, "what it returns may go to every other server", "name them in `flows_to`")
        if server.sampling and server.elicitation:
            yield Finding(key, "it may ask the model and the user", "grant what it needs")


def _rates(profile: Profile, _home: str) -> Iterator[Finding]:
    if not any(Tool.PROC_EXEC in rate.tools for rate in profile.rates):
        yield Finding("rates", "programs start without a rate")


_LOOKS: tuple[Callable[[Profile, str], Iterator[Finding]], ...] = (
    _mounts,
    _grants,
    _exec_right,
    _environment,
    _leaks,
    _network,
    _servers,
    _rates,
)

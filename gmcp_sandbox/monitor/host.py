"""What this host can enforce, found out and not assumed.

Each finding has a name that a profile may demand in `host_floor`. A finding that is `missing` and required means that
`exec` cannot work; `degraded` means that it works with less, and says what is less.

The facts go into the genesis record of every session. Leaves to others: printing (`doctor`).
"""

from __future__ import annotations

import enum
import importlib.util
import os
import platform
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gmcp_sandbox.errors import HostError, ProfileError
from gmcp_sandbox.monitor.cgroupfs import CONTROLLERS, find_places
from gmcp_sandbox.monitor.semantics import model_directory
from gmcp_sandbox.monitor.trial import Trial, try_launch
from gmcp_sandbox.policy.profile import Profile
from gmcp_sandbox.probe.manifest import read_manifest, read_part

OLDEST_KERNEL = (5, 11)
"""Everything that the shells use is there: openat2 and close_range, seccomp notification, FUSE in user namespaces."""
FASTEST_PYTHON = (3, 13)
_ENOUGH_FILES = 4096
_LITTLE_SPACE = 1 << 30
_NO_SPACE = 64 << 20


class Status(enum.StrEnum):
    """How a facility stands."""

    OK = "ok"
    DEGRADED = "degraded"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One facility.

    Attributes:
        name: Stable word.
        what: What was found, one clause.
        fix: What would better it; empty when nothing is to do.
        is_required: Whether `exec` needs it.
    """

    name: str
    status: Status
    what: str
    fix: str = ""
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class HostFacts:
    """All findings, in the order in which a launch needs them."""

    findings: tuple[Finding, ...]

    @property
    def can_run(self) -> bool:
        """True when nothing that `exec` needs is missing."""
        return not any(each.is_required and each.status is Status.MISSING for each in self.findings)

    def as_record(self) -> dict[str, str]:
        """Return name → `status: what` for the genesis record."""
        return {each.name: f"{each.status}: {each.what}" for each in self.findings}

    def find(self, name: str) -> Finding | None:
        """Return the finding of this name."""
        return next((each for each in self.findings if each.name == name), None)


def survey(state_directory: Path) -> HostFacts:
    """Look at the host; `state_directory` is where sessions are recorded (it need not exist)."""
    return HostFacts(tuple(_findings(state_directory)))


def check_floor(profile: Profile, facts: HostFacts) -> None:
    """Refuse a host that does not give what the profile demands.

    Raises:
        ProfileError: The profile demands something that nobody can look for.
        HostError: The host lacks a demanded facility, or has it degraded.
    """
    for name in profile.host_floor:
        finding = facts.find(name)
        if finding is None:
            known = ", ".join(each.name for each in facts.findings)
            raise ProfileError(f"host_floor names an unknown facility: {name!r}", hint=f"one of: {known}")
        if finding.status is not Status.OK:
            raise HostError(
                f"profile {profile.name!r} demands {name}, which is {finding.status} here",
                cause=finding.what,
                hint=finding.fix or "gmcp-sandbox doctor",
            )


def _findings(state_directory: Path) -> Iterator[Finding]:
    trial = try_launch()
    yield _kernel(platform.release())
    yield _python(sys.version_info[:3])
    yield _user_namespaces(trial)
    yield _proc(trial)
    yield _fuse(trial)
    yield _tun()
    yield from _seccomp(_read("/proc/sys/kernel/seccomp/actions_avail"))
    yield _landlock(_read("/sys/kernel/security/lsm"))
    yield _cgroups({name: place.version for name, place in find_places().items()})
    yield _state_space(state_directory)
    yield _open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    yield _probe_model(model_directory())


def _kernel(release: str) -> Finding:
    what = f"Linux {release} on {platform.machine()}"
    numbers = release.split("-")[0].split(".")[:2]
    version = tuple(int(number) for number in numbers if number.isdigit())
    wanted = ".".join(map(str, OLDEST_KERNEL))
    if version < OLDEST_KERNEL:
        return Finding("kernel", Status.MISSING, what, f"a kernel of version {wanted} or newer", True)
    if platform.machine() not in ("x86_64", "aarch64"):
        return Finding("kernel", Status.MISSING, what, "a machine of type x86_64 or aarch64", True)
    return Finding("kernel", Status.OK, what, is_required=True)


def _python(version: tuple[int, ...]) -> Finding:
    what = "Python " + ".".join(map(str, version))
    if version < FASTEST_PYTHON:
        wanted = ".".join(map(str, FASTEST_PYTHON))
        return Finding("python", Status.DEGRADED, f"{what}: serves requests slower", f"Python {wanted} or newer")
    return Finding("python", Status.OK, what)


def _user_namespaces(trial: Trial) -> Finding:
    name = "user_namespaces"
    if trial.passed("id map") and trial.failed != "nested user namespace":
        return Finding(name, Status.OK, "created and nested", is_required=True)
    what, fix = _namespace_cause()
    return Finding(name, Status.MISSING, f"{trial.error} ({what})", fix, True)


def _namespace_cause() -> tuple[str, str]:
    """Return the likely cause of a refused user namespace, and the remedy."""
    for path, bad, remedy in (
        ("kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=10000"),
    ):
        if _read(f"/proc/sys/{path}") == bad:
            return f"{path.replace('/', '.')} is {bad}", remedy
    return (
        "the kernel or a container's seccomp filter refuses them",
        "in a container: allow unshare and mount (for example --security-opt seccomp=unconfined)",
    )


def _proc(trial: Trial) -> Finding:
    if trial.passed("private /proc"):
        return Finding("proc", Status.OK, "a private /proc can be mounted", is_required=True)
    if not trial.was_reached("private /proc"):
        return Finding("proc", Status.MISSING, "not tried: no namespaces", "see user_namespaces", True)
    return Finding(
        "proc",
        Status.MISSING,
        f"{trial.error}: parts of this host's /proc are covered",
        "in a container: uncover /proc (for example --security-opt systempaths=unconfined)",
        True,
    )


def _fuse(trial: Trial) -> Finding:
    if not os.path.exists("/dev/fuse"):
        return Finding("fuse", Status.MISSING, "there is no /dev/fuse", "sudo modprobe fuse", True)
    refused = _refusal("/dev/fuse")
    if refused:
        return Finding("fuse", Status.MISSING, f"/dev/fuse: {refused}", "sudo chmod 0666 /dev/fuse", True)
    if trial.passed("FUSE mount"):
        return Finding("fuse", Status.OK, "mountable in a user namespace", is_required=True)
    if not trial.was_reached("FUSE mount"):
        return Finding("fuse", Status.MISSING, "not tried: no private /proc", "see the findings above", True)
    return Finding("fuse", Status.MISSING, trial.error, "a kernel that mounts FUSE in user namespaces", True)


def _tun() -> Finding:
    refused = _refusal("/dev/net/tun")
    if refused:
        what = f"/dev/net/tun: {refused}; a profile with [net] does not start"
        return Finding("tun", Status.DEGRADED, what, "sudo modprobe tun; sudo chmod 0666 /dev/net/tun")
    return Finding("tun", Status.OK, "/dev/net/tun can be opened")


def _seccomp(actions: str | None) -> Iterator[Finding]:
    words = (actions or "").split()
    if "kill_process" in words and "errno" in words:
        yield Finding("seccomp", Status.OK, "system calls can be filtered", is_required=True)
    else:
        yield Finding("seccomp", Status.MISSING, "the kernel has no filters", "CONFIG_SECCOMP_FILTER=y", True)
    if "user_notif" in words:
        yield Finding("seccomp_notify", Status.OK, "system calls can be asked about")
    else:
        yield Finding("seccomp_notify", Status.DEGRADED, "no user notification", "Linux 5.0 or newer")


def _landlock(modules: str | None) -> Finding:
    if modules is None:
        return Finding("landlock", Status.DEGRADED, "unknown: securityfs is not mounted; nothing needs it yet")
    if "landlock" in modules.split(","):
        return Finding("landlock", Status.OK, "active; nothing needs it yet")
    return Finding("landlock", Status.DEGRADED, "not active; nothing needs it yet", "boot with lsm=landlock,…")


def _cgroups(versions: dict[str, int]) -> Finding:
    missing = [name for name in CONTROLLERS if name not in versions]
    given = ", ".join(f"{name} (v{version})" for name, version in versions.items())
    if not missing:
        return Finding("cgroups", Status.OK, f"whole sessions are bounded: {given}")
    what = f"{given + '; ' if given else ''}no group of one's own for {', '.join(missing)}: limits are per process"
    return Finding("cgroups", Status.DEGRADED, what, "systemd-run --user --scope -p Delegate=yes gmcp-sandbox exec …")


def _state_space(directory: Path) -> Finding:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        fix = "set XDG_STATE_HOME to a directory of yours"
        return Finding("state_space", Status.MISSING, f"{existing} cannot be written", fix, True)
    status = os.statvfs(existing)
    free = status.f_bavail * status.f_frsize
    what = f"{free >> 20} MiB free for records in {directory}"
    if free < _NO_SPACE:
        return Finding("state_space", Status.MISSING, what, "free some space, or set XDG_STATE_HOME", True)
    if free < _LITTLE_SPACE:
        return Finding("state_space", Status.DEGRADED, what, "free some space; a full disk ends sessions", True)
    return Finding("state_space", Status.OK, what, is_required=True)


def _open_files(hard: int) -> Finding:
    if hard == resource.RLIM_INFINITY or hard >= _ENOUGH_FILES:
        return Finding("open_files", Status.OK, f"up to {'any number' if hard < 0 else hard} of descriptors")
    return Finding("open_files", Status.DEGRADED, f"at most {hard} descriptors", f"ulimit -Hn {_ENOUGH_FILES}")


def _probe_model(directory: Path | None) -> Finding:
    """Return how the model stands, its bytes compared; the same errors would keep a session from starting."""
    name = "probe_model"
    if directory is None:
        return Finding(
            name, Status.DEGRADED, "no model: the semantic gate does not judge", "install gmcp-sandbox again"
        )
    try:
        manifest = read_manifest(directory)
        for part in (manifest.model, manifest.tokenizer):
            read_part(directory, part)
    except HostError as error:
        what = f"{error}: {error.cause}" if error.cause else str(error)
        return Finding(name, Status.MISSING, what, error.hint, True)
    if importlib.util.find_spec("onnxruntime") is None:
        return Finding(name, Status.MISSING, "onnxruntime is not installed", "pip install onnxruntime", True)
    return Finding(name, Status.OK, f"{manifest.base}, {manifest.model.blake3[:16]}", is_required=True)


def _refusal(device: str) -> str:
    """Return why the device cannot be opened for reading and writing, or an empty string."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return None

"""What this host can enforce, found out and not assumed.

Each finding has a name that a profile may demand in `host_floor`. A finding that is `missing` and required means that
`exec` cannot work; `degraded` means that it works with less, and says what is less.

The facts go into the genesis record of every session. Leaves to others: printing (`doctor`).
"""

from __future__ import annotations

import enum
import errno
import importlib.util
import os
import platform
import resource
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gmcp_sandbox import kernel, libraries
from gmcp_sandbox.errors import HostError, ProfileError
from gmcp_sandbox.monitor.cgroupfs import CONTROLLERS, find_places
from gmcp_sandbox.monitor.idrange import gives_root_range
from gmcp_sandbox.monitor.inside import Maker, maker_of, read_clues
from gmcp_sandbox.monitor.semantics import model_directory
from gmcp_sandbox.monitor.trial import Trial, try_launch
from gmcp_sandbox.policy.profile import Profile
from gmcp_sandbox.probe.manifest import read_manifest, read_part

OLDEST_KERNEL = (5, 11)
"""Everything that the shells use is there: openat2 and close_range, seccomp notification, FUSE in user namespaces."""
FASTEST_PYTHON = (3, 13)
_ENOUGH_FILES = 4096
_LANDLOCK_WITH_SCOPES = 6
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
    maker = maker_of(read_clues())
    yield _kernel(platform.release())
    yield _python(sys.version_info[:3])
    yield _libraries(_library_faults())
    yield _user_namespaces(trial, {path: _read(f"/proc/sys/{path}") for path in _SYSCTLS}, maker)
    yield _root_ids(os.geteuid(), _read("/proc/self/uid_map"), _read("/proc/self/gid_map"))
    yield _proc(trial, maker)
    yield _fuse(trial, maker)
    yield _tun(_refusal("/dev/net/tun"), maker)
    yield _surroundings(maker, trial)
    yield from _seccomp(_read("/proc/sys/kernel/seccomp/actions_avail"))
    yield _landlock()
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


def _library_faults() -> list[str]:
    """Return what the dynamic loader says of the C libraries that a session needs, empty when all is well."""
    spec = importlib.util.find_spec("pyfuse3")
    origin = None if spec is None else spec.origin
    if origin is None:
        return ["pyfuse3 is not installed"]
    parts = [origin] if not origin.endswith(".py") else [str(path) for path in Path(origin).parent.glob("*.so")]
    return [fault for part in parts if (fault := libraries.refusal_of(part))]


def _libraries(faults: list[str]) -> Finding:
    if not faults:
        return Finding("libraries", Status.OK, "libfuse3 can be loaded", is_required=True)
    fix = "install libfuse3 (Debian: sudo apt-get install libfuse3-dev), and the package again"
    return Finding("libraries", Status.MISSING, "; ".join(faults), fix, True)


def _user_namespaces(trial: Trial, sysctls: Mapping[str, str | None], maker: Maker | None) -> Finding:
    name = "user_namespaces"
    if trial.passed("id map") and trial.failed != "nested user namespace":
        return Finding(name, Status.OK, "created and nested", is_required=True)
    what, fix = _namespace_cause(sysctls, maker)
    return Finding(name, Status.MISSING, f"{trial.error} ({what})", fix, True)


_APPARMOR = "kernel/apparmor_restrict_unprivileged_userns"
_SYSCTLS = {
    "kernel/unprivileged_userns_clone": ("0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    _APPARMOR: (
        "1",
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu; to keep it, a line in /etc/sysctl.d), "
        "or give this Python an AppArmor profile with `userns,`",
    ),
    "user/max_user_namespaces": ("0", "sudo sysctl user.max_user_namespaces=10000"),
    "user/max_mnt_namespaces": ("0", "sudo sysctl user.max_mnt_namespaces=10000"),
    "user/max_pid_namespaces": ("0", "sudo sysctl user.max_pid_namespaces=10000"),
    "user/max_net_namespaces": ("0", "sudo sysctl user.max_net_namespaces=10000"),
}
"""Setting → the value that refuses namespaces, and the remedy; the likeliest cause first."""


def _namespace_cause(sysctls: Mapping[str, str | None], maker: Maker | None) -> tuple[str, str]:
    """Return the likely cause of a refused user namespace, and the remedy."""
    for path, (bad, remedy) in _SYSCTLS.items():
        if sysctls.get(path) == bad:
            return f"{path.replace('/', '.')} is {bad}", remedy
    if maker is not None:
        return f"{maker.name} refuses them", maker.remedy
    return "the kernel or a filter of system calls refuses them", "a kernel with CONFIG_USER_NS=y; no filter around it"


def _root_ids(uid: int, uid_map: str | None, gid_map: str | None) -> Finding:
    """Sessions of root run under ids of nobody's, which a container need not have."""
    if uid != 0:
        return Finding("ids", Status.OK, "an ordinary user's own", is_required=True)
    if gives_root_range(uid_map or "") and gives_root_range(gid_map or ""):
        return Finding("ids", Status.OK, "sessions of root run under a range of ids that is nobody's", is_required=True)
    what = "this root has no range of ids to give to sessions: it is one of a container with few ids"
    return Finding("ids", Status.MISSING, what, "run gmcp-sandbox as an ordinary user of the container", True)


def _proc(trial: Trial, maker: Maker | None) -> Finding:
    if trial.passed("private /proc"):
        return Finding("proc", Status.OK, "a private /proc can be mounted", is_required=True)
    if not trial.was_reached("private /proc"):
        return Finding("proc", Status.MISSING, "not tried: no namespaces", "see user_namespaces", True)
    if os.geteuid() != 0 and _read(f"/proc/sys/{_APPARMOR}") == "1":
        return Finding("proc", Status.MISSING, f"{trial.error} (AppArmor refuses mounts)", _SYSCTLS[_APPARMOR][1], True)
    what = f"{trial.error}: parts of this host's /proc are covered"
    fix = maker.remedy if maker is not None else "in a container: uncover /proc"
    return Finding("proc", Status.MISSING, what, fix, True)


def _fuse(trial: Trial, maker: Maker | None) -> Finding:
    if not os.path.exists("/dev/fuse"):
        fix = maker.remedy if maker is not None else "sudo modprobe fuse"
        return Finding("fuse", Status.MISSING, "there is no /dev/fuse", fix, True)
    refused = _refusal("/dev/fuse")
    if refused:
        fix = "sudo chmod 0666 /dev/fuse" if maker is None else f"chmod 0666 /dev/fuse as root, or: {maker.remedy}"
        return Finding("fuse", Status.MISSING, f"/dev/fuse: {refused}", fix, True)
    if trial.passed("FUSE mount"):
        return Finding("fuse", Status.OK, "mountable in a user namespace", is_required=True)
    if not trial.was_reached("FUSE mount"):
        return Finding("fuse", Status.MISSING, "not tried: no private /proc", "see the findings above", True)
    return Finding("fuse", Status.MISSING, trial.error, "a kernel that mounts FUSE in user namespaces", True)


def _tun(refused: str, maker: Maker | None) -> Finding:
    if refused:
        what = f"/dev/net/tun: {refused}; a profile with [net] does not start"
        fix = "sudo modprobe tun; sudo chmod 0666 /dev/net/tun" if maker is None else maker.remedy
        return Finding("tun", Status.DEGRADED, what, fix)
    return Finding("tun", Status.OK, "/dev/net/tun can be opened")


def _surroundings(maker: Maker | None, trial: Trial) -> Finding:
    if maker is None:
        return Finding("surroundings", Status.OK, "no container that shows")
    if trial.failed is None:
        return Finding("surroundings", Status.OK, f"looks like {maker.name}, which lets sessions start")
    return Finding("surroundings", Status.DEGRADED, f"looks like {maker.name}, which may be in the way", maker.remedy)


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


def _landlock() -> Finding:
    try:
        version = kernel.landlock_version()
    except OSError as error:
        what = "not in this kernel" if error.errno == errno.ENOSYS else "in this kernel, and not active"
        what += ": one wall less behind namespaces and mount flags"
        return Finding("landlock", Status.DEGRADED, what, "boot with lsm=landlock,…")
    if version < _LANDLOCK_WITH_SCOPES:
        what = f"version {version}: signals and abstract sockets have one wall less"
        return Finding("landlock", Status.DEGRADED, what, "Linux 6.12 or newer")
    return Finding("landlock", Status.OK, f"version {version}, a second wall behind namespaces and mount flags")


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

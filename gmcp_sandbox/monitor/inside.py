"""What kind of machine this is, as far as it tells: WSL, or a container of one of the usual makers.

A guess for advice, never for a decision: whether a session can start is tried for real (`monitor/trial.py`). What
makes the guess is read once, into `Clues`, so that texts of other machines can be tried here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

_MARKERS = (
    "/.dockerenv",
    "/run/.containerenv",
    "/dev/lxd/sock",
    "/var/run/secrets/kubernetes.io",
    "/run/host/container-manager",
)
_MUCH = 65536


class Clues(msgspec.Struct, frozen=True):
    """What a machine says of itself.

    Attributes:
        release: Of the kernel (uname -r).
        cgroup: /proc/1/cgroup.
        mounts: /proc/self/mountinfo.
        manager: /run/systemd/container, which systemd writes, or the variable `container`.
        markers: Which of the files that makers of containers leave are there.
        is_in_pod: Whether Kubernetes has put its variables into the environment.
    """

    release: str = ""
    cgroup: str = ""
    mounts: str = ""
    manager: str = ""
    markers: frozenset[str] = frozenset()
    is_in_pod: bool = False


class Maker(msgspec.Struct, frozen=True):
    """Who made the surroundings, and how to have them let a session start."""

    name: str
    remedy: str


_DOCKER = Maker(
    "Docker",
    "docker run --device /dev/fuse --device /dev/net/tun --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined …",
)
_PODMAN = Maker(
    "Podman",
    "podman run --device /dev/fuse --device /dev/net/tun --security-opt seccomp=unconfined "
    "--security-opt unmask=ALL --security-opt label=disable …",
)
_KUBERNETES = Maker(
    "Kubernetes",
    "in the pod: hostUsers: false; in its securityContext: procMount: Unmasked, seccompProfile and appArmorProfile of "
    "type Unconfined; /dev/fuse and /dev/net/tun from a device plugin",
)
_LXC = Maker(
    "LXC",
    "lxc config set NAME security.nesting=true; lxc config device add NAME fuse unix-char path=/dev/fuse; "
    "the same with tun and /dev/net/tun (Proxmox: features nesting=1,fuse=1)",
)
_NSPAWN = Maker(
    "systemd-nspawn",
    "bind /dev/fuse and /dev/net/tun with a DeviceAllow= for each, and allow mount and unshare (SystemCallFilter=)",
)
_WSL1 = Maker("WSL1", "it has no Linux kernel; in Windows: wsl --set-version DISTRIBUTION 2")
_WSL2 = Maker("WSL2", "in Windows: wsl --update; in /etc/wsl.conf: [boot] systemd=true; then wsl --shutdown")
_BY_MANAGER = {
    "docker": _DOCKER,
    "podman": _PODMAN,
    "lxc": _LXC,
    "lxc-libvirt": _LXC,
    "systemd-nspawn": _NSPAWN,
    "kubernetes": _KUBERNETES,
}


def read_clues(environ: Mapping[str, str] = os.environ) -> Clues:
    """Look at this machine."""
    return Clues(
        release=os.uname().release,
        cgroup=_text("/proc/1/cgroup"),
        mounts=_text("/proc/self/mountinfo"),
        manager=_text("/run/systemd/container").strip() or environ.get("container", ""),
        markers=frozenset(path for path in _MARKERS if os.path.exists(path)),
        is_in_pod="KUBERNETES_SERVICE_HOST" in environ,
    )


def maker_of(clues: Clues) -> Maker | None:
    """Return who made it; None for a machine, virtual or not, that looks like nobody's container."""
    return _by_pod(clues) or _by_manager(clues) or _by_traces(clues) or _by_kernel(clues.release)


def _by_pod(clues: Clues) -> Maker | None:
    """A pod is a container of some runtime, too: what to change stands in the pod."""
    is_pod = clues.is_in_pod or "/var/run/secrets/kubernetes.io" in clues.markers or "kubepods" in clues.cgroup
    return _KUBERNETES if is_pod else None


def _by_manager(clues: Clues) -> Maker | None:
    if clues.manager in _BY_MANAGER:
        return _BY_MANAGER[clues.manager]
    if "/run/.containerenv" in clues.markers:
        return _PODMAN
    if "/.dockerenv" in clues.markers:
        return _DOCKER
    if "/dev/lxd/sock" in clues.markers:
        return _LXC
    return _NSPAWN if "/run/host/container-manager" in clues.markers else None


def _by_traces(clues: Clues) -> Maker | None:
    """Groups of version 1 and the mounts of a container's root name their maker."""
    if "/libpod-" in clues.cgroup:
        return _PODMAN
    if "/docker/" in clues.cgroup or "/docker-" in clues.cgroup or "/docker/containers/" in clues.mounts:
        return _DOCKER
    if "/lxc/" in clues.cgroup or "/lxc.payload" in clues.cgroup or " - fuse.lxcfs " in clues.mounts:
        return _LXC
    return None


def _by_kernel(release: str) -> Maker | None:
    if "microsoft" not in release.lower():
        return None
    return _WSL2 if "WSL2" in release or "microsoft-standard" in release else _WSL1


def _text(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(_MUCH).decode("utf-8", "replace")
    except OSError:
        return ""

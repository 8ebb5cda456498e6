"""Texts as machines of these kinds show them, and what is made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.monitor.inside import Clues, maker_of, read_clues

ID = "3f1c0d7be0a94c9a8f6b1d2e7c5a4f3e2d1c0b9a8f7e6d5c4b3a291807f6e5d4"
DEBIAN = "6.1.0-18-amd64"


@pytest.mark.parametrize(
    ("name", "clues"),
    [
        (None, Clues(DEBIAN, "0::/init.scope\n", "22 27 0:21 / /proc rw,nosuid - proc proc rw\n")),
        (None, Clues("6.8.0-31-generic", "0::/user.slice/user-1000.slice/session-3.scope\n", manager="")),
        ("Docker", Clues(DEBIAN, "0::/\n", markers=frozenset({"/.dockerenv"}))),
        ("Docker", Clues("5.10.0-28-amd64", f"12:pids:/docker/{ID}\n11:memory:/docker/{ID}\n")),
        ("Docker", Clues(DEBIAN, f"0::/system.slice/docker-{ID}.scope\n")),
        (
            "Docker",
            Clues(
                "6.6.31-linuxkit",
                "0::/\n",
                f"903 890 254:1 /docker/containers/{ID}/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw\n",
            ),
        ),
        (
            "Podman",
            Clues("6.9.7-200.fc40.x86_64", "0::/\n", manager="podman", markers=frozenset({"/run/.containerenv"})),
        ),
        ("Podman", Clues("6.9.7-200.fc40.x86_64", "0::/\n", manager="oci", markers=frozenset({"/run/.containerenv"}))),
        ("Podman", Clues(DEBIAN, f"11:pids:/machine.slice/libpod-{ID}.scope\n")),
        ("Kubernetes", Clues("5.15.0-1057-aws", "0::/\n", markers=frozenset({"/var/run/secrets/kubernetes.io"}))),
        ("Kubernetes", Clues("5.15.0-1057-aws", f"11:pids:/kubepods/besteffort/pod1f/{ID}\n", is_in_pod=True)),
        (
            "Kubernetes",  # whatever runs the pod
            Clues("6.1.84-99.169.amzn2023.x86_64", f"0::/kubepods.slice/{ID}\n", markers=frozenset({"/.dockerenv"})),
        ),
        (
            "LXC",
            Clues("6.8.4-2-pve", "0::/\n", "1108 901 0:58 / /proc/cpuinfo rw - fuse.lxcfs lxcfs rw\n", manager="lxc"),
        ),
        ("LXC", Clues("6.5.13-5-pve", "0::/\n", "1108 901 0:58 /proc/stat /proc/stat rw - fuse.lxcfs lxcfs rw\n")),
        ("LXC", Clues("5.4.0-182-generic", "10:pids:/lxc.payload.web/init.scope\n")),
        ("LXC", Clues("6.8.0-31-generic", "0::/\n", markers=frozenset({"/dev/lxd/sock"}))),
        ("systemd-nspawn", Clues(DEBIAN, "0::/\n", manager="systemd-nspawn")),
        ("WSL2", Clues("5.15.153.1-microsoft-standard-WSL2", "0::/init\n")),
        ("WSL2", Clues("4.19.128-microsoft-standard", "9:pids:/\n")),
        ("WSL1", Clues("4.4.0-19041-Microsoft")),
        ("Docker", Clues("5.15.153.1-microsoft-standard-WSL2", "0::/\n", markers=frozenset({"/.dockerenv"}))),
    ],
)
def test_who_made_it(name: str | None, clues: Clues) -> None:
    maker = maker_of(clues)
    assert (None if maker is None else maker.name) == name
    assert maker is None or maker.remedy


def test_this_machine_can_be_looked_at() -> None:
    assert read_clues({}).release
    assert read_clues({"KUBERNETES_SERVICE_HOST": "192.0.2.1"}).is_in_pod


@given(st.builds(Clues, release=st.text(), cgroup=st.text(), mounts=st.text(), manager=st.text()))
def test_no_text_breaks_it(clues: Clues) -> None:
    maker_of(clues)

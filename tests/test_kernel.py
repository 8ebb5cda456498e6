"""The wrappers do what the manual pages say, and every failure carries the kernel's errno and the call's name."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmcp_sandbox import kernel
from tests.children import in_child, own_namespaces

NAMES = st.binary(min_size=1, max_size=255).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
NO_FD = 1_000_000


@pytest.fixture
def directory(tmp_path: Path):
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def put(directory: int, name: bytes, content: bytes = b"") -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=directory)
    os.write(fd, content)
    os.close(fd)


def mounts() -> str:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return file.read()


# --------------------------------------------------------------------------------------------------------------- statx


def test_statx_says_what_stat_says(directory: int) -> None:
    put(directory, b"file", b"12345")
    os.utime("file", ns=(1_234_567_890_123_456_789, 987_654_321_012_345_678), dir_fd=directory)
    found, told = kernel.statx(directory, b"file"), os.stat("file", dir_fd=directory)
    for ours, theirs in (
        (found.dev, told.st_dev),
        (found.ino, told.st_ino),
        (found.mode, told.st_mode),
        (found.nlink, told.st_nlink),
        (found.uid, told.st_uid),
        (found.gid, told.st_gid),
        (found.size, told.st_size),
        (found.blocks, told.st_blocks),
        (found.blksize, told.st_blksize),
        (found.rdev, told.st_rdev),
        (found.atime_ns, told.st_atime_ns),
        (found.mtime_ns, told.st_mtime_ns),
        (found.ctime_ns, told.st_ctime_ns),
    ):
        assert ours == theirs
    assert found.btime_ns is None or found.btime_ns <= found.ctime_ns


def test_times_before_the_epoch_are_negative(directory: int) -> None:
    put(directory, b"old")
    os.utime("old", ns=(-1_500_000_000, -1), dir_fd=directory)
    told = os.stat("old", dir_fd=directory)
    assert kernel.statx(directory, b"old").mtime_ns == told.st_mtime_ns < 0


def test_statx_of_a_link_is_the_links_unless_it_shall_follow(directory: int) -> None:
    put(directory, b"file")
    os.symlink("file", "link", dir_fd=directory)
    assert stat.S_ISLNK(kernel.statx(directory, b"link").mode)
    assert stat.S_ISREG(kernel.statx(directory, b"link", 0).mode)


def test_statx_of_a_descriptor_and_of_a_device(directory: int) -> None:
    assert kernel.statx(directory, b"", kernel.AT_EMPTY_PATH).ino == os.fstat(directory).st_ino
    assert kernel.statx(directory, b"/dev/null").rdev == os.makedev(1, 3)


@settings(max_examples=50, deadline=None)
@given(NAMES)
def test_any_name_is_the_name(name: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = os.open(place, os.O_RDONLY)
        try:
            put(directory, name, b"x")
            assert kernel.statx(directory, name).size == 1
            os.close(kernel.openat2(directory, name, os.O_RDONLY))
            kernel.renameat2(directory, name, directory, b"\xff")
            assert os.listdir(os.fsencode(place)) == [b"\xff"]
        finally:
            os.close(directory)


# ------------------------------------------------------------------------------------------------------------- openat2


@pytest.mark.parametrize(
    ("path", "resolve", "failure"),
    [
        (b"../x", kernel.RESOLVE_BENEATH, errno.EXDEV),
        (b"/etc/passwd", kernel.RESOLVE_BENEATH, errno.EXDEV),
        (b"out", kernel.RESOLVE_BENEATH, errno.EXDEV),
        (b"link", kernel.RESOLVE_NO_SYMLINKS, errno.ELOOP),
        (b"dirlink/inner", kernel.RESOLVE_NO_SYMLINKS, errno.ELOOP),
        (b"/proc/self/root/etc/passwd", kernel.RESOLVE_NO_MAGICLINKS, errno.ELOOP),
        (b"/proc/version", kernel.RESOLVE_NO_XDEV, errno.EXDEV),
        (b"/etc/passwd", kernel.RESOLVE_IN_ROOT, errno.ENOENT),
        (b"missing", 0, errno.ENOENT),
        (b"file", 1 << 40, errno.EINVAL),
    ],
)
def test_a_restriction_holds(directory: int, path: bytes, resolve: int, failure: int) -> None:
    put(directory, b"file")
    os.mkdir("dir", dir_fd=directory)
    put(directory, b"dir/inner")
    for name, target in (("link", "file"), ("dirlink", "dir"), ("out", "/etc/passwd")):
        os.symlink(target, name, dir_fd=directory)
    with pytest.raises(OSError, match="openat2") as caught:
        kernel.openat2(directory, path, os.O_RDONLY, resolve=resolve)
    assert caught.value.errno == failure


def test_what_is_opened_is_not_inherited_and_has_its_mode(directory: int) -> None:
    fd = kernel.openat2(directory, b"new", os.O_WRONLY | os.O_CREAT, 0o600, kernel.RESOLVE_BENEATH)
    assert not os.get_inheritable(fd)
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
    os.close(fd)


def test_the_directory_is_the_root_where_it_shall_be(directory: int) -> None:
    os.mkdir("etc", dir_fd=directory)
    put(directory, b"etc/passwd", b"mine")
    os.symlink("/etc/../../../etc/passwd", "link", dir_fd=directory)
    fd = kernel.openat2(directory, b"link", os.O_RDONLY, resolve=kernel.RESOLVE_IN_ROOT)
    assert os.read(fd, 10) == b"mine"
    os.close(fd)


# ----------------------------------------------------------------------------------------------------------- renameat2


def test_noreplace_replaces_nothing(directory: int) -> None:
    put(directory, b"a", b"a")
    put(directory, b"b", b"b")
    with pytest.raises(FileExistsError, match="renameat2"):
        kernel.renameat2(directory, b"a", directory, b"b", kernel.RENAME_NOREPLACE)
    kernel.renameat2(directory, b"a", directory, b"c", kernel.RENAME_NOREPLACE)
    assert sorted(os.listdir(directory)) == ["b", "c"]


def test_exchange_exchanges(directory: int) -> None:
    put(directory, b"a", b"1")
    put(directory, b"b", b"22")
    kernel.renameat2(directory, b"a", directory, b"b", kernel.RENAME_EXCHANGE)
    assert (kernel.statx(directory, b"a").size, kernel.statx(directory, b"b").size) == (2, 1)


def test_without_flags_it_is_rename(directory: int) -> None:
    put(directory, b"a", b"1")
    put(directory, b"b", b"22")
    kernel.renameat2(directory, b"a", directory, b"b")
    assert os.listdir(directory) == ["b"]


# --------------------------------------------------------------------------------------------------------- descriptors


def test_a_range_is_closed_and_its_neighbours_are_not() -> None:
    def action() -> list[bool]:
        null = os.open("/dev/null", os.O_RDONLY)
        for number in range(100, 110):
            os.dup2(null, number)
        kernel.close_range(103, 105)
        found = [_is_open(number) for number in range(100, 110)]
        kernel.close_range(107)
        return [*found, *(_is_open(number) for number in (106, 107, 109))]

    assert in_child(action) == [True] * 3 + [False] * 3 + [True] * 4 + [True, False, False]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "name", "failure"),
    [
        (lambda: kernel.statx(NO_FD, b"x"), "statx", errno.EBADF),
        (lambda: kernel.openat2(NO_FD, b"x", 0), "openat2", errno.EBADF),
        (lambda: kernel.renameat2(NO_FD, b"x", NO_FD, b"y"), "renameat2", errno.EBADF),
        (lambda: kernel.setns(NO_FD, 0), "setns", errno.EBADF),
        (lambda: kernel.unshare(0x1), "unshare", errno.EINVAL),
        (lambda: kernel.close_range(5, 3), "close_range", errno.EINVAL),
        (lambda: kernel.statx(NO_FD, b"/" + b"x" * 300), "statx", errno.ENAMETOOLONG),
    ],
)
def test_a_failure_has_the_kernels_errno_and_the_calls_name(
    call: Callable[[], object], name: str, failure: int
) -> None:
    with pytest.raises(OSError, match=f"{name}: ") as caught:
        call()
    assert caught.value.errno == failure


# ---------------------------------------------------------------------------------------------- namespaces and mounts


@pytest.mark.needs("userns")
def test_mounts_of_an_own_namespace_stay_there() -> None:
    def action() -> list[object]:
        own_namespaces(kernel.CLONE_NEWNS)
        kernel.mount(b"none", b"/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount(b"inner", b"/mnt", b"tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, b"size=64k,mode=0711")
        os.mkdir("/mnt/\udcff")
        kernel.mount(b"/etc", b"/mnt/\xff", None, kernel.MS_BIND)
        kernel.mount(b"none", b"/mnt/\xff", None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | 0x6)
        found: list[object] = [stat.S_IMODE(os.stat("/mnt").st_mode), os.path.exists("/mnt/\udcff/passwd")]
        try:
            os.mkdir("/mnt/\udcff/new")
        except OSError as error:
            found.append(error.errno)
        kernel.umount(b"/mnt/\xff")
        found.append(os.listdir("/mnt/\udcff"))
        kernel.umount(b"/mnt", kernel.MNT_DETACH)
        return [*found, " /mnt " in mounts()]

    before = mounts()
    assert in_child(action) == [0o711, True, errno.EROFS, [], False]
    assert mounts() == before


@pytest.mark.needs("userns")
def test_a_mount_that_is_refused_says_so() -> None:
    def action() -> list[int | None]:
        found = []
        own_namespaces(kernel.CLONE_NEWNS)
        for call in (
            lambda: kernel.mount(b"x", b"/nowhere", b"tmpfs", 0),
            lambda: kernel.mount(b"x", b"/mnt", b"no-such-type", 0),
            lambda: kernel.umount(b"/usr/bin"),
            lambda: kernel.pivot_root(b"/usr", b"/usr"),
        ):
            with pytest.raises(OSError) as caught:
                call()
            found.append(caught.value.errno)
        return found

    assert in_child(action) == [errno.ENOENT, errno.ENODEV, errno.EINVAL, errno.EINVAL]


@pytest.mark.needs("userns")
def test_the_root_is_exchanged() -> None:
    def action() -> list[str]:
        own_namespaces(kernel.CLONE_NEWNS)
        kernel.mount(b"none", b"/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount(b"root", b"/mnt", b"tmpfs", 0)
        os.mkdir("/mnt/only")
        os.chdir("/mnt")
        kernel.pivot_root(b".", b".")
        kernel.umount(b".", kernel.MNT_DETACH)
        os.chdir("/")
        return os.listdir("/")

    assert in_child(action) == ["only"]


@pytest.mark.needs("userns")
def test_a_name_space_can_be_entered_again() -> None:
    def action() -> list[str]:
        own_namespaces(kernel.CLONE_NEWUTS)
        kernel.sethostname(b"first")
        fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
        kernel.unshare(kernel.CLONE_NEWUTS)
        kernel.sethostname(b"second")
        second = socket.gethostname()
        kernel.setns(fd, kernel.CLONE_NEWUTS)
        return [second, socket.gethostname()]

    before = socket.gethostname()
    assert in_child(action) == ["second", "first"]
    assert socket.gethostname() == before


@pytest.mark.needs("userns")
def test_a_detached_tmpfs_is_bounded_and_runs_nothing() -> None:
    def action() -> list[object]:
        own_namespaces(kernel.CLONE_NEWNS)
        before = mounts()
        fd = kernel.detached_tmpfs({"size": "65536", "mode": "0701"})
        put(fd, b"tool", b"#!/bin/sh\n")
        os.chmod(f"/proc/self/fd/{fd}/tool", 0o755)
        found: list[object] = [stat.S_IMODE(os.fstat(fd).st_mode), os.get_inheritable(fd), mounts() == before]
        for call in (
            lambda: put(fd, b"large", bytes(70_000)),
            lambda: os.execv(f"/proc/self/fd/{fd}/tool", ["tool"]),
        ):
            try:
                call()
            except OSError as error:
                found.append(error.errno)
        found.append(os.stat("large", dir_fd=fd).st_size <= 65_536)
        with pytest.raises(OSError) as caught:
            kernel.detached_tmpfs({"no-such-option": "1"})
        return [*found, caught.value.errno]

    found = in_child(action)
    assert found[:3] == [0o701, False, True]
    assert found[-3:] == [errno.EACCES, True, errno.EINVAL]


# -------------------------------------------------------------------------------------------------------------- rights


def test_capabilities_are_gone_for_good() -> None:
    def action() -> dict[str, str]:
        kernel.drop_capabilities()
        with open("/proc/self/status", encoding="ascii") as file:
            return {name: rest.strip() for name, _, rest in (line.partition(":") for line in file)}

    found = in_child(action)
    assert {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}


def test_the_layout_of_statx_is_that_of_the_header() -> None:
    assert kernel._STATX.size <= 256
    assert struct.calcsize("<IIQIIIHHQQQQ") == 64  # the offset of stx_atime (include/uapi/linux/stat.h)


def test_freed_memory_is_given_back_and_nothing_else_happens():
    kept = bytes(1 << 20)
    kernel.release_freed_memory()
    assert kept.count(0) == 1 << 20


def test_landlock_tells_its_version_or_that_it_is_not_there() -> None:
    try:
        assert kernel.landlock_version() >= 1
    except OSError as error:
        assert error.errno in (errno.ENOSYS, errno.EOPNOTSUPP)

"""Derived labels: what a session writes after it read private or secret files carries their labels on.

The store lies in the state directory, outside of every view, and outlives sessions: whoever reads such an object later
is tainted by it, so that a copy of a secret cannot be laundered through a second session. It names objects by inode and
birth time (by device, too, where a file system has no birth times; device numbers change from boot to boot).

Invariants:
- An object is marked before what is written reaches it. A mark is one write(2) of one record with its own checksum:
  after a crash it is there or not, and never another object's.
- Never forgotten, only coarser: beyond `MOST` objects the oldest are forgotten one by one, and instead everything that
  was born no later than they were carries the label. Where the file cannot be made smaller (another session has it
  open), it grows up to `HARD`; then tainted writes are refused (ENOSPC).
- In memory are the marks that would be news to the session, and the last `RECENT` that it made itself: a session that
  carries a label does not fill its memory with what else does.
- Marks of a session that runs beside this one are seen at the next look.

Leaves to others: names, times and modes, which tell something, too; copies that programs of the host make.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from gmcp_sandbox.calls.labels import PRIVATE, SECRET, Label
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.policy.state import SessionState

MOST = 200_000
HARD = 4 * MOST
"""Records, of 32 bytes each."""
RECENT = 1 << 16
LABELS = (PRIVATE, SECRET)
"""What is carried on, by bit. `watched` tells what may be changed, not what may be known."""

_RECORD = struct.Struct("<QQQBxxxI")
_BODY = struct.Struct("<QQQBxxx")
_FLOOR = 0x80
"""The record is about everything born up to then."""
_DAMAGE = 4096
_READ = 1 << 20
_INODE_BITS = 64
"""Of a name, which is one number: half of what a tuple costs."""
_INODE = (1 << _INODE_BITS) - 1

Key = tuple[int, int, int]
"""Device, inode, birth time in ns."""


class DerivedStore:
    """The file, open for one session."""

    def __init__(self, fd: int, name: str) -> None:
        """Use `open`."""
        self._fd = fd
        self._name = name
        self._offset = 0
        self._rest = b""
        self._carried = 0
        self._masks: dict[int, int] = {}
        self._recent: dict[int, int] = {}
        self._floors = [0] * len(LABELS)
        self._records = 0
        self._large = 0

    @classmethod
    def open(cls, path: Path) -> DerivedStore:
        """Open or create the store; make it smaller when it has grown and nobody else uses it.

        Raises:
            HostError: It cannot be used, or holds what nobody here wrote.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            while True:
                store = cls(os.open(path, flags, 0o600), str(path))
                if store._settle(path):
                    store._large = max(2 * MOST * _RECORD.size, os.fstat(store._fd).st_size + MOST * _RECORD.size)
                    return store
                os.close(store._fd)
        except OSError as error:
            raise HostError(f"cannot use {path}", cause=error.strerror or str(error)) from None

    def _settle(self, path: Path) -> bool:
        """Take a share in the file and read it; return False when another has taken its place meanwhile."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_alone = True
        except BlockingIOError:
            fcntl.flock(self._fd, fcntl.LOCK_SH)
            is_alone = False
        if not _is_same(os.fstat(self._fd), path):
            return False
        self._catch_up()
        if is_alone and self._rest:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - len(self._rest))
            self._offset -= len(self._rest)
            self._rest = b""
        if is_alone and self._records > MOST:
            self._compact(path)
            return False
        fcntl.flock(self._fd, fcntl.LOCK_SH)  # for a moment there is no lock at all: look once more
        return _is_same(os.fstat(self._fd), path)

    def close(self) -> None:
        """Give the share back."""
        os.close(self._fd)

    @property
    def is_large(self) -> bool:
        """True when the file has so many records that `reopened` is worth its time."""
        return os.fstat(self._fd).st_size >= self._large

    def reopened(self) -> DerivedStore:
        """Return the store anew, made smaller when nobody else uses it; this one is closed.

        Raises:
            OSError: EIO, when it cannot be used any more.
        """
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        try:
            store = DerivedStore.open(Path(self._name))
        except HostError:
            self._floors = [sys.maxsize] * len(LABELS)  # without a share it misses what others mark: all carries all
            raise OSError(errno.EIO, os.strerror(errno.EIO)) from None
        store.carry(self._carried)
        self.close()
        return store

    def carry(self, mask: int) -> None:
        """Take note of what the session carries itself: who else does so is no news to it, and not kept."""
        if mask != self._carried:
            self._carried = mask
            self._masks = {named: each for named, each in self._masks.items() if each & ~mask}

    def of(self, key: Key) -> int:
        """Return which labels an object carries, one bit for each of `LABELS`."""
        if os.fstat(self._fd).st_size != self._offset:
            self._catch_up()
        mask = self._masks.get(_named(key), 0)
        for bit, floor in enumerate(self._floors):
            if key[2] <= floor and floor:
                mask |= 1 << bit
        return mask

    def mark(self, key: Key, mask: int) -> None:
        """Let an object carry these labels, beside those that it carries already.

        Raises:
            OSError: The mark could not be written; the object must not be.
        """
        named = _named(key)
        known = self._masks.get(named, 0) | self._recent.get(named, 0)
        mask |= known
        if mask == known:
            return
        if os.fstat(self._fd).st_size >= HARD * _RECORD.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        record = _record(named, mask)
        if os.write(self._fd, record) != len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._learn(named, mask)
        if len(self._recent) >= RECENT:
            self._recent.clear()
        self._recent[named] = mask

    # ------------------------------------------------------------------------------------------------------- inside

    def _catch_up(self) -> None:
        """Read what was appended since the last look."""
        while part := os.pread(self._fd, _READ, self._offset):
            self._offset += len(part)
            data = self._rest + part
            whole = 0
            for found, end in self._records_in(data):
                self._take(*found)
                whole = end
            self._rest = data[whole:]

    def _records_in(self, data: bytes) -> Iterator[tuple[tuple[int, int, int, int], int]]:
        """Yield the records of a piece and where each ends; what a crash left of one is passed over."""
        at = skipped = 0
        while at + _RECORD.size <= len(data):
            device, inode, born, mask, check = _RECORD.unpack_from(data, at)
            if zlib.crc32(data[at : at + _BODY.size]) == check:
                at += _RECORD.size
                yield (device, inode, born, mask), at
                continue
            at += 1
            skipped += 1
            if skipped > _DAMAGE:
                raise HostError(
                    f"{self._name} is damaged", hint="remove it; copies of secrets are no longer known then"
                )

    def _take(self, device: int, inode: int, born: int, mask: int) -> None:
        self._records += 1
        if mask & _FLOOR:
            for bit in range(len(LABELS)):
                if mask >> bit & 1:
                    self._floors[bit] = max(self._floors[bit], born)
            return
        self._learn(_named((device, inode, born)), mask)

    def _learn(self, named: int, mask: int) -> None:
        if mask & ~self._carried:
            self._masks[named] = self._masks.get(named, 0) | mask

    def _compact(self, path: Path) -> None:
        """Write what is worth knowing into a new file, and put it in the place of this one."""
        kept = sorted(self._masks.items(), key=lambda item: (item[1], _born(item[0])))
        for named, mask in kept[: max(0, len(kept) - MOST // 2)]:
            for bit in range(len(LABELS)):
                if mask >> bit & 1:
                    self._floors[bit] = max(self._floors[bit], _born(named) or 1)
        kept = kept[max(0, len(kept) - MOST // 2) :]
        floors = [_record(floor << _INODE_BITS, _FLOOR | 1 << bit) for bit, floor in enumerate(self._floors) if floor]
        temporary = path.with_name(f".{path.name}.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(b"".join((*floors, *(_record(named, mask) for named, mask in kept))))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


class Derivation:
    """What fs/ asks: whether the session marks what it writes, and what an object brings with it.

    Attributes:
        mask: Labels that everything that is written now gets; 0 as long as nothing of the kind was read.
    """

    def __init__(self, store: DerivedStore, state: SessionState) -> None:
        self._store = store
        self._state = state
        self.mask = 0
        self._look()
        state.watch(self._look)

    def _look(self) -> None:
        self.mask = mask_of(self._state.taint)
        self._store.carry(self.mask)

    def news(self, key: Key) -> tuple[Label, ...]:
        """Return the labels that an object carries and that the session has not read yet."""
        new = self._store.of(key) & ~self.mask
        return tuple(label for bit, label in enumerate(LABELS) if new >> bit & 1) if new else ()

    def mark(self, key: Key) -> None:
        """Let an object carry what the session has read.

        Raises:
            OSError: It could not be marked; it must not be written.
        """
        if self._store.is_large:
            self._store = self._store.reopened()
        self._store.mark(key, self.mask)

    def close(self) -> None:
        """Close the store."""
        self._store.close()


def mask_of(labels: Iterable[str]) -> int:
    """Return the bits of those labels that are carried on."""
    names = frozenset(labels)
    return sum(1 << bit for bit, label in enumerate(LABELS) if label.name in names)


def _named(key: Key) -> int:
    """Return the one number that an object goes by; below zero when it is told by its device."""
    device, inode, born = key
    return born << _INODE_BITS | inode if born else ~(device << _INODE_BITS | inode)


def _born(named: int) -> int:
    return max(named, 0) >> _INODE_BITS


def _record(named: int, mask: int) -> bytes:
    number = named if named >= 0 else ~named
    first, inode = number >> _INODE_BITS, number & _INODE
    device, born = (0, first) if named >= 0 else (first, 0)
    body = _BODY.pack(device, inode, born, mask)
    return body + zlib.crc32(body).to_bytes(4, "little")


def _is_same(facts: os.stat_result, path: Path) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (facts.st_dev, facts.st_ino)

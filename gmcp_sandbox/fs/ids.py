"""Which owner a file shows inside, and which owner a request from inside means.

Reported ids are read in the mount's user namespace, where 0 is the caller. An id that does not exist inside shows as
65534. Nothing here decides who may do what: that is the pipeline's part.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

NOBODY = 65534


class IdView:
    """Translate owners between host and view.

    Invariant: translating is a dictionary look-up; nothing is read from the host's user database.
    """

    def __init__(self, uid: int, gid: int, groups: Iterable[int], *, is_root: bool) -> None:
        self._uid = uid
        self._gid = gid
        self._groups = frozenset(groups) | {gid}
        self.is_root = is_root

    @classmethod
    def for_user(cls, uid: int, gid: int, groups: Iterable[int]) -> IdView:
        """Return the view of an ordinary user: the user and the user's groups are 0, all else nobody."""
        return cls(uid, gid, groups, is_root=False)

    @classmethod
    def for_root(cls) -> IdView:
        """Return the view of a supervisor that runs as root: ids stay, but writable trees belong to 0."""
        return cls(0, 0, (), is_root=True)

    def uid(self, host_uid: int, *, writable: bool) -> int:
        """Return the owner to show for a file of `host_uid`; `writable` says that its mount takes changes."""
        if self.is_root:
            return 0 if writable else _bounded(host_uid)
        return 0 if host_uid == self._uid else NOBODY

    def gid(self, host_gid: int, *, writable: bool) -> int:
        """Return the group to show for a file of `host_gid`."""
        if self.is_root:
            return 0 if writable else _bounded(host_gid)
        return 0 if host_gid in self._groups else NOBODY

    def check_chown(self, uid: int | None, gid: int | None) -> None:
        """Accept a change of owner that changes nothing.

        Raises:
            PermissionError: the request names another id; inside there is only one.
        """
        if uid not in (None, 0) or gid not in (None, 0):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def _bounded(host_id: int) -> int:
    return host_id if host_id < 65536 else NOBODY

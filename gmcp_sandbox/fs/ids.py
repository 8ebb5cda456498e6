"""Which owner a file shows inside, and which owner a request from inside means.

Reported ids are read in the mount's user namespace. The host decides who may do what, on the caller's behalf, and the
pipeline; the kernel in between decides nothing by owner (the mount has no `default_permissions`), so that every attempt
is asked for and recorded.

- Root has a range of ids: owners show as they are, and what does not fit shows as nobody.
- An ordinary user has one id: everything shows as the caller's own. An id that is not mapped would do worse than look
  odd: the kernel refuses to write to such an object by itself, and no record would tell.
"""

from __future__ import annotations

import errno
import os

NOBODY = 65534
_RANGE = 65536


class IdView:
    """Translate owners between host and view."""

    def __init__(self, *, is_root: bool) -> None:
        self._is_root = is_root

    @classmethod
    def for_user(cls) -> IdView:
        """Return the view of an ordinary user."""
        return cls(is_root=False)

    @classmethod
    def for_root(cls) -> IdView:
        """Return the view of root."""
        return cls(is_root=True)

    def shown(self, host_id: int) -> int:
        """Return the owner or group to show for a host id."""
        if not self._is_root:
            return 0
        return host_id if host_id < _RANGE else NOBODY

    def meant(self, uid: int | None, gid: int | None) -> tuple[int, int] | None:
        """Return the host's (uid, gid) of a change of owner, -1 for what stays; None when nothing is to do.

        Raises:
            PermissionError: The caller has one id, and the request names another.
        """
        if self._is_root:
            return (-1 if uid is None else uid, -1 if gid is None else gid)
        if uid not in (None, 0) or gid not in (None, 0):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return None

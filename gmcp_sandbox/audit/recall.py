"""Read single records back from where the index says that they stand.

What is returned is what the log says. A place that holds something else (the log was changed after the index was made)
is an `AuditError`.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import BinaryIO

from gmcp_sandbox.audit.entries import AgainEntry, CallEntry, decode, resolve
from gmcp_sandbox.audit.index import Place
from gmcp_sandbox.audit.record import MAX_LINE
from gmcp_sandbox.audit.segments import open_segment, segment_name
from gmcp_sandbox.errors import AuditError

_OPEN_FILES = 64


class Recall:
    """Opens the files that it is asked for, and keeps some of them open. Close it."""

    def __init__(self, sessions: str) -> None:
        """`sessions` is the directory that holds a directory for each session."""
        self._sessions = sessions
        self._files: OrderedDict[str, BinaryIO] = OrderedDict()

    def __enter__(self) -> Recall:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def decision(self, place: Place) -> CallEntry:
        """Return the decision at a place, in full.

        Raises:
            AuditError: There is none.
        """
        path = os.path.join(self._sessions, place.session, segment_name(place.segment))
        found = decode(self._line(path, place.offset))
        if isinstance(found, AgainEntry):
            first = decode(self._line(path, place.first))
            if isinstance(first, CallEntry) and first.seq == found.ref:
                return resolve(found, first)
        elif isinstance(found, CallEntry):
            return found
        raise AuditError(
            f"{path!r} holds no decision where the index says",
            cause="the log was changed after the index was made",
            hint=f"gmcp-sandbox audit verify {place.session}",
        )

    def _line(self, path: str, offset: int) -> bytes:
        file = self._file(path)
        try:
            file.seek(offset)
            return file.readline(MAX_LINE)
        except OSError as error:
            raise AuditError(f"cannot read {path!r}", cause=error.strerror or "") from error

    def _file(self, path: str) -> BinaryIO:
        file = self._files.get(path)
        if file is None:
            if len(self._files) >= _OPEN_FILES:
                self._files.popitem(last=False)[1].close()
            file = self._files[path] = open_segment(path)
        return file

"""A session's bounds as they are reached: each in the record when it happens, all of them on the last lines.

The kernel counts (`proc/cgroups.py`); here the counts are looked at once a second and at the end, so that what brought
the session down is written before its log is sealed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from gmcp_sandbox.errors import AuditError

if TYPE_CHECKING:
    from gmcp_sandbox.audit.writer import AuditWriter
    from gmcp_sandbox.policy.profile import Limits
    from gmcp_sandbox.proc.cgroups import Groups, Reached

LOOK_SECONDS = 1.0


async def watch_limits(groups: Groups, audit: AuditWriter) -> None:
    """Write down every bound soon after it is reached. Raises AuditError."""
    while True:
        await trio.sleep(LOOK_SECONDS)
        _record(groups, audit)


def write_down(groups: Groups, audit: AuditWriter) -> list[Reached]:
    """Write down what is not yet, and return everything that was reached; a log that broke takes nothing more."""
    try:
        _record(groups, audit)
    except AuditError:
        pass  # the broken log is the session's ending already, and says so
    return groups.reached()


def remarks_of(reached: list[Reached], limits: Limits) -> list[str]:
    """Say what was reached, for the operator."""
    return [f"limits.{each.limit} ({_shown(each.limit, limits)}) was reached: {each.what}" for each in reached]


def _record(groups: Groups, audit: AuditWriter) -> None:
    for each in groups.news():
        audit.event("limit", limit=each.limit, what=each.what, times=each.times)


def _shown(name: str, limits: Limits) -> str:
    value = getattr(limits, name)
    return f"{value >> 20} MiB" if name.endswith("_bytes") else str(value)

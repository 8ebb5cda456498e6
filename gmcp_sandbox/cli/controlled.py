"""A running session as its control socket sees it: its figures, its profile, its end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.monitor.changes import proposed
from gmcp_sandbox.monitor.session import Ending

if TYPE_CHECKING:
    from gmcp_sandbox.audit.encode import JSON
    from gmcp_sandbox.audit.writer import AuditWriter
    from gmcp_sandbox.calls.call import ToolCall
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.cli.reloading import Reloading
    from gmcp_sandbox.policy.state import SessionState

_SAMPLE_SECONDS = 2.0
_SAMPLES = 6
_LARGEST_SHOWN = 1 << 20
"""Bytes of a file that a change is shown of."""


class Controlled:
    """What the control socket reports and does."""

    def __init__(  # noqa: PLR0913 - the parts of a session, each said by name
        self,
        prepared: Preparation,
        audit: AuditWriter,
        state: SessionState,
        *,
        end: Callable[[Ending], None],
        reloading: Reloading | None = None,
        present: Callable[[str], tuple[bytes, bool] | None] = lambda path: None,
        nodes: Callable[[], int] = lambda: 0,
        flows: Callable[[], int] = lambda: 0,
    ) -> None:
        """`present` tells what an open file says now, and whether calls on it carry the whole file.

        `nodes` tells how many objects the kernel holds of the file system, `flows` how many connections there are.
        """
        self._prepared = prepared
        self._audit = audit
        self._state = state
        self._end = end
        self._reloading = reloading
        self._present = present
        self._nodes = nodes
        self._flows = flows
        self._started_ns = time.time_ns()
        self._samples: deque[tuple[float, int, int]] = deque([(time.monotonic(), 0, 0)], maxlen=_SAMPLES)

    async def sample(self) -> None:
        """Take samples, for rates of the last seconds, until cancelled."""
        while True:
            await trio.sleep(_SAMPLE_SECONDS)
            self._samples.append((time.monotonic(), self._audit.allowed, self._audit.denied - self._audit.unseen))

    def status(self) -> dict[str, JSON]:
        """Return figures and facts; rates are calls a second over the last ten seconds or so."""
        audit, state = self._audit, self._state
        profile = self._prepared.profile if self._reloading is None else self._reloading.profile
        then, allowed, denied = self._samples[0]
        seconds = max(time.monotonic() - then, 0.001)
        return {
            "session": audit.session,
            "agent": self._prepared.agent,
            "profile": profile.name,
            "digest": profile.digest,
            "started_ns": self._started_ns,
            "allowed": audit.allowed,
            "denied": audit.denied - audit.unseen,
            "unseen": audit.unseen,
            "allowed_per_second": round((audit.allowed - allowed) / seconds, 1),
            "denied_per_second": round((audit.denied - audit.unseen - denied) / seconds, 1),
            "taint": list(state.taint_names),
            "tier": state.tier.name.lower(),
            "epoch": state.epoch,
            "nodes": self._nodes(),
            "flows": self._flows(),
        }

    def change(self, call: ToolCall) -> tuple[bytes, bytes] | None:
        """Return what a file says now and would say after a call."""
        found = self._present(call.object)
        if found is None:
            return None
        before, is_whole = found
        after = proposed(call, before, is_whole=is_whole)
        return None if after is None or len(after) > _LARGEST_SHOWN else (before, after)

    async def reload(self) -> dict[str, JSON]:
        """Read the profile again."""
        if self._reloading is None:
            raise UsageError("this session's profile is not read again")
        return await self._reloading.reload()

    def stop(self) -> None:
        """End the session as `stop` does."""
        self._end(Ending("stopped", 143, "the session was stopped"))

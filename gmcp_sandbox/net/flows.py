"""Which TCP flows there are and what becomes of a SYN. Pure: time comes in, decisions go out.

    SYN ─► JUDGED ─► READY ─► OPEN ─► gone
             │         └─ not taken up in time ─► gone
             ├─ denied, refused, unreachable ─► gone
             └─ no answer from upstream ─► SILENT ─► gone

Invariants:
- A connection is open only for a flow that was ready, once.
- A repeated SYN of a flow is no new call: it is held in place of the first, or let in to meet its connection.
- There are never more than `most` flows, and never more than `most_half_open` that no connection may yet come of.
- A silent flow is none of either: it costs a line here, so that hosts which do not answer do not use up the room of
  those that do. Of too many the oldest is forgotten; should its SYN come once more, it is a new call.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

MOST_SILENT: Final = 1024


class FlowKey(NamedTuple):
    """A flow of the agent's: its port, and what it dialled. The agent has one address of each family."""

    source_port: int
    address: str
    port: int


class Stage(enum.Enum):
    """How far a flow has come."""

    JUDGED = "judged"
    READY = "ready"
    SILENT = "silent"
    OPEN = "open"


class Answer(enum.Enum):
    """What to do with a SYN."""

    JUDGE = "judge"
    """A new flow: it is in the table from now on."""
    HOLD = "hold"
    """Nothing: the flow is being judged, and this SYN is the one that will be let in."""
    LET_IN = "let in"
    """The gateway's kernel knows what to say to it."""
    WAIT = "wait"
    """Nothing: too many are half open; the agent's kernel will ask again."""
    REFUSE = "refuse"
    """Too many flows."""


class _Flow:
    __slots__ = ("expires", "frame", "sequence", "stage")

    def __init__(self, sequence: int, frame: bytes) -> None:
        self.stage = Stage.JUDGED
        self.sequence = sequence
        self.frame = frame
        self.expires = 0.0


class FlowTable:
    """All flows of one session."""

    def __init__(self, most: int, most_half_open: int, most_silent: int = MOST_SILENT) -> None:
        self._most = most
        self._most_half_open = most_half_open
        self._most_silent = most_silent
        self._flows: dict[FlowKey, _Flow] = {}
        self._silent: dict[FlowKey, _Flow] = {}  # of equal time-outs, so in the order in which they expire
        self._half_open = 0

    def __len__(self) -> int:
        return len(self._flows) - len(self._silent)

    def stage(self, key: FlowKey) -> Stage | None:
        """Return how far a flow has come, or None when there is none."""
        flow = self._flows.get(key)
        return None if flow is None else flow.stage

    def syn(self, key: FlowKey, sequence: int, frame: bytes, now: float) -> Answer:
        """Take note of a SYN and say what to do with it."""
        self._expire(now)
        flow = self._flows.get(key)
        if flow is not None and flow.stage is Stage.SILENT and flow.sequence != sequence:
            self.close(key)  # the agent has given up and tries anew
            flow = None
        if flow is None:
            return self._begin(key, sequence, frame)
        if flow.stage in (Stage.READY, Stage.OPEN):
            return Answer.LET_IN
        flow.sequence, flow.frame = sequence, frame
        return Answer.HOLD

    def _begin(self, key: FlowKey, sequence: int, frame: bytes) -> Answer:
        if len(self._flows) - len(self._silent) >= self._most:
            return Answer.REFUSE
        if self._half_open >= self._most_half_open:
            return Answer.WAIT
        self._flows[key] = _Flow(sequence, frame)
        self._half_open += 1
        return Answer.JUDGE

    def ready(self, key: FlowKey) -> bytes:
        """Expect the connection of a judged flow; return the SYN to let in."""
        flow = self._flows[key]
        assert flow.stage is Stage.JUDGED
        flow.stage = Stage.READY
        return flow.frame

    def open(self, key: FlowKey) -> bool:
        """A connection has come: return whether it was expected. It is open then, and no second one is expected."""
        flow = self._flows.get(key)
        if flow is None or flow.stage is not Stage.READY:
            return False
        flow.stage = Stage.OPEN
        flow.frame = b""
        self._half_open -= 1
        return True

    def silence(self, key: FlowKey, until: float) -> None:
        """Upstream did not answer: neither do we, for as long as the agent's kernel may ask again."""
        flow = self._flows[key]
        assert flow.stage is Stage.JUDGED
        flow.stage, flow.expires, flow.frame = Stage.SILENT, until, b""
        self._half_open -= 1
        if len(self._silent) >= self._most_silent:
            self.close(next(iter(self._silent)))
        self._silent[key] = flow

    def close(self, key: FlowKey) -> bytes:
        """Forget a flow; return the SYN that was held for it, if any."""
        flow = self._flows.pop(key, None)
        if flow is None:
            return b""
        if flow.stage in (Stage.JUDGED, Stage.READY):
            self._half_open -= 1
        self._silent.pop(key, None)
        return flow.frame

    def _expire(self, now: float) -> None:
        while self._silent:
            key, flow = next(iter(self._silent.items()))
            if flow.expires > now:
                break
            self.close(key)

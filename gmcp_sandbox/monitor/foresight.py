"""Where a session stands, as one value: what it is compared with once its epoch rose."""

from __future__ import annotations

from typing import NamedTuple

from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.policy.state import SessionState


class Stand(NamedTuple):
    """By whom a session was judged, and what it had become."""

    pipeline: Pipeline
    state: SessionState

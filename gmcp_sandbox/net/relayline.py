"""What relay and supervisor say to each other, over a `SOCK_SEQPACKET` pair."""

from __future__ import annotations

import struct
from typing import Final

OPENING: Final = struct.Struct("=BId")
"""To the relay: word, number of the flow, seconds without a byte after which it ends."""
OPEN: Final = 1
"""Take this flow; the agent's socket and the upstream's come with the message."""
CLOSE: Final = 2
"""End this flow at once."""

REPORT: Final = struct.Struct("=BIQQB")
"""From the relay: word, number of the flow, bytes up, bytes down, how it ended."""
MOVED: Final = 1
"""So many bytes were carried so far."""
ENDED: Final = 2
"""This flow has ended; nothing more comes for this number."""

ENDINGS: Final = ("closed", "reset", "idle", "revoked")

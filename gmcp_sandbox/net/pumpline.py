"""What pump and supervisor say to each other, over a `SOCK_SEQPACKET` pair: one word, then a frame.

A frame is a virtio header and an IP packet, as TUN devices carry them.
"""

from __future__ import annotations

from typing import Final

# From the pump
JUDGE: Final = ord("j")
"""A packet of the agent's that may not go across by itself."""
LISTENING: Final = ord("l")
"""A listening socket comes with this message; then its port, two bytes."""
DROPPED: Final = ord("d")
"""So many packets (eight bytes) were dropped because the supervisor had too much to do."""
CROSSED: Final = ord("c")
"""The kernel carries what may cross. Both devices come with this message, the agent's and the gateway's: what is read
of the second is to be judged, and what is written to them is as good as given to the pump."""
BROKEN: Final = ord("b")
"""The pump ends; then why, as text."""

# To the pump
TO_AGENT: Final = b"a"
"""Write this frame to the agent's device."""
TO_GATEWAY: Final = b"g"
"""Write this frame to the gateway's device."""
LISTEN: Final = b"l"
"""Make a listener on this port, two bytes, and hand it up; then write the frame behind it to the gateway's device."""

MESSAGE_BYTES: Final = 65_536 + 64

"""Who is who on the agent's link.

The agent has one address of each family, both reserved for links like this one, so that neither can be a real
destination: 192.0.0.0/29 (RFC 7335) and a unique local prefix (RFC 4193). Every other address lies behind the link.
"""

from __future__ import annotations

from typing import Final

AGENT_DEVICE: Final = "gmcp0"
"""TUN in the agent's network namespace."""
GATEWAY_DEVICE: Final = "gmcp1"
"""TUN in the gateway's network namespace."""

AGENT_CROSSING: Final = "gmcp2"
GATEWAY_CROSSING: Final = "gmcp3"
"""The two ends of the way across in the kernel (net/crossing.py)."""

AGENT_V4: Final = "192.0.0.2"
AGENT_V6: Final = "fd67:6d63:7000::2"
GATEWAY_V4: Final = "192.0.0.1"
"""Where ICMP errors come from."""
GATEWAY_V6: Final = "fd67:6d63:7000::1"

AGENT_V4_PACKED: Final = bytes((192, 0, 0, 2))
AGENT_V6_PACKED: Final = bytes.fromhex("fd676d63700000000000000000000002")

AGENT_ADDRESSES: Final = frozenset((AGENT_V4, AGENT_V6))

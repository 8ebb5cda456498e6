"""How a refusal looks from inside: an ordinary error of the network, at once.

connect() fails with ECONNREFUSED on a reset, with EHOSTUNREACH (EACCES on IPv6) where the profile wants ICMP to say
that it is prohibited, and else as upstream failed. Where upstream gave no answer there is none to give.
"""

from __future__ import annotations

import contextlib
import errno
from typing import Final

from gmcp_sandbox.net.addressing import GATEWAY_V4, GATEWAY_V6
from gmcp_sandbox.net.gateway import Gateway
from gmcp_sandbox.net.packets import Code, Packet, PacketError, tcp_reset, unreachable
from gmcp_sandbox.policy.network import Denial

SILENCE: Final = errno.ETIMEDOUT
_CODES: Final[dict[int, Code]] = {errno.EHOSTUNREACH: "host", errno.ENETUNREACH: "net", errno.ECONNREFUSED: "port"}


class Refusals:
    """Answers packets that go nowhere."""

    def __init__(self, gateway: Gateway, denial: Denial) -> None:
        self._gateway = gateway
        self._denial = denial

    def denied(self, packet: Packet, data: bytes) -> None:
        """The policy says no."""
        if packet.tcp is not None and self._denial == "reset":
            self._reset(packet)
        else:
            self._unreachable(packet, data, "port" if self._denial == "reset" else "admin")

    def failed(self, packet: Packet, data: bytes, code: int) -> None:
        """Upstream cannot be had, for this reason. EACCES is the policy's no; ETIMEDOUT is answered by silence."""
        if code == SILENCE:
            return
        if code == errno.EACCES:
            self.denied(packet, data)
        elif packet.tcp is not None and code in (errno.ECONNREFUSED, errno.ECONNRESET):
            self._reset(packet)
        else:
            self._unreachable(packet, data, _CODES.get(code, "host"))

    def _reset(self, packet: Packet) -> None:
        with contextlib.suppress(PacketError):  # a reset is not answered
            self._gateway.to_agent(tcp_reset(packet))

    def _unreachable(self, packet: Packet, data: bytes, code: Code) -> None:
        speaker = GATEWAY_V4 if packet.version == 4 else GATEWAY_V6
        with contextlib.suppress(PacketError):
            self._gateway.to_agent(unreachable(data, code, speaker))

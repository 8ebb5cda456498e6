"""Fake addresses: each stands for one name, for as long as the session lasts.

Invariants:
- An address is bound to one name and never to another in the same session; a name has one address of each family.
- Which address a name gets follows from (key, agent, name), so that it is the same in the agent's next session, unless
  another name was there first. Nobody without the key can tell or choose it.
- At most `most` names; after that, no name gets an address.
"""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple

from blake3 import blake3

from gmcp_sandbox.policy.addresses import FAKE_V4, FAKE_V6, canonical

_PREFIX_V6: Final = int(FAKE_V6.network_address)
_SLOTS_V4: Final = FAKE_V4.num_addresses - 2
"""All but the first and the last, which some programs take for network and broadcast."""
_SLOTS_V6: Final = 1 << 64
KEY_BYTES: Final = 32


class Fake(NamedTuple):
    """The addresses of a name, packed as they go into answers."""

    v4: bytes
    v6: bytes


class FakeNames:
    """The names of one session."""

    def __init__(self, key: bytes, agent: str, most: int) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key must have {KEY_BYTES} bytes")
        if not 0 < most <= _SLOTS_V4 // 2:
            raise ValueError("the pool would not do for so many names")
        self._key = key
        self._agent = agent.encode("utf-8", "surrogateescape")
        self._most = most
        self._fakes: dict[str, Fake] = {}
        self._names: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._fakes)

    def bind(self, name: str) -> Fake | None:
        """Return the addresses of a name, given out now or earlier; None when the pool is exhausted."""
        found = self._fakes.get(name)
        if found is not None or len(self._fakes) >= self._most:
            return found
        digest = blake3(self._agent + b"\0" + name.encode("utf-8", "surrogateescape"), key=self._key).digest()
        v4 = self._free_v4(int.from_bytes(digest[:8], "big") % _SLOTS_V4)
        v6 = self._free_v6(int.from_bytes(digest[8:16], "big"))
        self._names[canonical(v4)] = self._names[canonical(v6)] = name
        self._fakes[name] = fake = Fake(v4.packed, v6.packed)
        return fake

    def _free_v4(self, slot: int) -> ipaddress.IPv4Address:
        while canonical(address := FAKE_V4[1 + slot]) in self._names:
            slot = (slot + 1) % _SLOTS_V4
        return address

    def _free_v6(self, slot: int) -> ipaddress.IPv6Address:
        while canonical(address := ipaddress.IPv6Address(_PREFIX_V6 | slot)) in self._names:
            slot = (slot + 1) % _SLOTS_V6
        return address

    def name_of(self, address: str) -> str | None:
        """Return the name that an address (canonical text) stands for, or None."""
        return self._names.get(address)

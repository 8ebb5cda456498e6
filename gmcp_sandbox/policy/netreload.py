"""What of an edited `[net]` holds in a session that runs: grants and denials of hosts, at once; the rest waits.

Guarantees:
- What the new section does not grant is not granted: nothing of the old grants is kept beside the new ones.
- No grant holds whose TLS nobody would open: it waits, and with it what it would have granted.
- A session that began without a network gets none.
"""

from __future__ import annotations

import msgspec

from gmcp_sandbox.policy.network import Network


def in_force(began: Network | None, new: Network | None) -> Network | None:
    """Return the section to judge by from now on.

    Args:
        began: What the session was started with: its helpers, limits, tokens and authority are made for it.
        new: What the profile says now. Where the result differs from it, the difference waits for the next start.
    """
    if began is None:
        return None
    if new is None:
        return msgspec.structs.replace(began, allow=(), deny=(), services=())
    opens_tls = any(rule.intercept for each in (began, began.above) if each is not None for rule in each.allow)
    dns = msgspec.structs.replace(new.dns, names=began.dns.names)
    hosts = new if opens_tls else _without_opening(new)
    return msgspec.structs.replace(
        began, allow=hosts.allow, deny=hosts.deny, services=hosts.services, above=hosts.above, dns=dns
    )


def _without_opening(network: Network) -> Network:
    """Leave grants out whose TLS would have to be opened: the profile's own, and those of the ceiling above it."""
    above = None if network.above is None else _without_opening(network.above)
    allow = tuple(rule for rule in network.allow if not rule.intercept)
    return msgspec.structs.replace(network, allow=allow, above=above)

"""The range of host ids that sessions of root run under, and whether this machine can give it."""

from __future__ import annotations

ROOT_RANGE_BASE = 1_900_000_000
"""First host id of the range: above all that distributions and systemd give to users and containers (the last ends at
1,879,048,191, see systemd's UIDS-GIDS), below the sign bit of 32."""
ROOT_RANGE_LENGTH = 65_536


def gives_root_range(id_map: str) -> bool:
    """True when a user namespace with this uid_map or gid_map (user_namespaces(7)) has the whole range."""
    last = ROOT_RANGE_BASE + ROOT_RANGE_LENGTH
    for line in id_map.splitlines():
        words = line.split()
        if len(words) == 3 and all(word.isdecimal() for word in words):
            first, _outside, count = map(int, words)
            if first <= ROOT_RANGE_BASE and last <= first + count:
                return True
    return False

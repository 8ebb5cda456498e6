"""What a supervisor holds over time, and whether it grows. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

WARM_UP = 0.3
"""The share of the run in which caches fill."""
MEMORY_GROWTH = 0.08
"""Of the median after the warm-up, which the last third may have more: noise of an allocator, no leak."""
MEMORY_SLACK_KIB = 6 * 1024
DESCRIPTOR_SLACK = 12
"""What may be open at the moment of a sample. A leak of one a round is more within minutes."""


@dataclass(frozen=True)
class Sample:
    """One look at a session."""

    seconds: float
    rss_kib: int
    descriptors: int
    threads: int
    nodes: int
    calls: int
    log_bytes: int
    processes: int

    def __str__(self) -> str:
        return (
            f"{self.seconds:7.0f} s  {self.rss_kib / 1024:7.1f} MiB  {self.descriptors:4} fds  {self.threads:3} threads"
            f"  {self.nodes:6} nodes  {self.calls:9,} calls  {self.log_bytes / 2**20:7.1f} MiB log"
            f"  {self.processes:3} processes"
        )


def findings(samples: Sequence[Sample]) -> list[str]:
    """Return what grows after the warm-up: the last third is compared with the first one after it."""
    warm = samples[int(len(samples) * WARM_UP) :]
    third = len(warm) // 3
    if third < 3:
        return [f"only {len(samples)} samples: too few to judge by"]
    early, late = warm[:third], warm[-third:]
    found = []
    before, after = (statistics.median(each.rss_kib for each in part) for part in (early, late))
    if after > before * (1 + MEMORY_GROWTH) + MEMORY_SLACK_KIB:
        found.append(f"memory grows: {before / 1024:.1f} → {after / 1024:.1f} MiB")
    for name in ("descriptors", "threads"):
        least_before, least_after = (min(getattr(each, name) for each in part) for part in (early, late))
        if least_after > least_before + DESCRIPTOR_SLACK:
            found.append(f"{name} grow: {least_before} → {least_after}")
    least_before, least_after = (min(each.nodes for each in part) for part in (early, late))
    if least_after > 2 * least_before + 2000:
        found.append(f"the node table grows: {least_before} → {least_after}")
    return found

"""What a session holds over time, and whether it grows. Pure.

What is judged begins when the caches are full (`WARM_UP`). Memory goes up and down with what is under way, so that no
two moments compare: its trend is the median of the slopes between all pairs of samples (Theil and Sen), which a third
of wild samples does not move, and it must come to less than `MEMORY_SLACK_KIB` over what is judged. Of whatever is
counted, the least of the last third is compared with the least of the first: what is open in passing differs from
sample to sample, what leaks is there in each.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

WARM_UP = 0.25
"""The share of the run in which caches fill."""
MEMORY_SLACK_KIB = 6 * 1024
"""How much the trend of memory may come to: noise of an allocator, no leak. In an hour's run, 8 MiB an hour."""
FEWEST = 12
LOG_GROWTH = 1.25
SLACK: Mapping[str, int] = {"descriptors": 12, "threads": 4, "nodes": 1000, "flows": 4, "watches": 2, "mounts": 0}
"""What may be open at the moment of every sample. A leak of one a round is more within minutes."""
_MIB = 1024
_PAIRS = 400


@dataclass(frozen=True)
class Helper:
    """One process of the session's beside the supervisor."""

    name: str
    rss_kib: int
    descriptors: int


@dataclass(frozen=True)
class Sample:
    """One look at a session.

    Attributes:
        watches: inotify instances and watches of the supervisor.
        mounts: Of the supervisor's mount namespace.
        helpers: Every other process below the supervisor, the agent's included, by pid.
    """

    seconds: float
    rss_kib: int
    descriptors: int
    threads: int
    nodes: int
    flows: int
    calls: int
    log_bytes: int
    watches: int = 0
    mounts: int = 0
    helpers: Mapping[int, Helper] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{self.seconds:7.0f} s  {self.rss_kib / _MIB:7.1f} MiB  {self.descriptors:4} fds  {self.threads:3} threads"
            f"  {self.nodes:6} nodes  {self.flows:3} flows  {self.calls:10,} calls"
            f"  {self.log_bytes / 2**20:8.1f} MiB log  {len(self.helpers):3} processes"
        )


def judged(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Return the samples after the warm-up."""
    return samples[int(len(samples) * WARM_UP) :]


def findings(samples: Sequence[Sample]) -> list[str]:
    """Return what grows after the warm-up."""
    warm = judged(samples)
    if len(warm) < FEWEST:
        return [f"only {len(samples)} samples: too few to judge by"]
    found = [_memory("the supervisor's memory", warm, lambda sample: sample.rss_kib)]
    found += [_count(name, warm, lambda sample, name=name: int(getattr(sample, name))) for name in SLACK]  # type: ignore[misc]
    for pid, helper in lasting(warm).items():
        what = f"{helper.name} ({pid})"
        found.append(_memory(f"the memory of {what}", warm, lambda sample, pid=pid: sample.helpers[pid].rss_kib))  # type: ignore[misc]
        held = [sample.helpers[pid].descriptors for sample in warm]
        found.append(_beyond(f"descriptors of {what}", held, SLACK["descriptors"]))
    found.append(_log(warm))
    return [one for one in found if one]


def lasting(samples: Sequence[Sample]) -> dict[int, Helper]:
    """Return the processes that are there in every sample."""
    pids = set.intersection(*(set(sample.helpers) for sample in samples))
    return {pid: samples[0].helpers[pid] for pid in sorted(pids)}


def trend_kib(samples: Sequence[Sample], of: Callable[[Sample], int]) -> float:
    """Return what the trend comes to over these samples: the median slope times the length."""
    step = max(1, len(samples) // _PAIRS)
    points = [(sample.seconds, of(sample)) for sample in samples[::step]]
    slopes = [(late - early) / (after - before) for (before, early), (after, late) in combinations(points, 2)]
    return statistics.median(slopes) * (points[-1][0] - points[0][0])


def _memory(what: str, warm: Sequence[Sample], of: Callable[[Sample], int]) -> str:
    grown = trend_kib(warm, of)
    if grown <= MEMORY_SLACK_KIB:
        return ""
    minutes = (warm[-1].seconds - warm[0].seconds) / 60
    return f"{what} grows: {grown / _MIB:.1f} MiB in {minutes:.1f} minutes"


def _count(name: str, warm: Sequence[Sample], of: Callable[[Sample], int]) -> str:
    return _beyond(name, [of(sample) for sample in warm], SLACK[name])


def _beyond(what: str, counts: Sequence[int], slack: int) -> str:
    third = len(counts) // 3
    before, after = min(counts[:third]), min(counts[-third:])
    return f"{what} grow: {before} → {after}" if after > before + slack else ""


def _log(warm: Sequence[Sample]) -> str:
    """Say when a call costs more of the log than it did."""
    third = len(warm) // 3
    early, late = (_bytes_a_call(part) for part in (warm[: third + 1], warm[-third - 1 :]))
    return f"a call costs more of the log: {early:.0f} → {late:.0f} bytes" if late > LOG_GROWTH * early else ""


def _bytes_a_call(part: Sequence[Sample]) -> float:
    return (part[-1].log_bytes - part[0].log_bytes) / max(1, part[-1].calls - part[0].calls)


def summary(samples: Sequence[Sample], parts: int = 6) -> list[str]:
    """Return a table: the run in parts, each with what was held in it."""
    lines = [
        "| minutes | RSS in MiB, least / median / most | fds | threads | nodes | flows | watches | calls | log/call |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    size = max(2, len(samples) // parts)
    for start in range(0, len(samples) - size + 1, size):
        part = samples[start : start + size]
        counts = (
            f"{_least(part, name)}–{_most(part, name)}"
            for name in ("descriptors", "threads", "nodes", "flows", "watches")
        )
        memory = sorted(sample.rss_kib / _MIB for sample in part)
        held = f"{memory[0]:.0f} / {statistics.median(memory):.0f} / {memory[-1]:.0f}"
        minutes = f"{part[0].seconds / 60:.0f}–{part[-1].seconds / 60:.0f}"
        calls = part[-1].calls - part[0].calls
        lines.append(f"| {minutes} | {held} | {' | '.join(counts)} | {calls:,} | {_bytes_a_call(part):.0f} |")
    return lines


def _least(part: Sequence[Sample], name: str) -> int:
    return min(int(getattr(sample, name)) for sample in part)


def _most(part: Sequence[Sample], name: str) -> int:
    return max(int(getattr(sample, name)) for sample in part)

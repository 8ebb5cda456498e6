"""What is said and written of bounds that were reached."""

from __future__ import annotations

from gmcp_sandbox.cli.limiting import remarks_of, write_down
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.policy.profile import Limits
from gmcp_sandbox.proc.cgroups import Groups, Reached


class Counted(Groups):
    """Groups of which the test says what the kernel counted."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def reached(self) -> list[Reached]:
        return [Reached(limit, times, "it was stopped") for limit, times in self.counts.items()]


class Log:
    def __init__(self, *, is_broken: bool = False) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []
        self.is_broken = is_broken

    def event(self, name: str, **fields: object) -> None:
        if self.is_broken:
            raise AuditError("the log is full")
        self.events.append((name, fields))


def test_each_bound_is_written_down_when_its_count_rises() -> None:
    groups, log = Counted(), Log()
    assert write_down(groups, log) == []  # type: ignore[arg-type]
    for times in (1, 1, 3):
        groups.counts["processes"] = times
        assert [each.times for each in write_down(groups, log)] == [times]  # type: ignore[arg-type]
    assert [(name, fields["times"]) for name, fields in log.events] == [("limit", 1), ("limit", 3)]


def test_a_broken_log_does_not_hide_what_was_reached() -> None:
    groups = Counted()
    groups.counts["memory_bytes"] = 1
    assert len(write_down(groups, Log(is_broken=True))) == 1  # type: ignore[arg-type]


def test_the_operator_reads_which_limit_and_how_much_it_was() -> None:
    reached = [Reached("memory_bytes", 2, "a process was killed"), Reached("processes", 1, "no more")]
    assert remarks_of(reached, Limits(memory_bytes=300 << 20, processes=9)) == [
        "limits.memory_bytes (300 MiB) was reached: a process was killed",
        "limits.processes (9) was reached: no more",
    ]

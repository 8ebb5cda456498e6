"""The collector of cycles is away while a start lasts, and back afterwards."""

from __future__ import annotations

import gc

from gmcp_sandbox import collector
from tests.children import in_child


def test_nothing_is_collected_until_it_is_resumed() -> None:
    def action() -> list[bool]:
        collector.put_off()
        states = [gc.isenabled()]
        collector.resume()
        return [*states, gc.isenabled(), gc.get_freeze_count() > 0]

    assert in_child(action) == [False, True, True]

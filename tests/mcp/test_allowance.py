"""A server that talks without end is heard as much as one that does not."""

import trio

from gmcp_sandbox.mcp.allowance import BURST, Allowance


async def test_a_burst_passes_and_then_as_many_as_a_second_allows(autojump_clock):
    allowance = Allowance()
    assert sum(allowance.take() for _ in range(5 * BURST)) == BURST
    assert allowance.dropped == 4 * BURST
    await trio.sleep(1)
    assert sum(allowance.take() for _ in range(5 * BURST)) == 200
    await trio.sleep(3600)
    assert sum(allowance.take() for _ in range(5 * BURST)) == BURST

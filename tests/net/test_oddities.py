from __future__ import annotations

import trio

from gmcp_sandbox.net.oddities import Oddities
from tests.net.link import Host


async def noted(*kinds):
    host = Host()
    oddities = Oddities(host)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(oddities.serve)
        for kind, destination in kinds:
            oddities.note(kind, destination)
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return host, oddities


async def test_each_kind_and_destination_is_one_denied_call():
    host, _ = await noted(("fragment", "203.0.113.9"), ("fragment", "203.0.113.9"), ("quic", "api.example.com"))
    assert [(call.object, call.args.protocol, call.args.fault) for call in host.calls] == [
        ("203.0.113.9", "other", "fragment"),
        ("api.example.com", "other", "quic"),
    ]


async def test_a_flood_is_counted_and_cannot_fill_the_log():
    host, oddities = await noted(*(("fragment", f"203.0.113.{number % 250}") for number in range(500)))
    oddities.count("noise", 3)
    assert len(host.calls) <= 64
    oddities.report(host.event)
    assert host.events == [("packets_refused", {"counts": {"fragment": 500, "noise": 3}})]


async def test_where_there_was_nothing_nothing_is_said():
    host, oddities = await noted()
    oddities.report(host.event)
    assert host.events == []

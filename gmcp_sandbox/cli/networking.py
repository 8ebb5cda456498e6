"""Put the parts of a session's network together: rules, names, resolver, dialler, application layer, plumbing.

Imported only for a profile with a network, while the set-up process is busy with the mounts.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from gmcp_sandbox.monitor.arrivals import Arrivals
from gmcp_sandbox.monitor.statedir import StateDir
from gmcp_sandbox.net.addresses import OwnAddresses
from gmcp_sandbox.net.budgets import Budgets
from gmcp_sandbox.net.converse import Conversation
from gmcp_sandbox.net.dial import Dial
from gmcp_sandbox.net.dns import NameServer
from gmcp_sandbox.net.inward import Inward
from gmcp_sandbox.net.names import FakeNames
from gmcp_sandbox.net.parts import Parts
from gmcp_sandbox.net.proxy import proxy_of
from gmcp_sandbox.net.resolve import Resolver
from gmcp_sandbox.net.service import Network
from gmcp_sandbox.policy.hostrules import HostRules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gmcp_sandbox.audit.writer import AuditWriter
    from gmcp_sandbox.cli.outfit import Outfit
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.monitor.monitor import Monitor
    from gmcp_sandbox.net.converse import Interception
    from gmcp_sandbox.net.inward import Door
    from gmcp_sandbox.policy.network import Network as Policy


def build_network(  # noqa: PLR0913 - the parts of a session, each said by name
    prepared: Preparation,
    monitor: Monitor,
    audit: AuditWriter,
    outfit: Outfit,
    lines: tuple[int, int],
    doors: Mapping[str, Door],
) -> Network:
    """Build the network on our ends of the lines to pump and relay; `doors`: behind our names. Raises HostError."""
    policy = prepared.profile.net
    assert policy is not None
    rules = HostRules(policy)
    names = FakeNames(StateDir.open().names_key(), prepared.agent, policy.dns.names)
    dial = Dial(rules, Resolver(), OwnAddresses(), proxy_of(policy.proxy, os.environ))
    state = monitor.state
    count = Budgets(rules, state, then=lambda kind, host, amount: state.count(kind, host, amount, time.time_ns()))
    interception = outfit.interception
    conversation = Conversation(
        monitor,
        interception=interception,
        is_ruled=rules.rules_requests,
        arrivals=Arrivals(monitor, state),
        idle=policy.idle_seconds,
    )
    inward = Inward(doors, dial, conversation)
    parts = Parts(
        policy=policy,
        mediator=monitor,
        names=names,
        dns=NameServer(monitor, names),
        dialer=inward,
        locator=dial,
        converse=inward,
        count=count,
        event=audit.event,
        adopt=_adopting(dial, count, conversation, interception),
        beside=conversation.run,
    )
    network = Network(parts, *(socket.socket(fileno=fd) for fd in lines))
    monitor.state.watch(network.reconsider)
    return network


def _adopting(
    dial: Dial, count: Budgets, conversation: Conversation, interception: Interception | None
) -> Callable[[Policy], None]:
    """Return what takes another policy over."""

    def adopt(new: Policy) -> None:
        now = HostRules(new)
        dial.use(now)
        count.use(now)
        conversation.is_ruled = now.rules_requests
        if interception is not None:
            interception.wanted = now.intercepts

    return adopt

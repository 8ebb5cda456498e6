"""What trust says about hosts: the `[net]` section judges every call whose object is a host.

Default is deny: a host that no grant covers, at that port and by that protocol, is out of reach. What `[[net.deny]]`
covers is, too. A literal address is granted only by a network that names it on purpose, never by a name or a star.
The name of a TLS ClientHello and the host of a request must be the one that the flow is bound to. A grant with methods
or paths grants no flow whose requests nobody sees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gmcp_sandbox.calls.arguments import HttpRequest, NetConnect, NetSend, TlsHello
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Layer, Verdict
from gmcp_sandbox.pipeline.layer import allow, deny
from gmcp_sandbox.policy.addresses import looks_numeric, parse_address, special
from gmcp_sandbox.policy.hostrules import Grant, HostRules, is_odd
from gmcp_sandbox.policy.network import Network, Protocol
from gmcp_sandbox.policy.state import SessionState


def _deny(word: str, detail: str = "") -> Verdict:
    return deny(Layer.TRUST, word, detail)


_ALLOW = allow(Layer.TRUST)
_NO_NETWORK = _deny("no_network", "the profile has no [net]")
_NUMERIC = _deny("numeric_name", "the name would be read as an address")
_DENIED = _deny("denied_host", "a [[net.deny]] covers it")
_BUDGET = _deny("budget", "its byte budget is spent")
_LITERAL = _deny("literal_address", "no [[net.allow]] names the address")
_NO_HOST = _deny("no_host", "no [[net.allow]] covers the host")
_PORT = _deny("port", "no [[net.allow]] of the host covers port and protocol")
_ODD = _deny("odd_name", "what the star stands for is too long or too irregular for a name")
_RAW = _deny("raw", "no [[net.allow]] of the host has raw = true")
_MISMATCH = _deny("name_mismatch", "the message names another host than the flow is bound to")
_UNSEEN = _deny("unseen_requests", "methods or paths are ruled, and inside TLS nobody would see them")
_REQUEST = _deny("request", "no [[net.allow]] of the host covers method and path")
_REQUEST_DENIED = _deny("denied_request", "a [[net.deny]] covers method and path")
_PACKET = _deny("packet", "no packet of this kind is ever granted")


class Reach:
    """Judge by host."""

    def __init__(self, network: Network | None) -> None:
        self._rules = None if network is None else HostRules(network)
        self._judges: dict[Tool, Callable[[ToolCall, list[Grant]], Verdict]] = {
            Tool.DNS_RESOLVE: self._resolve,
            Tool.NET_CONNECT: self._connect,
            Tool.NET_SEND: self._send,
            Tool.TLS_HELLO: self._hello,
            Tool.HTTP_REQUEST: self._request,
        }

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Allow what a grant covers and nothing overrides."""
        rules = self._rules
        if rules is None:
            return _NO_NETWORK
        host, port = call.object, getattr(call.args, "port", None)
        if rules.is_denied(host, port):
            return _DENIED
        if state.exhausted and (host in state.exhausted or "*" in state.exhausted):
            return _BUDGET
        grants = rules.grants(host)
        if not grants:
            return _uncovered(host)
        if parse_address(host) is None:
            if looks_numeric(host):
                return _NUMERIC
            if is_odd(grants, host, rules.network.dns):
                return _ODD
        return self._judges[call.tool](call, grants)

    def _resolve(self, call: ToolCall, grants: list[Grant]) -> Verdict:
        return _ALLOW

    def _connect(self, call: ToolCall, grants: list[Grant]) -> Verdict:
        to = cast("NetConnect", call.args)
        at_port = _at(grants, to.port, "tcp")
        if not at_port:
            return _PORT
        if to.raw is not None and not any(grant.rule.raw for grant in at_port):
            return _RAW
        return _ALLOW

    def _send(self, call: ToolCall, grants: list[Grant]) -> Verdict:
        to = cast("NetSend", call.args)
        if to.protocol == "other":
            return _PACKET
        return _ALLOW if _at(grants, to.port, to.protocol) else _PORT

    def _hello(self, call: ToolCall, grants: list[Grant]) -> Verdict:
        hello = cast("TlsHello", call.args)
        expected = None if parse_address(call.object) is not None else call.object
        if hello.server_name != expected:
            return _MISMATCH
        at_port = _at(grants, hello.port, "tcp")
        if not at_port:
            return _PORT
        is_open = any(grant.rule.intercept or not grant.is_about_requests for grant in at_port)
        return _ALLOW if is_open else _UNSEEN

    def _request(self, call: ToolCall, grants: list[Grant]) -> Verdict:
        asked = cast("HttpRequest", call.args)
        at_port = _at(grants, asked.port, "tcp")
        if not at_port:
            return _PORT
        is_tunnel = asked.method == "CONNECT"
        if not is_tunnel and asked.authority not in (None, call.object):
            return _MISMATCH
        if is_tunnel and not any(grant.rule.raw for grant in at_port):
            return _RAW
        rules = cast("HostRules", self._rules)
        request = (asked.method, asked.path, asked.headers)
        if rules.is_request_denied(call.object, asked.port, request):
            return _REQUEST_DENIED
        return _ALLOW if any(grant.permits(*request) for grant in at_port) else _REQUEST


def _at(grants: list[Grant], port: int | None, protocol: Protocol) -> list[Grant]:
    return [grant for grant in grants if grant.covers_port(port, protocol)]


def _uncovered(host: str) -> Verdict:
    address = parse_address(host)
    if address is None:
        return _NUMERIC if looks_numeric(host) else _NO_HOST
    found = special(address)
    return _LITERAL if found is None else _deny("special_address", f"{found.kind}, and no [[net.allow]] names it")

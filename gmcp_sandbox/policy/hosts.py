"""Patterns over host names and addresses, compiled to predicates. Names compare as DNS compares them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from functools import lru_cache


class GlobError(ValueError):
    """The pattern has no meaning; the message says why."""


def compile_hosts(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return one predicate over host names and literal addresses.

    `example.com` is that name, `*.example.com` every name below it, `*` every name (but no literal address),
    `192.0.2.7` an address and `192.0.2.0/24` a network. Names compare without case and without a last dot.

    Raises:
        GlobError: A pattern is none of these.
    """
    names: set[str] = set()
    suffixes: list[str] = []
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for pattern in patterns:
        text = _folded(pattern)
        network = _network(text)
        if network is not None:
            networks.append(network)
        elif text == "*" or text.startswith("*."):
            suffixes.append(text[1:])
        elif re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", text):
            names.add(text)
        else:
            raise GlobError(f"{pattern!r} is no host name, `*.name`, address or network")
    return _host_predicate(frozenset(names), tuple(suffixes), networks)


def _host_predicate(
    names: frozenset[str], suffixes: tuple[str, ...], networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> Callable[[str], bool]:
    def is_match(host: str) -> bool:
        text = _folded(host)
        literal = _network(text)
        if literal is None:
            return text in names or (bool(text) and text.endswith(suffixes))
        return any(known.version == literal.version and literal[0] in known for known in networks)

    return is_match


def _folded(host: str) -> str:
    return host.strip("[]").removesuffix(".").lower()


@lru_cache(1024)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None

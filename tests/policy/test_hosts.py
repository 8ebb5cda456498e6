"""Host patterns: names, everything below a name, addresses and networks."""

from __future__ import annotations

import pytest

from gmcp_sandbox.policy.match import GlobError, compile_hosts


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("example.com", "Example.COM.", True),
        ("example.com", "a.example.com", False),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("*", "anything.test", True),
        ("*", "192.0.2.1", False),
        ("192.0.2.0/24", "192.0.2.9", True),
        ("192.0.2.0/24", "198.51.100.1", False),
        ("2001:db8::/32", "[2001:db8::1]", True),
        ("192.0.2.1", "192.0.2.1", True),
        ("*", "", False),
    ],
)
def test_hosts(pattern: str, host: str, expected: bool) -> None:
    assert compile_hosts([pattern])(host) is expected


@pytest.mark.parametrize("pattern", ["", "a b", "exa*mple.com", "http://example.com", "192.0.2.1/8"])
def test_a_host_pattern_without_a_meaning_is_refused(pattern: str) -> None:
    with pytest.raises(GlobError):
        compile_hosts([pattern])

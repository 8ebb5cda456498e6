"""Every spelling of an address that is no public host's."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.addresses import canonical, is_named, looks_numeric, parse_address, special


def kind(text: str) -> str | None:
    address = parse_address(text)
    assert address is not None
    found = special(address)
    return None if found is None else found.kind


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2001:4860:4860::8888", "172.32.0.1"])
def test_public_hosts_are_not_special(text: str) -> None:
    assert kind(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0", "this-network"),
        ("0.1.2.3", "this-network"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "shared"),
        ("100.100.100.200", "metadata"),
        ("169.254.1.1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("198.18.0.1", "benchmark"),
        ("224.0.0.251", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::127.0.0.1", "translated"),
        ("::ffff:127.0.0.1", "translated"),
        ("::ffff:1.1.1.1", "translated"),
        ("::ffff:a9fe:a9fe", "translated"),
        ("::ffff:0:127.0.0.1", "translated"),
        ("64:ff9b::7f00:1", "translated"),
        ("64:ff9b:1::a9fe:a9fe", "translated"),
        ("2002:7f00:1::1", "translated"),
        ("2001::1", "translated"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "translated"),
        ("2606:4700::5efe:10.0.0.1", "translated"),
        ("2606:4700::200:5efe:10.0.0.1", "translated"),
        ("2001:2::1", "protocol"),
        ("2001:db8::1", "documentation"),
        ("fc00::1", "private"),
        ("fdff::1", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("4000::1", "reserved"),
        ("1::1", "reserved"),
    ],
)
def test_special_addresses_are_known(text: str, expected: str) -> None:
    assert kind(text) == expected


@pytest.mark.parametrize("text", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "::1%lo", "1.1.1.1 ", "", "[::1]"])
def test_other_spellings_are_no_addresses(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize(
    "name", ["127.1", "2130706433", "0x7f000001", "0x", "0177.0.0.1", "1.2.3.4.5", "example.0x1", "7.", "a.09"]
)
def test_names_that_a_parser_may_take_for_an_address(name: str) -> None:
    assert looks_numeric(name)


@pytest.mark.parametrize("name", ["example.com", "1.example", "0x7f.example", "a1", "x-0"])
def test_names_that_no_parser_takes_for_an_address(name: str) -> None:
    assert not looks_numeric(name)


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("1.1.1.1", "0.0.0.0/0", True),
        ("1.1.1.1", "1.1.1.0/24", True),
        ("1.1.1.1", "1.1.2.0/24", False),
        ("10.1.2.3", "0.0.0.0/0", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3/32", True),
        ("127.0.0.1", "0.0.0.0/0", False),
        ("169.254.169.254", "169.254.0.0/16", False),
        ("169.254.169.254", "169.254.169.254/32", True),
        ("::ffff:10.0.0.1", "10.0.0.0/8", False),
        ("fd00::1", "::/0", False),
        ("fd00::1", "fd00::/8", True),
        ("4000::1", "::/0", False),
        ("4000::1", "4000::1/128", False),
        ("2606:4700::5efe:a00:1", "2606:4700::/32", False),
    ],
)
def test_a_special_address_is_named_on_purpose_or_not_at_all(text: str, pattern: str, expected: bool) -> None:
    address = parse_address(text)
    assert address is not None
    assert is_named(address, (ipaddress.ip_network(pattern),)) is expected


@given(st.ip_addresses())
def test_one_spelling(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    assert canonical(address) == socket.inet_ntop(family, address.packed)
    assert parse_address(canonical(address)) == address


@given(st.ip_addresses(v=4))
def test_what_python_calls_not_global_is_special(address: ipaddress.IPv4Address) -> None:
    assert (
        address.is_global is False
        or special(address) is None
        or special(address).kind
        in (
            "anycast",
            "metadata",
            "multicast",
            "protocol",
            "translated",
        )
    )
    if not address.is_global:
        assert special(address) is not None


@given(st.ip_addresses(v=6))
def test_all_outside_of_global_unicast_is_special(address: ipaddress.IPv6Address) -> None:
    if int(address) >> 125 != 1:
        assert special(address) is not None


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "64:ff9b::", "::ffff:0:0:0"]))
def test_no_disguise_of_an_ipv4_address_is_public(inner: ipaddress.IPv4Address, prefix: str) -> None:
    assert special(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(inner))) is not None


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none(text: str) -> None:
    found = parse_address(text)
    assert found is None or parse_address(canonical(found)) == found

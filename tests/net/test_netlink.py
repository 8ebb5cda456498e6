"""What our requests made, read back by a netlink library."""

from __future__ import annotations

import errno
import socket

import pytest
from pyroute2 import IPRoute

from gmcp_sandbox.net import tun
from gmcp_sandbox.net.netlink import TABLE_LOCAL, Netlink
from tests.net.namespaces import in_new_namespace

pytestmark = pytest.mark.needs("userns", "tun")


def _made(action):
    def child():
        tun.create("tun9")
        with Netlink() as netlink:
            action(netlink, socket.if_nametoindex("tun9"))
        with IPRoute() as library:
            (link,) = library.get_links(ifname="tun9")
            addresses = library.get_addr(index=link["index"])
            routes = [*library.get_routes(family=socket.AF_INET), *library.get_routes(family=socket.AF_INET6)]
            return {
                "state": link["state"],
                "mtu": link.get_attr("IFLA_MTU"),
                "queue": link.get_attr("IFLA_TXQLEN"),
                "addresses": sorted(f"{each.get_attr('IFA_ADDRESS')}/{each['prefixlen']}" for each in addresses),
                "routes": [
                    {
                        "family": each["family"],
                        "destination": each.get_attr("RTA_DST"),
                        "length": each["dst_len"],
                        "table": each["table"],
                        "type": each["type"],
                        "out": each.get_attr("RTA_OIF"),
                        "source": each.get_attr("RTA_PREFSRC"),
                    }
                    for each in routes
                ],
                "index": link["index"],
            }

    return in_new_namespace(child)


def _has(made, **wanted):
    return any(wanted.items() <= route.items() for route in made["routes"])


def test_a_link_with_addresses_and_a_default_route():
    def action(netlink, index):
        netlink.raise_link(index, mtu=9000, queue=77)
        netlink.add_address(index, "192.0.0.2")
        netlink.add_address(index, "fd00::2")
        netlink.add_route(index, "0.0.0.0", 0, source="192.0.0.2")
        netlink.add_route(index, "::", 0, source="fd00::2")

    made = _made(action)
    assert (made["state"], made["mtu"], made["queue"]) == ("up", 9000, 77)
    assert {"192.0.0.2/32", "fd00::2/128"} <= set(made["addresses"])
    out = made["index"]
    assert _has(made, family=socket.AF_INET, length=0, table=254, type=1, out=out, source="192.0.0.2")
    assert _has(made, family=socket.AF_INET6, length=0, table=254, type=1, out=out, source="fd00::2")


def test_local_routes_and_routes_in_their_table():
    def action(netlink, index):
        netlink.raise_link(1)
        netlink.raise_link(index)
        netlink.add_local_route(1, "0.0.0.0", 0)
        netlink.add_local_route(1, "::", 0)
        netlink.add_route(index, "192.0.0.2", 32, table=TABLE_LOCAL)
        netlink.add_route(index, "fd00::2", 128, table=TABLE_LOCAL)

    made = _made(action)
    assert _has(made, family=socket.AF_INET, length=0, table=255, type=2, out=1)
    assert _has(made, family=socket.AF_INET6, length=0, table=255, type=2, out=1)
    out = made["index"]
    assert _has(made, family=socket.AF_INET, destination="192.0.0.2", length=32, table=255, type=1, out=out)
    assert _has(made, family=socket.AF_INET6, destination="fd00::2", length=128, table=255, type=1, out=out)


def test_a_refusal_of_the_kernel_is_an_error():
    def child():
        tun.create("tun9")
        codes: list[int | None] = []
        with Netlink() as netlink:
            for action in (
                lambda: netlink.raise_link(99),
                lambda: netlink.add_route(2, "192.0.0.2", 32),  # the link is down
                lambda: netlink.add_address(2, "192.0.0.2"),
                lambda: netlink.add_address(2, "192.0.0.2"),
            ):
                try:
                    action()
                    codes.append(0)
                except OSError as error:
                    codes.append(error.errno)
        return codes

    assert in_new_namespace(child) == [errno.ENODEV, errno.ENETDOWN, 0, errno.EEXIST]

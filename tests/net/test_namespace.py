from __future__ import annotations

import contextlib
import os
import socket
import traceback
from pathlib import Path

import pytest

from gmcp_sandbox import kernel
from gmcp_sandbox.net import namespace, packets
from gmcp_sandbox.net.addressing import AGENT_V4, AGENT_V6
from gmcp_sandbox.net.namespace import RaiseLoopback
from gmcp_sandbox.proc.plan import Stage
from tests.net.namespaces import in_new_namespace


def _in_new_namespace(action):
    """Run `action` in a child with a network namespace of its own; return the child's exit code."""
    pid = os.fork()
    if pid == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNET)
            action()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - said, in a process that ends here
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _talk():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname(), timeout=5) as client:
            client.sendall(b"hello")
            assert server.accept()[0].recv(5) == b"hello"


@pytest.mark.needs("userns")
def test_programs_inside_can_talk_to_each_other():
    def action():
        RaiseLoopback().apply(Stage(root=b""))
        _talk()

    assert _in_new_namespace(action) == 0


@pytest.mark.needs("userns")
def test_without_it_there_is_no_network_at_all():
    def action():
        with pytest.raises(OSError, match="unreachable"):
            _talk()

    assert _in_new_namespace(action) == 0


@pytest.mark.needs("userns", "tun")
def test_the_agents_side_sends_everything_to_its_device_and_says_nothing_by_itself():
    def child():
        namespace.raise_loopback()
        device = namespace.make_agent_side((0, 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("203.0.113.9", 53))
            source = sock.getsockname()[0]
            sock.send(b"x")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.connect(("2001:db8::9", 53))
            source6 = sock.getsockname()[0]
            sock.send(b"x")
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frames.append(os.read(device, 65546)[10:])
        return [source, source6, [packets.parse(frame).destination for frame in frames]]

    source, source6, destinations = in_new_namespace(child)
    assert (source, source6) == (AGENT_V4, AGENT_V6)
    others = [each for each in destinations if not each.startswith("ff0")]
    assert others == ["203.0.113.9", "2001:db8::9"]


@pytest.mark.needs("userns", "tun")
def test_the_gateways_side_takes_every_address_for_its_own_and_has_no_other_way_out():
    def child():
        before = os.readlink("/proc/self/ns/net")
        namespace.make_gateway_side()
        taken = []
        for address in ("203.0.113.9", "8.8.8.8", "10.0.0.1"):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
                sock.bind((address, 443))  # a low port, too
                taken.append(address)
        devices = sorted(name for _, name in socket.if_nameindex())
        settings = [
            Path(f"/proc/sys/net/ipv4/{name}").read_text().strip() for name in ("tcp_syncookies", "tcp_fastopen")
        ]
        return [before != os.readlink("/proc/self/ns/net"), len(taken), devices, settings]

    assert in_new_namespace(child) == [True, 3, ["gmcp1", "lo"], ["0", "0"]]

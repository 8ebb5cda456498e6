from __future__ import annotations

import errno
import os

import pytest

from gmcp_sandbox.net import tun
from tests.net.namespaces import in_new_namespace

pytestmark = pytest.mark.needs("userns", "tun")


def test_a_device_is_there_as_long_as_its_descriptor():
    def child():
        fd = tun.create("tun9")
        there = os.path.exists("/proc/sys/net/ipv4/conf/tun9")
        facts = [there, os.get_blocking(fd), os.get_inheritable(fd)]
        os.close(fd)
        return [*facts, os.path.exists("/proc/sys/net/ipv4/conf/tun9")]

    assert in_new_namespace(child) == [True, False, False, False]


def test_a_name_that_is_taken_is_an_error():
    def child():
        tun.create("tun9")
        try:
            tun.create("tun9")
        except OSError as error:
            return error.errno

    assert in_new_namespace(child) == errno.EBUSY

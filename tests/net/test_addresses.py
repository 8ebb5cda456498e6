"""Which addresses are this machine's own."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.addresses import OwnAddresses, _is_own, _question


@pytest.fixture
def own():
    asked = OwnAddresses()
    yield asked
    asked.close()


@pytest.mark.parametrize("text", ["127.0.0.1", "127.8.9.10", "::1", "255.255.255.255", "224.0.0.1", "0.0.0.0"])
def test_what_leads_back_or_to_many_is_own(own, text):
    assert own(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["93.184.215.14", "2606:4700::1111"])
def test_a_host_elsewhere_is_not(own, text):
    assert not own(ipaddress.ip_address(text))


def test_an_interface_s_address_is_own(own):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("93.184.215.14", 9))
        except OSError:
            pytest.skip("this host lacks a route")
        assert own(ipaddress.ip_address(probe.getsockname()[0]))


def test_a_kernel_that_says_nothing_leaves_it_own(own):
    own.close()
    assert own(ipaddress.ip_address("93.184.215.14"))


def test_an_answer_to_another_question_is_none():
    question = _question(ipaddress.ip_address("93.184.215.14"), 7)
    assert _is_own(struct.pack("=IHHII", 28, 24, 0, 8, 0) + question[16:], 7)


@given(st.binary(max_size=80))
def test_any_answer_means_yes_or_no(answer):
    assert _is_own(answer, 1) in (True, False)

import os

from gmcp_sandbox.proc.identity import ROOT_RANGE_BASE, Identity


def test_an_ordinary_user_gives_one_id_and_gets_it_back():
    user = Identity(1000, 100, 1000, 100, 1)
    assert not user.is_root
    assert user.outer_maps() == ("0 1000 1", "0 100 1")
    assert user.inner_maps() == ("1000 0 1", "100 0 1")


def test_roots_agents_are_nobody_on_the_host():
    root = Identity(0, 0, ROOT_RANGE_BASE, ROOT_RANGE_BASE, 65536)
    assert root.is_root
    assert root.outer_maps()[0] == f"0 {ROOT_RANGE_BASE} 65536"
    assert root.inner_maps() == ("0 0 65536", "0 0 65536")


def test_the_range_fits_into_31_bits_and_holds_no_ordinary_id():
    assert 1_879_048_191 < ROOT_RANGE_BASE < ROOT_RANGE_BASE + 65536 < 2**31


def test_the_caller_is_who_runs_this():
    assert Identity.of_caller().uid == os.geteuid()

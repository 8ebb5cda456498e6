from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gmcp_sandbox.cli.netview import BUNDLE_PATH, bundle_of, intercepts, with_network_files
from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.monitor.statedir import SessionDir
from gmcp_sandbox.policy.network import HostRule, Network
from gmcp_sandbox.policy.profile import Environment, Limits, MountMode, ProbePolicy, Profile, Tier
from gmcp_sandbox.policy.view import View
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.program import Program

OPENED = Network(allow=(HostRule(("api.example.com",), ((443, 443),), intercept=True),))


@pytest.fixture
def session(tmp_path):
    return SessionDir("0a1b2c3d", tmp_path)


def prepared(network):
    profile = Profile(
        "test", "00", Tier.STANDARD, (), (), (), (), (), (), Environment(()), Limits(), ProbePolicy(), net=network
    )
    program = Program((b"true",), {b"PATH": b"/usr/bin"}, b"/")
    return Preparation("agent", "/work", "/home/ada", profile, View.of(()), Identity.of_caller(), program)


def test_without_a_network_nothing_is_made(session):
    given = prepared(None)
    assert with_network_files(given, session) == given
    assert list(session.path.iterdir()) == []


def test_files_of_name_resolution_are_ours_and_read_only(session):
    view = with_network_files(prepared(Network()), session).view
    shown = {mount.path: mount for mount in view.mounts}
    assert set(shown) == {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"}
    for mount in shown.values():
        assert mount.mode is MountMode.RO
        text = Path(str(mount.source)).read_text()
        assert "hosts: files dns" in text or "192.0.0.1" in text or "localhost" in text


def test_trust_anchors_have_their_place_where_tls_is_opened(session):
    assert intercepts(OPENED)
    assert not intercepts(Network())
    view = with_network_files(prepared(OPENED), session).view
    (mount,) = [each for each in view.mounts if each.path == BUNDLE_PATH]
    assert mount.source == str(bundle_of(session))
    assert bundle_of(session).is_file()


def test_the_views_own_mounts_stay(session):
    given = prepared(Network())
    mount = with_network_files(given, session).view.mounts[0]
    again = msgspec.structs.replace(given, view=View.of((msgspec.structs.replace(mount, path="/usr"),)))
    other = SessionDir("1a1b2c3d", session.path / "other")
    other.path.mkdir()
    assert "/usr" in {each.path for each in with_network_files(again, other).view.mounts}


def test_what_the_ceiling_wants_opened_is_opened() -> None:
    assert intercepts(Network(above=OPENED))

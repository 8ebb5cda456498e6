from __future__ import annotations

import pytest

from gmcp_sandbox.cli.netview import BUNDLE_PATH, bundle_of, with_network_files
from gmcp_sandbox.cli.outfit import Outfit, fit_out, host_bundle, with_variables
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.statedir import SessionDir
from gmcp_sandbox.policy.network import Credential, HostRule, Network
from tests.cli.test_netview import prepared

OPENED = Network(
    allow=(HostRule(("api.example.com",), ((443, 443),), intercept=True),),
    credentials=(Credential("api", "api.example.com", "API_TOKEN", "env:REAL_TOKEN"),),
)
TOKEN = "a-token-of-some-length"


@pytest.fixture
def session(tmp_path):
    session = SessionDir("0a1b2c3d", tmp_path)
    with_network_files(prepared(OPENED), session)
    return session


def test_without_opened_flows_there_is_nothing_to_give(session):
    assert fit_out(Network(), session) == Outfit({}, None)


def test_the_agent_gets_a_placeholder_and_the_trust_anchors_and_never_the_token(session, monkeypatch):
    monkeypatch.setenv("REAL_TOKEN", TOKEN)
    outfit = fit_out(OPENED, session)
    assert outfit.environment["SSL_CERT_FILE"] == BUNDLE_PATH
    assert len(outfit.environment["API_TOKEN"]) == len(TOKEN)
    assert TOKEN not in repr(outfit)
    bundle = bundle_of(session).read_bytes()
    assert bundle.startswith(host_bundle()[:100])
    assert b"PRIVATE" not in bundle
    program = with_variables(prepared(OPENED), outfit).program
    assert program.environment[b"PATH"] == b"/usr/bin"
    assert TOKEN.encode() not in b" ".join(program.environment.values())


def test_a_token_that_is_not_there_stops_the_start(session, monkeypatch):
    monkeypatch.delenv("REAL_TOKEN", raising=False)
    with pytest.raises(ProfileError, match="api"):
        fit_out(OPENED, session)


def test_the_hosts_trust_anchors_are_found_by_their_variable(tmp_path, monkeypatch):
    place = tmp_path / "anchors.pem"
    place.write_bytes(b"anchors")
    monkeypatch.setenv("SSL_CERT_FILE", str(place))
    assert host_bundle() == b"anchors"

"""A profile that is edited while its session runs: a real agent feels the new one, or the old one stays."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.cli.reloading import Reloading
from gmcp_sandbox.client import Client
from gmcp_sandbox.errors import ProfileError, UsageError
from gmcp_sandbox.monitor.choosing import Choice
from gmcp_sandbox.monitor.profiles import load_profile, read_chain, state_of
from gmcp_sandbox.monitor.statedir import SessionDir, StateDir
from gmcp_sandbox.monitor.trusted import TrustStore
from gmcp_sandbox.policy.profile import Tier
from tests.cli.launches import Place, Served

pytestmark = pytest.mark.needs("sandbox")

RULE = """
[[rules]]
id = "no-plan"
text = "Nobody reads the plan."
effect = "deny"
tools = ["fs.read"]
paths = ["plan"]
"""
AGENT = """
turn() { cat plan || echo refused; echo "turn $1"; until test -e "go$1"; do sleep 0.05; done; }
turn 1; turn 2; turn 3; cat plan || echo refused
"""


class Running:
    """A session under a profile of its own, whose agent reads `plan` at each turn."""

    def __init__(self, start: Callable[..., Served], place: Place, profile: str = "") -> None:
        self.place = place
        (place.work / "plan").write_text("the plan\n")
        self.served = start("-p", place.profile(profile), "--", "/bin/sh", "-c", AGENT)
        self._turn = 0
        assert self.next_turn() == "read"
        (self.session,) = StateDir.open(place.environ).sessions()
        self.client = Client(str(self.session.path), timeout=30)

    def next_turn(self) -> str:
        """Let the agent read once more; return whether it could."""
        if self._turn:
            (self.place.work / f"go{self._turn}").touch()
        self._turn += 1
        said = self.served.until(f"turn {self._turn}\n".encode())
        return {True: "read", False: "refused"}[b"the plan\n" in said and b"refused" not in said]

    def notice(self) -> str:
        """Wait for the next line that the user is told about the profile."""
        while True:
            received = self.served.report.receive()
            assert received is not None
            if received[0]["kind"] == "notice" and "the profile" in received[0]["text"]:
                return str(received[0]["text"])

    def events(self, name: str) -> list[dict[str, Any]]:
        return events(self.session, name)


def events(session: SessionDir, name: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in session.log.read_text().splitlines()]
    return [record["data"] for record in records if record["kind"] == "event" and record["name"] == name]


@pytest.fixture
def run(served: Callable[..., Served], place: Place) -> Iterator[Callable[..., Running]]:
    clients: list[Client] = []

    def start(profile: str = "") -> Running:
        running = Running(served, place, profile)
        clients.append(running.client)
        return running

    yield start
    for client in clients:
        client.close()


def test_an_edit_is_noticed_and_holds_from_the_next_call_on(run: Callable[..., Running], place: Place) -> None:
    session = run()
    before = session.client.status()
    place.profile(RULE)
    assert session.notice() == "gmcp-sandbox: the profile own was read again"
    assert session.next_turn() == "refused"
    after = session.client.status()
    assert after["digest"] != before["digest"]
    assert after["epoch"] > before["epoch"]
    (event,) = session.events("reload")
    assert event == {"profile": "own", "old": before["digest"], "new": after["digest"], "waits": []}
    place.profile("")
    session.notice()
    assert session.next_turn() == "read"


def test_a_reload_that_is_asked_for_returns_both_digests(run: Callable[..., Running], place: Place) -> None:
    session = run()
    place.profile(RULE)
    found = session.client.call("reload")
    assert found["old"] != found["new"] == session.client.status()["digest"]
    again = session.client.call("reload")
    assert again == {"old": found["new"], "new": found["new"], "waits": []}
    assert len(session.events("reload")) == 1


@pytest.mark.parametrize("broken", ["tier = ", "tiers = 1", "[[rules]]\nid = 'x'", "\udcff"])
def test_a_broken_edit_keeps_the_old_profile_and_says_why(
    run: Callable[..., Running], place: Place, broken: str
) -> None:
    session = run(RULE.replace('"plan"', '"other"'))
    digest = session.client.status()["digest"]
    path = Path(place.profile(""))
    path.write_bytes(path.read_bytes() + broken.encode("utf-8", "surrogateescape"))
    assert "the profile stays as it was: " in session.notice()
    (event, *_) = session.events("reload_refused")
    assert event["digest"] == digest
    assert "own.toml" in event["why"]
    assert session.client.status()["digest"] == digest
    assert session.next_turn() == "read"
    place.profile(RULE)
    session.client.call("reload")
    assert session.next_turn() == "refused"


def test_a_refusal_is_in_the_log_when_it_was_asked_for_too(run: Callable[..., Running], place: Place) -> None:
    session = run()
    Path(place.profile("")).write_text("nonsense")
    with pytest.raises(UsageError):
        session.client.call("reload")
    assert session.events("reload_refused")
    assert session.events("reload") == []


def test_a_profile_that_is_gone_changes_nothing(run: Callable[..., Running], place: Place) -> None:
    session = run()
    Path(place.profile("")).unlink()
    assert "cannot read the profile" in session.notice()
    assert session.next_turn() == "read"


def test_trust_falls_at_once_and_never_rises(run: Callable[..., Running], place: Place) -> None:
    session = run('tier = "standard"\n')
    place.profile('tier = "limited"\n')
    session.client.call("reload")
    assert session.client.status()["tier"] == "limited"
    for tier in ("standard", "trusted"):
        place.profile(f'tier = "{tier}"\n')
        with pytest.raises(UsageError, match="cannot be taken while the agent runs") as caught:
            session.client.call("reload")
        assert caught.value.cause == "it raises the tier"
        assert session.client.status()["tier"] == "limited"


def test_what_waits_for_the_next_start_is_named(run: Callable[..., Running], place: Place) -> None:
    session = run()
    place.profile(
        '[limits]\nwall_seconds = 50\n[environment.set]\nWORD = "x"\n'
        "[approvals]\ndeadline_seconds = 5\n[home]\npersist = true\n"
    )
    found = session.client.call("reload")
    assert set(found["waits"]) == {"limits", "environment", "approvals", "persist_home"}
    text = session.notice()
    assert text.endswith("from the next start on")
    assert all(name in text for name in found["waits"])
    assert session.events("reload")[-1]["waits"] == found["waits"]


def test_a_grant_alone_waits_for_nothing(run: Callable[..., Running], place: Place) -> None:
    rule = RULE.replace("deny", "ask").replace(
        'paths = ["plan"]', 'paths = ["plan"]\nwhen = "session.tier == \'limited\'"'
    )
    session = run(rule)
    lower = f'tier = "limited"\n{rule}'
    place.profile(lower)
    session.client.call("reload")
    assert session.next_turn() == "refused"
    grant = '[[approvals.grants]]\nreasons = ["constitution.no-plan"]\ntools = ["fs.read"]'
    grant += f'\nobjects = ["{place.work}/plan"]'
    place.profile(f"{lower}\n{grant}\n")
    assert session.client.call("reload")["waits"] == []
    assert session.next_turn() == "read"


async def test_a_profile_that_is_written_to_while_it_is_read_is_not_taken(tmp_path: Path) -> None:
    """What was read may be the half without the rules."""
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\nextends = "default"\n')
    told: list[str] = []

    class Slow(Reloading):
        def _read(self) -> Any:
            found = super()._read()
            with path.open("a") as file:
                file.write(RULE)
            return found

    loaded = load_profile(str(path), workspace=tmp_path, home=tmp_path)
    choice = Choice(str(path), "", ceiling=str(tmp_path / "none.toml"))
    prepared = SimpleNamespace(
        profile=loaded, home=str(tmp_path), workspace=str(tmp_path), choice=choice,
        profile_files=(str(path),), profile_state=state_of((str(path), *choice.beside())),
    )  # fmt: skip
    audit = SimpleNamespace(event=lambda name, **_: told.append(name))
    notices = SimpleNamespace(offer=lambda *_, **__: True)
    reloading = Slow(prepared, SimpleNamespace(audit=audit), notices)  # type: ignore[arg-type]
    path.write_text(path.read_text() + 'description = "changed"\n')
    with pytest.raises(ProfileError, match="while it was read"):
        await reloading.reload()
    assert (reloading.profile, told) == (loaded, ["reload_refused"])


def reloading(prepared: Preparation) -> Reloading:
    """Return one that may read, and has nothing to change."""
    audit = SimpleNamespace(event=lambda *_, **__: None)
    notices = SimpleNamespace(offer=lambda *_, **__: True)
    return Reloading(prepared, cast(Any, SimpleNamespace(audit=audit)), cast(Any, notices))


def approve(place: Place) -> Path:
    file = place.work / "gmcp.toml"
    file.write_text('name = "own"\nextends = "strict"\n')
    chain = read_chain(str(file), home=place.home)
    TrustStore.of(StateDir.open(place.environ)).trust(file, chain)
    return file


async def test_bytes_that_were_not_approved_are_not_taken(place: Place) -> None:
    file = approve(place)
    prepared = place.prepare("true")
    running = reloading(prepared)
    assert await running.reload() == {"old": prepared.profile.digest, "new": prepared.profile.digest, "waits": []}
    file.write_text('name = "own"\nextends = "default"\n')
    with pytest.raises(ProfileError, match="have not approved"):
        await running.reload()
    assert running.profile is prepared.profile


async def test_a_profile_that_is_wrong_steers_no_terminal_when_it_is_read_again(place: Place) -> None:
    path = place.profile("")
    running = reloading(place.prepare("-p", path, "true"))
    told: list[str] = []
    running._notices = cast(Any, SimpleNamespace(offer=lambda _kind, text: told.append(text)))
    Path(path).write_text('name = "own"\n"\\u001b[2J" = 1\n')
    with pytest.raises(ProfileError):
        await running.reload()
    (text,) = told
    assert text.isprintable() and "unknown key" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's file is a ceiling")
def test_a_ceiling_that_appears_is_seen_and_holds(place: Place) -> None:
    prepared = place.prepare("true")
    ceiling = place.home / "ceiling.toml"
    choice = msgspec.structs.replace(prepared.choice, ceiling=str(ceiling))
    running = reloading(msgspec.structs.replace(prepared, choice=choice))
    assert running._read()[0].ceiling is None
    before = state_of(running._watched)
    ceiling.write_text('name = "acme"\nextends = "default"\ntier = "limited"\n')
    assert state_of(running._watched) != before
    profile, _files = running._read()
    assert profile.ceiling is not None
    assert profile.tier is Tier.LIMITED

from __future__ import annotations

import msgspec
import pytest

from gmcp_sandbox.calls.arguments import FsCreate
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import WATCHED
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict
from gmcp_sandbox.cli.main import main


@pytest.fixture
def denied(sessions, tmp_path):
    """A session in which a watched file was refused, under a profile with a file of its own."""
    session, writer = sessions.make(ended=True)
    workspace = tmp_path / "w"
    workspace.mkdir()
    profile = tmp_path / "own.toml"
    profile.write_text('name = "own"\nextends = "default"\n')
    session.write_meta(msgspec.structs.replace(session.meta(), profile_path=str(profile), workspace=str(workspace)))
    call = ToolCall(4, 1, session.id, "a", 7, Tool.FS_CREATE, f"{workspace}/.envrc", FsCreate("file"), WATCHED)
    verdicts = (
        Verdict(Layer.SCHEMA, Outcome.ALLOW, "schema.ok"),
        Verdict(Layer.TRUST, Outcome.DENY, "trust.no_capability"),
    )
    writer.append(Decision(call, Outcome.DENY, verdicts, 1), 1)
    return session, profile


def test_a_denial_is_explained_with_a_change_that_was_tried(denied, capsys, tmp_path):
    session, _ = denied
    assert main(["why", session.id[:6], "4"]) == 0
    out = capsys.readouterr().out
    assert f"DENY fs.create {tmp_path}/w/.envrc [watched]" in out
    assert "trust   DENY   trust.no_capability" in out
    assert "smallest change: with these in the profile, it would pass:" in out
    assert f'objects = ["{tmp_path}/w/.envrc"]' in out and 'id = "nothing-persists"' in out


def test_the_proposed_change_works_when_it_is_written(denied, capsys, tmp_path):
    session, profile = denied
    assert main(["why", session.id]) == 0
    lines = capsys.readouterr().out.partition("pass:")[2].partition("note:")[0].splitlines()
    profile.write_text(profile.read_text() + "\n".join(line.strip() for line in lines) + "\n")
    question = ["fs.create", f"path={tmp_path}/w/.envrc"]
    assert main(["decide", "-p", str(profile), "-w", str(tmp_path / "w"), *question]) == 0


def test_an_allowed_call_is_explained_without_advice(denied, capsys):
    session, _ = denied
    assert main(["why", session.id, "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ALLOW fs.read /ws/a.py")
    assert "change" not in out


def test_what_is_not_there_is_a_usage_error(denied, capsys):
    session, _ = denied
    assert main(["why", session.id, "99"]) == 2
    assert f"session {session.id} has no decision 99" in capsys.readouterr().err


def test_a_profile_that_is_gone_is_said(denied, capsys):
    session, profile = denied
    profile.unlink()
    assert main(["why", session.id, "4"]) == 0
    assert "its profile cannot be read any more" in capsys.readouterr().out


@pytest.mark.parametrize(
    "forged",
    [
        (b'"label":"watched"', b'"label":"\\u001b]0;x\\u0007"'),
        (b'"tool":"fs.create"', b'"tool":"\\u001b[2J"'),
        (b'["trust","deny","trust.no_capability"', b'["\\u001b[2J","deny","trust.no_capability"'),
        (b'["trust","deny","trust.no_capability"', b'[3,4,5,6,"many"'),
        (b'["trust","deny","trust.no_capability"', b'["trust","deny"],7,["trust"'),
    ],
)
def test_a_forged_record_steers_no_terminal_and_is_no_fault_of_ours(denied, capsys, forged):
    session, _ = denied
    text = session.log.read_bytes()
    assert forged[0] in text
    session.log.write_bytes(text.replace(*forged))
    assert main(["why", session.id, "4"]) in (0, 125)
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err

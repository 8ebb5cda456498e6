"""The profile that a project brings: approved by the user, out of the agent's reach."""

from __future__ import annotations

import os

import pytest


def test_a_project_starts_under_its_own_profile_once_it_is_approved(sandbox):
    made = sandbox.command("profile", "init")
    assert made.code == 0, made.err
    file = sandbox.workspace / "gmcp.toml"
    text = file.read_text()
    reach = (
        "cat gmcp.toml; echo >> gmcp.toml; rm gmcp.toml; mv gmcp.toml x; ln -f gmcp.toml y; ln -sf x gmcp.toml; true"
    )
    inside = sandbox.exec("sh", "-c", reach)
    assert inside.text == text
    assert len(inside.denials) >= 4
    assert [path.name for path in sandbox.workspace.iterdir() if path.name in ("x", "y", "gmcp.toml")] == ["gmcp.toml"]
    assert sandbox.exec("true").code == 0  # the bytes are those that were approved


def test_an_agent_cannot_bring_a_profile_for_the_next_session(sandbox):
    script = "echo > gmcp.toml; echo > draft; mv draft gmcp.toml; ln -s draft gmcp.toml; mkdir gmcp.toml; true"
    assert len(sandbox.exec("sh", "-c", script).denials) >= 4
    assert not (sandbox.workspace / "gmcp.toml").exists()
    assert sandbox.exec("true").code == 0


def test_a_changed_profile_stops_the_start_and_says_what_to_do(sandbox):
    sandbox.command("profile", "init")
    file = sandbox.workspace / "gmcp.toml"
    file.write_text(file.read_text().replace("#tier", "tier"))
    refused = sandbox.exec("true")
    assert refused.code == 125
    assert f"gmcp-sandbox profile trust {file}" in refused.err
    assert sandbox.exec("true", profile="default").code == 0
    assert sandbox.command("profile", "trust").code == 0
    assert sandbox.exec("true").code == 0


def test_the_users_configuration_gives_agents_their_profiles(sandbox):
    config = sandbox.home / ".config" / "gmcp-sandbox"
    config.mkdir(parents=True)
    (config / "config.toml").write_text('[agents]\ncoder = "readonly"\n')
    sandbox.own()
    assert sandbox.exec("sh", "-c", "echo > a", options=("--name", "coder")).denials
    assert not sandbox.exec("sh", "-c", "echo > a", options=("--name", "other")).denials


def test_every_read_is_a_call_where_the_profile_says_so(sandbox):
    (sandbox.workspace / "f").write_text("x" * 8192)
    sandbox.own()
    profile = sandbox.profile('name = "p"\nextends = "default"\n[mediation]\nworkspace = "every-read"\n')
    script = "for _ in 1 2; do dd if=f of=/dev/null bs=1024 count=8 2>/dev/null; done"

    def reads(profile):
        records = sandbox.exec("sh", "-c", script, profile=profile).records
        return sum(one.get("tool") == "fs.read" and one["object"].endswith("/f") for one in records)

    assert reads(profile) >= 2 * (1 + 8)
    assert reads(None) < 2 * (1 + 8)


GRANT = '[[capabilities]]\ntools = ["fs.write", "fs.create", "fs.delete", "fs.rename"]\nlabels = ["watched"]\n'


def test_an_agent_that_may_change_watched_files_cannot_rewrite_its_own_profile(sandbox):
    (sandbox.workspace / "sub").mkdir()
    own = sandbox.workspace / "sub/own.toml"
    own.write_text(f'name = "own"\nextends = "default"\nreplaces = ["rules"]\n{GRANT}')
    sandbox.own()
    text = own.read_text()
    tricks = [
        "echo >> sub/own.toml",
        "truncate -s 0 sub/own.toml",
        "rm sub/own.toml",
        "mv sub/own.toml x",
        "ln sub/own.toml y",
        "mv sub elsewhere",
        "echo > d; mv d sub/own.toml",
        "ln -sf d sub/own.toml",
        "echo > sub/.own.toml.new",
        "echo > gmcp.toml",
    ]
    script = "; ".join([*tricks, "mkdir .vscode && echo > .vscode/tasks.json && echo fine"])
    ran = sandbox.exec("sh", "-c", script, profile=str(own))
    assert "fine" in ran.text  # other watched files are its own, as the profile says
    assert own.read_text() == text
    assert not (sandbox.workspace / "gmcp.toml").exists()
    assert any(one.get("reason") == "constitution.guard.own-profile" for one in ran.denials), ran.denials


def test_a_project_that_brings_a_profile_which_widens_rights_gets_nothing(sandbox):
    (sandbox.workspace / "gmcp.toml").write_text(f'name = "p"\nextends = "online"\ntier = "trusted"\n{GRANT}')
    refused = sandbox.exec("true")
    assert (refused.code, refused.log) == (125, None)
    assert "whoever wrote the project wrote it" in refused.err


def test_a_profile_swapped_between_trust_and_exec_is_not_taken(sandbox):
    file = sandbox.workspace / "gmcp.toml"
    file.write_text('name = "p"\nextends = "./base.toml"\n')
    base = sandbox.workspace / "base.toml"
    base.write_text('name = "b"\nextends = "strict"\n')
    sandbox.own()
    assert sandbox.command("profile", "trust").code == 0
    assert sandbox.exec("true").code == 0
    base.write_text('name = "b"\nextends = "default"\n')
    assert "it has changed since you approved it" in sandbox.exec("true").err
    base.write_text('name = "b"\nextends = "strict"\n')
    assert sandbox.exec("true").code == 0


def test_a_link_in_the_place_of_a_profile_leads_nowhere_else_than_when_it_was_approved(sandbox):
    names = ("one.toml", "two.toml")
    for name in names:
        (sandbox.workspace / name).write_text('name = "p"\nextends = "default"\n')
    link = sandbox.workspace / "gmcp.toml"
    link.symlink_to(names[0])
    sandbox.own()
    assert sandbox.exec("true").code == 125
    assert sandbox.command("profile", "trust").code == 0
    inside = sandbox.exec("sh", "-c", "ln -sf two.toml gmcp.toml; rm gmcp.toml; echo >> gmcp.toml; true")
    assert inside.code == 0 and len(inside.denials) >= 3
    link.unlink()
    link.symlink_to(names[1])
    assert sandbox.exec("true").code == 125
    link.unlink()
    link.symlink_to("nowhere.toml")
    assert sandbox.exec("true").code == 125


_ORGANISATION = """
mount --make-rprivate / && mount -t tmpfs -o mode=0755 tmpfs /mnt && cp -a /etc /mnt/etc
mkdir -m 0755 /mnt/etc/gmcp-sandbox && printf '%s' "$1" > /mnt/etc/gmcp-sandbox/ceiling.toml
chmod 0644 /mnt/etc/gmcp-sandbox/ceiling.toml && mount --bind /mnt/etc /etc
shift && exec "$@"
"""
CEILING = """
name = "acme"
extends = "default"
tier = "limited"
[limits]
processes = 500
[[rules]]
id = "keep-plans"
text = "Plans stay."
effect = "deny"
tools = ["fs.delete"]
paths = ["plan"]
"""

ASKED = "[probe]\nrequired = true\n"  # about all that the default asks it: less is above the ceiling


def below(ceiling: str) -> tuple[str, ...]:
    """Return what runs a command on a machine that has this ceiling."""
    return ("unshare", "-m", "sh", "-ec", _ORGANISATION, "sh", ceiling)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a ceiling")
def test_an_organisations_ceiling_holds_for_every_profile(sandbox):
    (sandbox.workspace / "plan").write_text("the plan")
    sandbox.own()
    mine = sandbox.profile(f'name = "p"\nextends = "default"\nreplaces = ["rules"]\n{ASKED}')
    for profile in (None, mine):
        ran = sandbox.exec("sh", "-c", "rm -f plan; ulimit -u", profile=profile, outer=below(CEILING))
        assert (sandbox.workspace / "plan").exists()
        assert "constitution.ceiling.keep-plans" in {one["reason"] for one in ran.denials}
        assert ran.records[0]["data"]["profile"]["ceiling"] if "data" in ran.records[0] else True
    sandbox.exec("rm", "plan", profile=mine)
    assert not (sandbox.workspace / "plan").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a ceiling")
@pytest.mark.parametrize(
    ("text", "place"),
    [('tier = "standard"\n', ":3: tier:"), ("[[net.allow]]\nhosts = ['example.com']\n", ":3: net:")],
)
def test_a_profile_above_the_ceiling_does_not_start_and_says_where(sandbox, text, place):
    mine = sandbox.profile(f'name = "p"\nextends = "default"\n{text}{ASKED}')
    refused = sandbox.exec("true", profile=mine, outer=below(CEILING))
    assert refused.code == 125
    assert f"{place} " in refused.err and "exceeds the organisation's ceiling" in refused.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a ceiling")
def test_a_broken_ceiling_stops_every_start(sandbox):
    refused = sandbox.exec("true", outer=below(CEILING + "teir = 1\n"))
    assert refused.code == 125
    assert "/etc/gmcp-sandbox/ceiling.toml:" in refused.err and "did you mean 'tier'?" in refused.err

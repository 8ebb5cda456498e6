"""The profile that a project brings: approved by the user, out of the agent's reach."""

from __future__ import annotations


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

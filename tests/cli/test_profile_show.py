"""What `gmcp-sandbox profile show` says of profiles and paths."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gmcp_sandbox.cli.profile_show import explain, whole
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.policy.ceiling import bounded
from gmcp_sandbox.policy.profile import Ceiling, Profile, Tier


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "home/work").mkdir(parents=True)
    return tmp_path.resolve() / "home/work"


@pytest.fixture
def profile(workspace: Path) -> Profile:
    return load_profile("default", workspace=workspace, home=workspace.parent)


def explained(profile: Profile, path: str, workspace: Path) -> list[str]:
    return list(explain(profile, path, workspace=workspace, home=workspace.parent))


def test_the_rule_that_wins_is_marked(profile: Profile, workspace: Path) -> None:
    lines = explained(profile, ".env", workspace)
    assert lines[0] == f"{workspace}/.env: secret (rw tree {workspace})"
    assert lines[1] == f"  tree     {workspace} says workspace"
    (winner,) = [line for line in lines if line.endswith("(the highest: wins)")]
    assert winner.startswith("  rule     ")
    assert ".env says secret" in winner
    assert "  granted  fs.stat" in lines
    assert any(line.startswith("  denied   fs.list fs.read") and "trust.no_capability" in line for line in lines)


def test_where_no_rule_matches_the_tree_wins(profile: Profile, workspace: Path) -> None:
    lines = explained(profile, "a.py", workspace)
    assert lines[1] == f"  tree     {workspace} says workspace  (the highest: wins)"
    assert lines[2].startswith("  granted  fs.stat fs.list fs.read fs.write")


def test_an_exception_is_said(profile: Profile, workspace: Path) -> None:
    lines = explained(profile, ".env.example", workspace)
    assert "  rule     .env.* says secret, but not here" in lines
    assert lines[1].endswith("(the highest: wins)")


def test_what_is_not_shown_is_granted_to_nobody(profile: Profile, workspace: Path) -> None:
    lines = explained(profile, "/root/x", workspace)
    assert lines[0] == "/root/x: outside (nothing shows it)"
    assert not any("granted" in line for line in lines)
    assert "trust.outside_view" in lines[-1]


def test_a_tier_that_is_too_low_is_named(profile: Profile, workspace: Path) -> None:
    low = msgspec.structs.replace(profile, tier=Tier.UNTRUSTED)
    assert (
        "  denied   fs.write fs.create fs.delete fs.rename fs.setattr proc.exec: trust.tier demands limited"
        in explained(low, "a.py", workspace)
    )


def test_the_ceiling_is_shown_and_counts(profile: Profile, workspace: Path) -> None:
    low = bounded(profile, Ceiling("acme", "ab" * 32, Tier.LIMITED, profile.capabilities[:1]))
    text = "\n".join(whole(low))
    assert "ceiling      acme (abababababababab), tier limited" in text
    assert "granted by the ceiling, too\n  fs.stat fs.list fs.read on" in text
    assert any("trust.ceiling" in line for line in explained(low, "a.py", workspace))
    assert not any(line.startswith("ceiling ") for line in whole(profile))


def test_names_cannot_steer_the_terminal(profile: Profile, workspace: Path) -> None:
    assert "\x1b" not in "\n".join(explained(profile, "a\x1b[2J", workspace))

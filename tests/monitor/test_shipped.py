"""What the shipped profiles promise, path by path."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmcp_sandbox.calls import labels as known
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.policy.findings import findings_of
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.match import compile_globs
from gmcp_sandbox.policy.profile import Profile, Tier

WORKSPACE, HOME = Path("/usr/src/app"), Path("/home/u")
NAMES = ["default", "mcp-server", "online", "readonly", "strict"]


def load(name: str) -> Profile:
    return load_profile(name, workspace=WORKSPACE, home=HOME)


def granted(profile: Profile, path: str) -> set[Tool]:
    label = Labeller(profile.mounts, profile.path_rules).of(path).name
    return {
        tool
        for one in profile.capabilities
        if label in one.labels and (one.objects is None or compile_globs(one.objects)(path))
        for tool in one.tools
    }


@pytest.mark.parametrize("name", NAMES)
def test_shipped_profiles_have_no_findings(name: str) -> None:
    assert findings_of(load(name), str(HOME)) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/etc/shadow-",
        "/etc/sudoers.d/x",
        "/etc/ssl/private/x.key",
        "/etc/ssh/ssh_host_rsa_key",
        "/home/u/.ssh/id_rsa",
        "/home/u/.aws/credentials",
        "/usr/src/app/.env",
        "/usr/src/app/sub/.env.production",
        "/usr/src/app/server.pem",
        "/usr/src/app/tls/server.key",
        "/usr/src/app/id_ed25519",
        "/usr/src/app/.netrc",
    ],
)
def test_secrets_can_be_looked_at_at_most(name: str, path: str) -> None:
    assert granted(load(name), path) <= {Tool.FS_STAT}


@pytest.mark.parametrize("path", ["/home/u/.ssh", "/home/u/.ssh/id_rsa", "/home/u/.aws", "/home/u/.gnupg"])
def test_secrets_of_the_home_directory_are_denied_outright(path: str) -> None:
    assert granted(load("default"), path) == set()


@pytest.mark.parametrize("above", ["tests", "fixtures", "node_modules", "site-packages", "lib/python3.12"])
def test_where_the_workspace_lies_excepts_nothing_in_it(above: str) -> None:
    workspace = f"/home/u/{above}/app"
    profile = load_profile("default", workspace=Path(workspace), home=Path("/home/u"))
    labels = Labeller(profile.mounts, profile.path_rules)
    for name in (".env", "sub/.env.local", "prod.env", "server.key", "sub/ca.pem"):
        assert labels.of(f"{workspace}/{name}") is known.SECRET
    assert labels.of(f"{workspace}/.git/hooks/pre-commit") is known.WATCHED
    assert labels.of(f"{workspace}/tests/server.key") is known.WORKSPACE
    assert labels.of(f"{workspace}/node_modules/x/.env") is known.WORKSPACE


def test_packages_bring_no_hooks_that_a_git_file_could_point_to() -> None:
    for path in ("node_modules/x/hooks/pre-commit", "node_modules/x/.git/hooks/pre-commit"):
        assert Tool.FS_CREATE not in granted(load("default"), f"/usr/src/app/{path}")


@pytest.mark.parametrize(
    "path",
    [
        "/usr/src/app/.git/hooks/pre-commit",
        "/usr/src/app/vendor/lib/.git/hooks/post-checkout",
        "/usr/src/app/bare/hooks/post-receive",
        "/usr/src/app/.git/modules/x/hooks/pre-push",
        "/usr/src/app/.envrc",
        "/usr/src/app/sub/.envrc",
        "/usr/src/app/.vscode/tasks.json",
        "/usr/src/app/.github/workflows/ci.yml",
        "/usr/src/app/.gitlab-ci.yml",
        "/usr/src/app/.claude/settings.json",
        "/usr/src/app/.mcp.json",
        "/usr/src/app/.idea/workspace.xml",
        "/usr/src/app/.bashrc",
        "/usr/src/app/.dir-locals-2.el",
        "/usr/src/app/.pdbrc",
        "/usr/src/app/lefthook.yaml",
        "/usr/src/app/.hg/sharedpath",
        "/usr/src/app/gmcp.toml",
    ],
)
def test_what_runs_on_the_host_later_is_read_and_run_only(path: str) -> None:
    assert granted(load("default"), path) == {Tool.FS_STAT, Tool.FS_LIST, Tool.FS_READ, Tool.PROC_EXEC}


@pytest.mark.parametrize(
    "path",
    [
        "/usr/src/app/a.py",
        "/usr/src/app/.git/config",
        "/usr/src/app/.git/hooks/pre-commit.sample",
        "/usr/src/app/.git/index.lock",
        "/usr/src/app/.env.example",
        "/usr/src/app/.venv/lib/python3.12/site-packages/certifi/cacert.pem",
        "/usr/src/app/tests/certs/server.pem",
        "/usr/src/app/vendor/lib/.github/workflows/ci.yml",
        "/tmp/x",
        "/tmp/tmpx1y2cacert.pem",
        "/tmp/pytest-of-u/test_tls0/server.key",
        "/home/u/.bashrc",
        "/home/u/.cache/pip/x",
    ],
)
def test_ordinary_work_is_granted(path: str) -> None:
    assert {Tool.FS_READ, Tool.FS_WRITE, Tool.FS_CREATE, Tool.FS_DELETE, Tool.FS_RENAME} <= granted(
        load("default"), path
    )


@pytest.mark.parametrize("path", ["/usr/bin/python3", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/x.pem"])
def test_the_system_is_read(path: str) -> None:
    changing = {Tool.FS_WRITE, Tool.FS_CREATE, Tool.FS_DELETE, Tool.FS_RENAME, Tool.FS_SETATTR}
    assert Tool.FS_READ in granted(load("default"), path)
    assert not changing & granted(load("default"), path)


def test_readonly_changes_nothing_in_the_workspace() -> None:
    assert granted(load("readonly"), "/usr/src/app/a.py") == {Tool.FS_STAT, Tool.FS_LIST, Tool.FS_READ, Tool.PROC_EXEC}


def test_strict_runs_nothing_that_the_agent_wrote() -> None:
    profile = load("strict")
    assert profile.tier is Tier.LIMITED
    for path in ("/usr/src/app/a.py", "/tmp/x"):
        assert Tool.FS_WRITE in granted(profile, path)
        assert Tool.PROC_EXEC not in granted(profile, path)
    assert not any(mount.executable for mount in profile.mounts if mount.label.name != "system")


@pytest.mark.parametrize("name", NAMES)
def test_no_variable_that_carries_tokens_is_passed(name: str) -> None:
    allowed = load(name).environment.allow
    assert not [one for one in allowed if any(word in one for word in ("TOKEN", "SECRET", "KEY", "PASS", "AWS", "SSH"))]

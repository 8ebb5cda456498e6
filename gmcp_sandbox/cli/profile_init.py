"""`profile init`: write the first profile of a project, and approve it. Asks nothing, overwrites nothing."""

from __future__ import annotations

import os
from pathlib import Path

from gmcp_sandbox.errors import HostError, UsageError


def write_first(workspace: Path, *, home: Path) -> str:
    """Write `gmcp.toml` into a workspace and approve it; return what to say of it.

    Raises:
        UsageError: There is one, or the directory is no project.
        HostError: It cannot be written.
    """
    from gmcp_sandbox.cli.profile_trust import approve
    from gmcp_sandbox.cli.terminal import visible
    from gmcp_sandbox.monitor.profiles import PROJECT_FILE
    from gmcp_sandbox.monitor.project import look_at
    from gmcp_sandbox.monitor.resolve import check_workspace
    from gmcp_sandbox.monitor.statedir import StateDir, state_root
    from gmcp_sandbox.monitor.trusted import TrustStore
    from gmcp_sandbox.policy.starting import starting_profile

    check_workspace(workspace, home=home, state=state_root())
    project = look_at(workspace, home=home, environ=os.environ)
    path = workspace / PROJECT_FILE
    text = starting_profile(workspace.name, project.languages, project.origins, project.remotes)
    _write_new(path, text)
    hosts = [f"packages from {one.host}" for one in project.origins]
    hosts += [f"remote at {one.host}" for one in project.remotes]
    found = ", ".join([*project.languages, *hosts]) or "nothing special"
    said = approve(path, TrustStore.of(StateDir.open()), expected=text)
    return f"found    {visible(found)}\nwritten  {visible(str(path))}\n{said}"


def _write_new(path: Path, text: str) -> None:
    """Make a file that was not there; a link in its place is one that is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise UsageError(f"there is a {path} already", hint="gmcp-sandbox profile check") from None
    except OSError as error:
        raise HostError(f"cannot write {path}", cause=error.strerror or str(error)) from None
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)

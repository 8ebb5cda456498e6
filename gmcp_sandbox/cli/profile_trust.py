"""`profile trust`: approve the profile that a project brings, by exactly the bytes that lie there now."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gmcp_sandbox.errors import ProfileError, UsageError

if TYPE_CHECKING:
    from gmcp_sandbox.monitor.trusted import TrustStore


def run_trust(args: argparse.Namespace) -> int:
    """Approve a file, or take the approval back.

    Raises:
        ProfileError: It is no profile.
        UsageError: There is no approval to forget.
    """
    from gmcp_sandbox.cli.terminal import visible
    from gmcp_sandbox.monitor.profiles import PROJECT_FILE
    from gmcp_sandbox.monitor.statedir import StateDir
    from gmcp_sandbox.monitor.trusted import TrustStore

    path = place_of(Path(args.file))
    path = path / PROJECT_FILE if path.is_dir() else path
    store = TrustStore.of(StateDir.open())
    if args.forget:
        if not store.forget(path):
            raise UsageError(f"{visible(str(path))} was not approved")
        print(f"{visible(str(path))} is not approved any more")
        return 0
    print(approve(path, store))
    return 0


def approve(path: Path, store: TrustStore, *, expected: str | None = None) -> str:
    """Approve a profile that can be read whole; return what to say of it.

    Raises:
        ProfileError: It is no profile, or says something else than what is expected (None: anything).
    """
    from gmcp_sandbox.cli.terminal import visible
    from gmcp_sandbox.monitor.profiles import profile_of, read_chain
    from gmcp_sandbox.policy.findings import findings_of

    home = Path(os.environ.get("HOME") or os.path.expanduser("~"))
    chain = read_chain(str(path), home=home)
    if expected is not None and chain[-1].source.text != expected:
        raise ProfileError(f"{visible(str(path))} was changed by somebody else", hint="read it before you approve it")
    profile = profile_of(chain, workspace=path.parent, home=home)
    digest = store.trust(path, chain)
    found = [f"  {one.key}: {visible(one.text)}" for one in findings_of(profile, str(home))]
    head = f"approved {visible(str(path))} (tier {profile.tier.name.lower()}, these bytes: {digest[:16]})"
    return "\n".join([head, *found])


def place_of(path: Path) -> Path:
    """Return an absolute path whose directory has no link in it, as a workspace's has none; its last name is kept."""
    whole = Path(os.path.abspath(path))
    return whole.resolve() if whole.is_dir() else whole.parent.resolve() / whole.name

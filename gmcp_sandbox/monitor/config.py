"""The user's own configuration, `~/.config/gmcp-sandbox/config.toml`: which agent gets which profile.

    [agents]
    claude = "strict"
    builder = "./builder.toml"      # beside this file

Guarantees: no file, nothing said; a file that cannot be read whole, or says what is unknown, is an error and never
passed over.
"""

from __future__ import annotations

import os
from pathlib import Path

from gmcp_sandbox.monitor.profiles import is_path, own_directory, read_source
from gmcp_sandbox.monitor.shipped import shipped_names
from gmcp_sandbox.policy.document import ConfigDocument
from gmcp_sandbox.policy.fields import read_table, suggest


def config_file(home: Path) -> Path:
    """Return where the configuration is."""
    return own_directory(home).parent / "config.toml"


def profile_for(agent: str, home: Path) -> str | None:
    """Return the name or absolute path of the profile that the user has given to an agent, if there is one.

    Raises:
        ProfileError: The configuration is unreadable or wrong.
    """
    path = config_file(home)
    if not os.path.lexists(path):
        return None
    located = read_source(path)
    reference = read_table(located.source, ConfigDocument).agents.get(agent)
    if reference is None:
        return None
    if is_path(reference):
        whole = os.path.join(path.parent, os.path.expanduser(reference))
        if not os.path.isfile(whole):
            raise located.source.fault(f"there is no file {whole}", ("agents", agent))
        return os.path.normpath(whole)
    if reference not in shipped_names() and not (own_directory(home) / f"{reference}.toml").is_file():
        hint = f"{suggest(reference, shipped_names())} (or give a path)"
        raise located.source.fault(f"there is no profile {reference!r}", ("agents", agent), hint=hint)
    return reference

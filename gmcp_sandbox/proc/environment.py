"""Which of the caller's environment variables the agent gets: those that the profile lists, and no others."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping

from gmcp_sandbox.policy.profile import Environment


def allowed_environment(rules: Environment, environ: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return the agent's whole environment: allowed names with their values, then the values that are always set."""
    kept = {
        name: value
        for name, value in environ.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in rules.allow)
    }
    kept.update(rules.set)
    return {os.fsencode(name): os.fsencode(value) for name, value in kept.items()}

"""Which of the caller's environment variables the agent gets: those that the profile lists, and no others."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping

from gmcp_sandbox.policy.profile import Environment

_NOTHING = r"(?!)"


def allowed_environment(rules: Environment, environ: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return the agent's whole environment: allowed names with their values, then the values that are always set."""
    is_allowed = re.compile("|".join(map(fnmatch.translate, rules.allow)) or _NOTHING).match
    kept = {name: value for name, value in environ.items() if is_allowed(name)}
    kept.update(rules.set)
    return {os.fsencode(name): os.fsencode(value) for name, value in kept.items()}

"""Make a `Profile` from the TOML files of its `extends` chain.

Guarantees: the profile is complete, its paths are absolute and normal and hold no variables, every glob compiles, every
tool, label and tier exists. Anything else is a `ProfileError`; no default stands in for what is wrong.

How files join, from the first ancestor to the file itself: single values replace, tables merge, lists append (a mount
replaces an inherited one at the same path, a rule one of the same id). A list named in `replaces` is not inherited.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from blake3 import blake3

from gmcp_sandbox.policy.build import (
    Variables,
    build_capability,
    build_limits,
    build_mount,
    build_rule,
    build_path_rules,
    check_environment,
    check_home_file,
    check_labels,
    normal_path,
)
from gmcp_sandbox.policy.document import REPLACEABLE, Document
from gmcp_sandbox.policy.fields import Source, read_document, suggest
from gmcp_sandbox.policy.profile import (
    Capability,
    Environment,
    Mount,
    PathRule,
    ProbePolicy,
    Profile,
    RateLimit,
    Rule,
    Tier,
)

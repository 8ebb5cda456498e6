"""The published JSON Schema is the one that the code makes, and the shipped profiles obey it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from gmcp_sandbox.policy.published import profile_schema

PROFILES = Path(__file__).parents[2] / "profiles"


def test_the_published_schema_is_current() -> None:
    assert (PROFILES / "profile.schema.json").read_text() == profile_schema()


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_profiles_obey_the_schema(path: Path) -> None:
    schema = json.loads(profile_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(path.read_text()), schema, jsonschema.Draft202012Validator)


def test_the_schema_refuses_unknown_keys_and_empty_lists() -> None:
    schema = json.loads(profile_schema())
    for wrong in ({"name": "x", "teir": "limited"}, {"name": "x", "capabilities": []}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)

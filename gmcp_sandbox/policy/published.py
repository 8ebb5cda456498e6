"""The JSON Schema of profile files, as editors and other tools use it."""

from __future__ import annotations

import json

import msgspec

from gmcp_sandbox.policy.document import Document

SCHEMA_ID = "https://gmcp-sandbox.invalid/schemas/profile.schema.json"
"""A name, not an address: `.invalid` never resolves (RFC 2606)."""


def profile_schema() -> str:
    """Return the schema (draft 2020-12) as JSON text that ends in a newline; the same on every call."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "gmcp-sandbox profile",
        **msgspec.json.schema(Document),
    }
    return json.dumps(schema, indent=2, sort_keys=False, ensure_ascii=True) + "\n"

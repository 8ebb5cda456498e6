"""Each tool's schema is valid, and describes the calls that we make."""

from __future__ import annotations

import jsonschema
import msgspec
import pytest

from gmcp_sandbox.calls.arguments import ARGUMENTS, FsCreate
from gmcp_sandbox.calls.schemas import all_schemas, schema_of
from gmcp_sandbox.calls.tools import Tool

EXAMPLES = {
    Tool.FS_CREATE: ("/w/a", FsCreate("file", 0o644)),
}


@pytest.mark.parametrize("tool", Tool, ids=str)
def test_a_schema_is_itself_valid(tool):
    schema = schema_of(tool)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].startswith(f"urn:gmcp-sandbox:tool:{tool}:")
    assert schema["description"]


def test_all_tools_have_one():
    assert set(all_schemas()) == {tool.value for tool in Tool}


def test_a_call_fits_its_schema_and_no_other():
    object, args = EXAMPLES[Tool.FS_CREATE]
    written = {"tool": "fs.create", "object": object, "args": msgspec.to_builtins(args)}
    assert jsonschema.Draft202012Validator(schema_of(Tool.FS_CREATE)).is_valid(written)
    assert not jsonschema.Draft202012Validator(schema_of(Tool.FS_DELETE)).is_valid(written)


@pytest.mark.parametrize("tool", Tool, ids=str)
def test_unknown_arguments_do_not_fit(tool):
    schema = schema_of(tool)
    assert schema["properties"]["args"]["additionalProperties"] is False
    assert set(schema["properties"]["args"]["properties"]) == set(ARGUMENTS[tool].__struct_fields__)


def test_a_schema_is_the_callers_own():
    schema_of(Tool.FS_STAT)["properties"].clear()
    assert schema_of(Tool.FS_STAT)["properties"]

"""`tools`: every kernel request that an agent can make, and which tool call it becomes or why it is no effect."""

from __future__ import annotations

import argparse
import json
import textwrap
from typing import TYPE_CHECKING

from gmcp_sandbox.calls.mediation import Row, rows
from gmcp_sandbox.calls.schemas import all_schemas
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.cli.terminal import visible
from gmcp_sandbox.errors import UsageError

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers

WIDTH = 118


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "tools",
        help="show which kernel request becomes which tool call",
        description="Show the mediation table: every FUSE operation, packet class, system-call family and tree, and "
        "which tool call it becomes or why it is no effect.",
        epilog="Example: gmcp-sandbox tools fs.read",
    )
    parser.add_argument("tool", nargs="?", metavar="TOOL", help="only what concerns this tool, for example fs.read")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schemas of the calls instead")
    parser.add_argument("--json", action="store_true", help="one JSON object a line of the table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what is asked for."""
    if args.tool is not None and args.tool not in list(Tool):
        raise UsageError(f"there is no tool {visible(args.tool)!r}", hint=f"one of {', '.join(Tool)}")
    if args.schema:
        schemas = all_schemas()
        print(json.dumps(schemas if args.tool is None else schemas[args.tool], indent=2))
        return 0
    chosen = [row for row in rows() if args.tool is None or args.tool in row.becomes.split(", ")]
    for line in map(_as_json, chosen) if args.json else render(chosen):
        print(line)
    return 0


def render(chosen: list[Row]) -> list[str]:
    """Return the table as text: a heading for each origin, a family with its fate, its members below."""
    lines: list[str] = []
    origin = ""
    for row in chosen:
        if row.origin != origin:
            lines += [*([""] if lines else []), row.origin.upper()]
            origin = row.origin
        becomes = "" if row.becomes == "–" else f" → {row.becomes}"
        lines += _wrapped(f"{row.family}: {row.fate}{becomes}: {row.reason}", 2)
        if row.members != (row.family,):
            lines += _wrapped(" ".join(row.members), 6)
    return lines


def _wrapped(text: str, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin + "  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _as_json(row: Row) -> str:
    return json.dumps(
        {
            "origin": row.origin,
            "family": row.family,
            "fate": row.fate,
            "becomes": row.becomes,
            "reason": row.reason,
            "members": list(row.members),
        }
    )

"""`mcp`: MCP servers of profiles, what their tools looked like when they were approved, and what changed since."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers

PARTS = ("mcpimport", "mcplist", "mcpapprove", "mcpserve")
"""Modules of this package with an `add`, one for each family of commands."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "mcp",
        help="import MCP servers, show and approve their tools",
        description="Servers that a profile lets its agent's MCP calls reach, and what is known of their tools.",
        epilog="Example: gmcp-sandbox mcp import ~/.config/client/mcp.json -o agent.toml",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for part in PARTS:
        importlib.import_module(f"gmcp_sandbox.cli.{part}").add(commands)

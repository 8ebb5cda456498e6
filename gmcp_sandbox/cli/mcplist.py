"""`mcp list` and `mcp pins`: the servers of a profile, and what is pinned of their tools."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from gmcp_sandbox.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.mcp.pins import PinFile, PinStore
    from gmcp_sandbox.policy.mcp import McpServer

_DIGEST = 12


def add(commands: Subparsers) -> None:
    """Add the commands."""
    lister = commands.add_parser(
        "list",
        help="list the servers of a profile",
        description="List the MCP servers of a profile, what they are granted, and how many of their tools are pinned.",
        epilog="Example: gmcp-sandbox mcp list -p agent.toml",
        allow_abbrev=False,
    )
    lister.add_argument("-p", "--profile", default="default", help="name or file of the profile (default: default)")
    lister.add_argument("--json", action="store_true", help="JSON lines")
    lister.set_defaults(run=run_list)
    pins = commands.add_parser(
        "pins",
        help="show which tools are pinned and which wait",
        description="Show what is known of servers' tools: pinned as they are, or stopped until they are approved.",
        epilog="Example: gmcp-sandbox mcp pins github",
        allow_abbrev=False,
    )
    pins.add_argument("server", nargs="?", metavar="SERVER", help="this server alone")
    pins.add_argument("--json", action="store_true", help="JSON lines")
    pins.set_defaults(run=run_pins)


def run_list(args: argparse.Namespace) -> int:
    """Print the servers of a profile."""
    from pathlib import Path

    from gmcp_sandbox.cli.terminal import columns, visible
    from gmcp_sandbox.monitor.profiles import load_profile

    profile = load_profile(args.profile, workspace=Path.cwd(), home=Path.home())
    servers = () if profile.mcp is None else profile.mcp.servers
    store = open_store()
    if args.json:
        for server in servers:
            print(json.dumps(_facts(server, store.read(server))))
        return 0
    if not servers:
        print(f"the profile {visible(profile.name)} has no MCP servers")
        return 0
    rows: list[tuple[str, ...]] = [("SERVER", "WHERE", "PINNED", "WAITING", "TOOLS", "WHAT")]
    rows += [_row(server, store.read(server)) for server in servers]
    for line in columns([tuple(map(visible, row)) for row in rows]):
        print(line)
    return 0


def _facts(server: McpServer, file: PinFile) -> dict[str, object]:
    return {
        "server": server.name,
        "command": list(server.command),
        "url": server.url,
        "where": _where(server),
        "tools": list(server.tools),
        "pinned": sorted(file.pins),
        "waiting": sorted(file.waiting),
    }


def _row(server: McpServer, file: PinFile) -> tuple[str, ...]:
    tools = " ".join(server.tools) or "–"
    return (
        server.name,
        _where(server),
        str(len(file.pins)),
        str(len(file.waiting)),
        tools,
        server.url or " ".join(server.command),
    )


def _where(server: McpServer) -> str:
    return "network" if server.url is not None else server.where


def run_pins(args: argparse.Namespace) -> int:
    """Print what is known of servers' tools."""
    from gmcp_sandbox.cli.terminal import columns, visible

    files = files_of(open_store(), args.server)
    if args.json:
        for file in files:
            for fact in _tools(file):
                print(json.dumps(fact))
        return 0
    if not files:
        print("no tools are pinned yet")
    for file in files:
        print(f"{visible(file.server)}: {visible(file.about)}")
        rows = [("", str(each["tool"]), str(each["state"]), str(each["digest"])[:_DIGEST]) for each in _tools(file)]
        for line in columns([tuple(map(visible, row)) for row in rows]):
            print(line)
    return 0


def _tools(file: PinFile) -> Iterator[dict[str, object]]:
    for name in sorted(file.pins.keys() | file.waiting.keys()):
        pin, waiting = file.pins.get(name), file.waiting.get(name)
        state = "pinned" if pin is not None and pin.how == "first-use" else "approved"
        fact: dict[str, object] = {"server": file.server, "identity": file.identity, "tool": name}
        if waiting is not None:
            yield {
                **fact,
                "state": "stopped: " + "; ".join(waiting.reasons),
                "digest": waiting.digest,
                "at": waiting.at_ns,
            }
        elif pin is not None:
            yield {**fact, "state": state, "digest": pin.digest, "at": pin.at_ns}


def open_store() -> PinStore:
    """Return the store of the calling user."""
    from gmcp_sandbox.mcp.pins import PinStore
    from gmcp_sandbox.monitor.statedir import StateDir

    return PinStore(StateDir.open().pins())


def files_of(store: PinStore, server: str | None) -> list[PinFile]:
    """Return what is known of all servers, or of those of one name.

    Raises:
        UsageError: There is none of this name.
    """
    files = store.files()
    if server is None:
        return files
    found = [file for file in files if file.server == server]
    if not found:
        names = sorted({file.server for file in files})
        hint = f"known are: {', '.join(names)}" if names else "none has been used yet"
        raise UsageError(f"nothing is known of a server {server!a}", hint=hint)
    return found

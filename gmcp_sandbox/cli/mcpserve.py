"""`mcp serve`: the governed gateway for clients that run outside of a sandbox; a session without an agent.

It has the log, the live tail, the approvals and the end of any other session. Over pipes it is one server; over HTTP,
on the host's loopback, it is all servers of the profile, for whoever bears the token.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gmcp_sandbox.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.cli.standalone import Entrance


def add(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "serve",
        help="be a governed gateway for clients outside of a sandbox",
        description="Serve the MCP servers of a profile, judged and recorded: one over standard input and output, or"
        " all of them over HTTP on the loopback.",
        epilog="Example: gmcp-sandbox mcp serve -p tools.toml github\n"
        "Exit status: 0 the client has ended; 125 the gateway failed; 128+n signal n.",
        allow_abbrev=False,
    )
    parser.add_argument("-p", "--profile", help="name or file of the trust profile")
    parser.add_argument("--name", default="mcp", help="name of the client in records (default: mcp)")
    parser.add_argument("--port", type=int, default=0, help="of the loopback (default: a free one)")
    parser.add_argument("--token-file", metavar="FILE", help="take the token from there (default: a new one)")
    parser.add_argument("server", nargs="?", metavar="SERVER", help="serve this one over standard input and output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until the client has ended, or a signal comes."""
    from gmcp_sandbox.cli.standalone import serve

    prepared = _prepare(args)
    mcp = prepared.profile.mcp
    if mcp is None:
        raise UsageError(f"the profile {prepared.profile.name} has no MCP servers", hint="gmcp-sandbox mcp import FILE")
    if args.server is not None and mcp.server(args.server) is None:
        names = ", ".join(server.name for server in mcp.servers)
        raise UsageError(f"the profile {prepared.profile.name} has no MCP server {args.server}", hint=f"it has {names}")
    ending = serve(prepared, _entrance(args))
    if ending.error:
        print(f"error: {ending.error}", file=sys.stderr)
        if ending.hint:
            print(f"  try:   {ending.hint}", file=sys.stderr)
    return ending.code


def _prepare(args: argparse.Namespace) -> Preparation:
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.monitor.choosing import choose
    from gmcp_sandbox.monitor.profiles import files_of, state_of
    from gmcp_sandbox.policy.view import View
    from gmcp_sandbox.proc.identity import Identity
    from gmcp_sandbox.proc.program import Program

    workspace, home = Path(os.getcwd()), Path(os.environ.get("HOME") or os.path.expanduser("~"))
    choice = choose(args.profile, workspace=workspace, environ=os.environ, agent=args.name)
    files = tuple(str(path) for path in files_of(choice.reference, home=home))
    state = state_of((*files, *choice.beside()))
    profile = choice.load(workspace=workspace, home=home)
    words = ("mcp", "serve", *(() if args.server is None else (args.server,)))
    return Preparation(
        args.name,
        str(workspace),
        str(home),
        profile,
        View.of(()),
        Identity.of_caller(),
        Program(tuple(word.encode() for word in words), {}, os.fsencode(workspace)),
        choice=choice,
        profile_files=files,
        profile_state=state,
    )


def _entrance(args: argparse.Namespace) -> Entrance:
    import secrets

    from gmcp_sandbox.cli.standalone import Entrance

    if args.server is not None:
        return Entrance(server=args.server)
    if not 0 <= args.port < 65536:
        raise UsageError(f"{args.port} is no port")
    token = secrets.token_urlsafe(32) if args.token_file is None else _token(Path(args.token_file))
    return Entrance(port=args.port, token=token)


def _token(path: Path) -> str:
    """Read a token that nobody else can read. Raises UsageError."""
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_mode & 0o077 or facts.st_uid != os.geteuid():
                raise UsageError(f"others may read or own {path}", hint=f"chmod 600 {path}")
            token = file.read(4096).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the token in {path}", cause=str(error)) from None
    if len(token) < 16 or not token.isprintable() or " " in token:
        raise UsageError(f"{path} holds no token", cause="it takes 16 characters or more, without blanks")
    return token

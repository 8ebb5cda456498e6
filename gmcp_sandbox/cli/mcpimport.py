"""`mcp import`: the servers of an MCP client's configuration file, as entries of a profile.

Guarantees: the value of a credential goes nowhere: neither into the profile nor to the terminal. A profile that is
there already is added to only as a whole and only when it is a valid profile afterwards.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmcp_sandbox.errors import ProfileError, UsageError

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.mcp.profiletext import Taken

_LARGEST = 4 << 20
_NEW = """name = {name}
extends = "default"
description = "The default agent, with MCP servers."
"""


def add(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "import",
        help="take the servers of a client's configuration file over",
        description="Read the file in which an MCP client names its servers (mcpServers, servers, context_servers; "
        "JSON, JSON with comments, TOML) and print them as entries of a profile. Credentials become references: "
        "you are told which variables to set.",
        epilog="Example: gmcp-sandbox mcp import ~/.config/client/mcp.json -o agent.toml",
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="the client's file; - for standard input")
    parser.add_argument(
        "-o", "--output", metavar="PROFILE", help="write to this file: a new profile, or added to one that is there"
    )
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="this server alone; repeat it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print or write the entries; tell what is left to do.

    Raises:
        UsageError: The file cannot be read, or names no such server.
        ProfileError: What there is of the profile is wrong, or would be afterwards.
    """
    taken, skipped = _taken(args)
    text = "\n".join(one.text for one in taken)
    if args.output is None:
        sys.stdout.write(text)
    elif taken:
        _write(Path(args.output), text)
    for line in told(taken, skipped, args.output):
        print(line, file=sys.stderr)
    return 0 if taken else 1


def _taken(args: argparse.Namespace) -> tuple[list[Taken], list[tuple[str, str]]]:
    from gmcp_sandbox.cli.terminal import visible
    from gmcp_sandbox.mcp.clientfiles import ClientFileError, read_client_file
    from gmcp_sandbox.mcp.profiletext import take_over

    try:
        entries = read_client_file(_read(args.file), is_toml=args.file.endswith(".toml"))
    except ClientFileError as error:
        raise UsageError(f"cannot import {visible(args.file)}", cause=str(error)) from None
    names = {entry.name for entry in entries}
    for wanted in args.only:
        if wanted not in names:
            raise UsageError(f"no server {visible(wanted)!r} in it", hint=f"one of {visible(', '.join(sorted(names)))}")
    taken: list[Taken] = []
    skipped = []
    for entry in entries:
        if args.only and entry.name not in args.only:
            continue
        if entry.skipped:
            skipped.append((entry.name, entry.skipped))
        else:
            taken.append(take_over(entry, [one.name for one in taken]))
    return taken, skipped


def _read(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.read(_LARGEST + 1)
        with open(name, "rb") as file:
            return file.read(_LARGEST + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
        raise UsageError(f"cannot read {name}", cause=cause) from None


def _write(path: Path, text: str) -> None:
    """Make a profile, or add to one; what results is read as a profile before it takes the file's place."""
    from gmcp_sandbox.mcp.profiletext import quoted, slug_of
    from gmcp_sandbox.monitor.profiles import load_profile
    from gmcp_sandbox.monitor.statedir import replace_file

    draft = path.with_name(f".{path.name}.draft.toml")
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else _NEW.format(name=quoted(slug_of(path.stem)))
        replace_file(draft, f"{before.rstrip()}\n\n{text}".encode())
        try:
            load_profile(str(draft.absolute()), workspace=Path.cwd(), home=Path.home())
        except ProfileError as error:
            raise ProfileError(
                f"{path} would be no valid profile", cause=str(error).replace(str(draft.absolute()), path.name)
            ) from None
        os.replace(draft, path)
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"cannot write {path}", cause=str(error)) from None
    finally:
        draft.unlink(missing_ok=True)


def told(taken: Sequence[Taken], skipped: Sequence[tuple[str, str]], output: str | None) -> list[str]:
    """Return what is said about an import, on lines for people."""
    from gmcp_sandbox.cli.terminal import visible

    lines = [f"{one.name}: {visible(remark)}" for one in taken for remark in one.remarks]
    lines += [f"{visible(name)}: not taken over: {why}" for name, why in skipped]
    needed = {source.removeprefix("env:"): None for one in taken for _name, source, _where in one.credentials}
    if needed:
        lines.append("Credentials were left out. Set these before a session starts, or name files of yours instead:")
        lines += [f"  export {variable}=…" for variable in needed]
    if len(taken) > 1:
        lines.append("What one server returns goes to no other, unless its `flows_to` names it.")
    if output is not None and taken:
        lines.append(f"Written to {visible(output)}; look at it with: gmcp-sandbox profile show {visible(output)}")
    return lines

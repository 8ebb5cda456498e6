"""`mcp approve`: read what a server says of its tools now, beside what was approved, and let it pass.

Guarantees: what is shown is what is approved: the definition that was looked at, by its digest, and no later one.
Nothing in it can steer the terminal, and what cannot be seen is shown as an escape.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gmcp_sandbox.cli.mcplist import files_of, open_store
from gmcp_sandbox.cli.terminal import Painter, visible
from gmcp_sandbox.errors import UsageError

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.mcp.pins import PinFile, PinStore, Waiting

_COLOURS = {"+": "green", "-": "red"}


def add(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "approve",
        help="show and approve tools that are stopped",
        description="Show what is new or changed in a server's tools, and why they are stopped; approve them one by "
        "one. A session that runs sees it when it lists the tools again.",
        epilog="Example: gmcp-sandbox mcp approve github create_issue",
        allow_abbrev=False,
    )
    parser.add_argument("server", metavar="SERVER")
    parser.add_argument("tool", nargs="?", metavar="TOOL", help="this tool alone (default: all that wait)")
    parser.add_argument("--show", action="store_true", help="show, and approve nothing")
    parser.add_argument("--yes", action="store_true", help="approve what is shown without asking")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show what waits, and approve what is said yes to; 1 when something still waits."""
    store = open_store()
    painter = Painter(sys.stdout, getattr(args, "color", "auto"))
    is_left = is_any = False
    for file in files_of(store, args.server):
        for name in _names(file, args.tool):
            is_any = True
            waiting = file.waiting[name]
            print("\n".join(shown(file, name, painter)))
            if args.show or not (args.yes or _confirmed(name)):
                is_left = True
            elif _approve(store, file, name, waiting):
                print(f"approved: {visible(file.server)}/{visible(name)}")
            else:
                is_left = True
                print("it has changed again in the meantime and still waits", file=sys.stderr)
    if not is_any:
        _say_nothing_waits(store, args)
    return 1 if is_left else 0


def _say_nothing_waits(store: PinStore, args: argparse.Namespace) -> None:
    if args.tool is not None and not any(args.tool in file.pins for file in files_of(store, args.server)):
        hint = f"gmcp-sandbox mcp pins {visible(args.server)} lists them"
        raise UsageError(f"{visible(args.server)} has no tool {visible(args.tool)!r}", hint=hint)
    print("nothing waits for approval")


def _names(file: PinFile, tool: str | None) -> list[str]:
    return sorted(file.waiting) if tool is None else [tool] if tool in file.waiting else []


def _approve(store: PinStore, file: PinFile, name: str, shown_one: Waiting) -> bool:
    """Approve what was shown; return False when something else waits by now."""
    is_done = False

    def change(now: PinFile) -> PinFile:
        nonlocal is_done
        waits = now.waiting.get(name)
        if waits is None or (waits.digest, waits.reasons) != (shown_one.digest, shown_one.reasons):
            return now
        is_done = True
        return now.approved(name, time.time_ns())

    store.change(file, change)
    return is_done


def _confirmed(name: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", hint="--yes approves what is shown, --show only shows it")
    try:
        answer = input(f"approve {visible(name)}? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def shown(file: PinFile, name: str, painter: Painter) -> list[str]:
    """Return what a person has to read before a definition is approved."""
    waiting, pin = file.waiting[name], file.pins.get(name)
    lines = [painter.paint(f"{visible(file.server)}/{visible(name)}", "bold") + f"  ({visible(file.about)})"]
    lines += [f"  stopped: {visible(reason)}" for reason in waiting.reasons]
    new = list(_lines(waiting.definition))
    if pin is None:
        return [*lines, *(f"  {line}" for line in new)]
    diff = difflib.unified_diff(list(_lines(pin.definition)), new, n=2, lineterm="")
    body = [line for line in diff if not line.startswith(("---", "+++", "@@"))]
    return [*lines, *(f"  {painter.paint(line, _COLOURS[line[0]]) if line[0] in _COLOURS else line}" for line in body)]


def _lines(definition: str) -> Iterator[str]:
    """Yield a definition as lines, one for each value in it and each line of a text, escaped."""
    waiting: list[tuple[str, Any]] = [("", json.loads(definition))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict) and value:
            members = sorted(value.items(), key=lambda member: _ORDER.get(member[0], len(_ORDER)))
            waiting.extend(
                (f"{path}.{_spelled(name)}" if path else _spelled(name), each) for name, each in reversed(members)
            )
        elif isinstance(value, list) and value:
            waiting.extend((f"{path}[{at}]", each) for at, each in reversed(list(enumerate(value))))
        elif isinstance(value, str) and "\n" in value:
            yield f"{path}:"
            yield from (f"  | {_spelled(line)}" for line in value.split("\n"))
        else:
            yield f"{path}: {_spelled(value) if isinstance(value, str) else json.dumps(value)}"


_ORDER = {name: at for at, name in enumerate(("name", "title", "description", "inputSchema"))}


def _spelled(text: str) -> str:
    """Return a text escaped; letters that look like others are named when Latin ones are beside them."""
    from gmcp_sandbox.pipeline.concealment import is_mixed

    return ascii(text)[1:-1] if is_mixed(text) else visible(text)

"""`exec`: run an agent under governance.

Three processes take part (see ARCHITECTURE.md): the front, which is this one and the only one that the user's shell
knows; the supervisor, which serves and judges; and the agent's own, in namespaces.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from gmcp_sandbox import collector
from gmcp_sandbox.errors import SandboxError, UsageError

if TYPE_CHECKING:
    from gmcp_sandbox.cli.livetail import LiveTail
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.monitor.statedir import SessionDir
    from gmcp_sandbox.proc.channel import Channel

SANDBOX_FAILED = 125


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "exec",
        help="run an agent under governance",
        description="Run a program whose every file access, exec and connection is a judged, recorded tool call.",
        epilog="Example: gmcp-sandbox exec -p strict -- python3 agent.py --task 'fix the tests'\n"
        "Exit status: the agent's own; 125 the sandbox failed, 126 not executable, 127 not found, 128+n signal n.\n"
        "The first five minutes: gmcp-sandbox help start",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-p",
        "--profile",
        help="name or file of the trust profile (default: the agent's in your config.toml, else the workspace's "
        "gmcp.toml, else `default`)",
    )
    parser.add_argument("-w", "--workspace", metavar="DIR", help="the directory to work in (default: this one)")
    parser.add_argument("--name", help="name of the agent (default: the program's)")
    parser.add_argument("--tail", action="store_true", help="show decisions on stderr as they are made")
    parser.add_argument("--json-status", type=_descriptor, metavar="FD", help="write start and end as JSON lines there")
    parser.add_argument("--share", action="store_true", help="let other sessions write to the workspace as well")
    parser.add_argument(
        "--publish",
        metavar="[HOST_PORT:]PORT",
        action="append",
        default=[],
        help="open a port of the sandbox on the host's loopback (repeatable)",
    )
    parser.add_argument(
        "--env",
        metavar="NAME[=OURS]",
        action="append",
        default=[],
        help="give the agent this variable, too, with the value that it, or the one named OURS, has here (repeatable)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print view, grants and set-up; run nothing")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="agent.py|PROGRAM [ARG…]")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the agent; return the exit status of the table in the README."""
    try:
        return _run(args)
    except UsageError as mistake:
        mistake.exit_code = SANDBOX_FAILED  # 2 may be the agent's own
        raise


def _run(args: argparse.Namespace) -> int:
    if args.command[:1] == ["--"]:
        args.command = args.command[1:]
    if args.dry_run:
        from gmcp_sandbox.cli.dryrun import show
        from gmcp_sandbox.cli.preparation import prepare

        return show(prepare(args, os.environ))
    collector.put_off()
    from gmcp_sandbox.cli.preparation import prepare  # before the fork: the supervisor needs most of it as well

    line = _start_supervisor()
    return _launch(args, prepare(args, os.environ), line)


def _start_supervisor() -> Channel:
    """Fork the supervisor, which gets ready while this process finds out what is wanted; return the line to it.

    When this process ends without giving orders, the supervisor ends as well.
    """
    from gmcp_sandbox.proc.channel import Channel

    ours, theirs = Channel.pair()
    if os.fork():
        theirs.close()
        return ours
    try:
        ours.close()
        from gmcp_sandbox.cli.supervisor import supervise

        supervise(theirs)
    except BaseException:  # noqa: BLE001 - our own bug, and no supervisor to report it
        traceback.print_exc()
    finally:
        os._exit(SANDBOX_FAILED)


def _launch(args: argparse.Namespace, prepared: Preparation, supervisor: Channel) -> int:
    """Give the supervisor its orders, be the front until the end, and say how it ended."""
    from gmcp_sandbox.cli.claim import claim
    from gmcp_sandbox.cli.mcpview import with_mcp_files
    from gmcp_sandbox.cli.netview import with_network_files
    from gmcp_sandbox.cli.orders import Orders, give
    from gmcp_sandbox.cli.preparation import with_kept_home
    from gmcp_sandbox.monitor.statedir import StateDir
    from gmcp_sandbox.proc.channel import Channel
    from gmcp_sandbox.proc.relay import Relay
    from gmcp_sandbox.proc.stdio import Stdio

    state = StateDir.open()
    prepared = with_kept_home(prepared, state)
    claim(state.path, prepared, share=args.share)  # held until this process ends
    session = state.create_session()
    prepared = with_mcp_files(with_network_files(prepared, session), session)
    stdio = Stdio.like_ours(prepared.identity)
    front_line, agent_line = Channel.pair()
    with contextlib.suppress(BrokenPipeError):  # it has ended already; its last message, if there is one, says why
        give(supervisor, Orders(prepared, session.id, str(session.path)), stdio, agent_line)
    agent_line.close()
    stdio.close_agent_side()
    state.collect()  # while the supervisor gets ready
    _tell(args.json_status, {"event": "start", "session": session.id, "agent": prepared.agent})
    tail = _start_tail(args, session)
    collector.resume()
    final = Relay(stdio, front_line, supervisor).run()
    if tail is not None:
        tail.finish()
    if final is not None and final.get("reason") == "not_executed":
        final |= _why_not(prepared, int(final["code"]), session.id)
    return _conclude(args, session.id, final)


def _why_not(prepared: Preparation, code: int, session: str) -> dict[str, Any]:
    """Return what to say of a program that did not start."""
    from gmcp_sandbox.cli.unstarted import explain

    reason = explain(prepared, code, session, os.environ)
    return {"error": reason.what, "cause": reason.cause, "hint": reason.hint}


def _start_tail(args: argparse.Namespace, session: SessionDir) -> LiveTail | None:
    if not args.tail:
        return None
    from gmcp_sandbox.cli.livetail import LiveTail

    return LiveTail(session, args.color)


def _conclude(args: argparse.Namespace, session: str, final: dict[str, Any] | None) -> int:
    """Print errors and the summary line; return the exit status."""
    if final is None:
        final = {
            "code": SANDBOX_FAILED,
            "error": "the supervisor ended without a word; the agent was killed with it",
            "hint": f"gmcp-sandbox audit verify {session}",
        }
    if final.get("error"):
        _complain(str(final["error"]), str(final.get("cause") or ""), str(final.get("hint") or ""))
    if "allowed" in final:
        if remarks := final.get("remarks"):
            from gmcp_sandbox.cli.terminal import visible

            for remark in remarks:
                print(f"warning: {visible(remark)}", file=sys.stderr)
        probe = " · no probe model" if final.get("probe") is None else ""
        unseen = f", {final['unseen']} not in the view" if final["unseen"] else ""
        counts = f"{final['allowed']} allowed, {final['denied']} denied{unseen}"
        line = f"{counts}{probe} · gmcp-sandbox audit show {session}"
        print(line, file=sys.stderr)
    code = int(final["code"])
    _tell(args.json_status, {"event": "end", "session": session, **{k: v for k, v in final.items() if k != "kind"}})
    return code


def _complain(error: str, cause: str, hint: str) -> None:
    """Print an error. One of our own bugs has a traceback, whose lines stay lines."""
    what, *rest = error.split("\n")
    lines = [SandboxError(what).render(), *rest]
    lines += SandboxError("", cause=cause, hint=hint).render().split("\n")[1:]
    print("\n".join(lines), file=sys.stderr)


def _descriptor(text: str) -> int:
    """Return the number of an open descriptor."""
    try:
        fd = int(text)
        os.fstat(fd)
    except (ValueError, OSError):
        raise argparse.ArgumentTypeError(f"{text} is no open descriptor") from None
    return fd


def _tell(fd: int | None, event: dict[str, Any]) -> None:
    if fd is not None:
        with contextlib.suppress(OSError):  # whoever wanted to know has gone; the agent's exit status stands
            os.write(fd, json.dumps(event).encode() + b"\n")

"""`approve`: see what running sessions ask, and answer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.client import Client
    from gmcp_sandbox.monitor.statedir import SessionDir


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "approve",
        help="answer what running sessions ask",
        description="Without a question: list what is open. With one: allow it, once unless told otherwise.",
        epilog="Example: gmcp-sandbox approve 7f3a 2 --session   (allow it, and the same later in this session)",
        allow_abbrev=False,
    )
    parser.add_argument("session", nargs="?", metavar="SESSION", help="beginning of its id (default: all that run)")
    parser.add_argument("ask", nargs="?", type=int, metavar="QUESTION", help="number of the question")
    parser.add_argument("--show", action="store_true", help="print the question with its content; no answer")
    parser.add_argument("--deny", action="store_true", help="deny it now")
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument(
        "--session", dest="for_session", action="store_true", help="allow it for the rest of the session"
    )
    scope.add_argument("--pattern", metavar="PATTERN", help="allow all that this covers for the rest of the session")
    scope.add_argument(
        "--always", nargs="?", const="", metavar="PATTERN", help="write a grant into the profile as well"
    )
    parser.add_argument(
        "--wait", action="store_true", help="list questions as they come, also of sessions that start later"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List, show or answer questions."""
    from gmcp_sandbox.errors import UsageError

    if args.ask is None:
        if args.deny or args.show or args.for_session or args.pattern or args.always is not None:
            raise UsageError("which question?", hint="gmcp-sandbox approve lists them: SESSION QUESTION")
        return _wait(args) if args.wait else _list(args)
    session = _running(args.session)[0]
    from gmcp_sandbox.client import Client

    with Client(str(session.path)) as client:
        question = _find(client, args.ask)
        if args.show:
            _show(client, session, question)
            return 0
        _answer(args, client, session, question)
    return 0


def _list(args: argparse.Namespace) -> int:
    from gmcp_sandbox.client import Client
    from gmcp_sandbox.errors import HostError

    found = False
    for session in _running(args.session):
        try:
            with Client(str(session.path)) as client:
                questions = client.asks()
        except HostError:
            continue  # it ended in this moment
        found = found or bool(questions)
        for question in questions:
            _print_line(args, session, question)
    if not found and not args.json:
        print("nothing waits for an answer")
    return 0


def _wait(args: argparse.Namespace) -> int:
    """Print each question once, as it comes: of one session until it ends, of all until Ctrl-C."""
    import sys

    from gmcp_sandbox.cli.waiting import Waiting
    from gmcp_sandbox.monitor.statedir import StateDir

    only = None if args.session is None else _running(args.session)[0]
    with Waiting(StateDir.open(), only) as waiting:
        try:
            while not waiting.is_over:
                for session, question in waiting.poll():
                    _print_line(args, session, question)
                sys.stdout.flush()
        except KeyboardInterrupt:
            return 0
    return 0


def _running(prefix: str | None) -> list[SessionDir]:
    """Return the running sessions that are meant. Raises UsageError when there is none."""
    from gmcp_sandbox.cli.processes import by_start
    from gmcp_sandbox.errors import UsageError
    from gmcp_sandbox.monitor.statedir import StateDir

    state = StateDir.open()
    chosen = by_start(state.sessions()) if prefix is None else [state.find(prefix)]
    running = [session for session in chosen if session.is_running()]
    if not running:
        raise UsageError("no session is running" if prefix is None else f"session {prefix} has ended")
    return running


def _find(client: Client, number: int) -> dict[str, Any]:
    from gmcp_sandbox.errors import UsageError

    for question in client.asks():
        if question["id"] == number:
            return question
    raise UsageError(f"no question {number} is open", hint="it was answered, or its time is over")


def _answer(args: argparse.Namespace, client: Client, session: SessionDir, question: dict[str, Any]) -> None:
    from gmcp_sandbox.cli.terminal import visible
    from gmcp_sandbox.errors import UsageError

    pattern = args.pattern
    if args.for_session or args.always == "":
        if not question["patterns"]:
            raise UsageError("no pattern fits this call", hint="name one with --pattern or --always")
        pattern = question["patterns"][0]
    elif args.always:
        pattern = args.always
    client.answer(question["id"], allow=not args.deny, pattern=None if args.deny else pattern, by="approve")
    if args.deny:
        print("denied")
        return
    print("allowed once" if pattern is None else f"allowed for this session: {visible(pattern)}")
    if args.always is not None:
        from gmcp_sandbox.cli.granting import write_grant

        print(f"written to {write_grant(session, question, pattern)}")


def _print_line(args: argparse.Namespace, session: SessionDir, question: dict[str, Any]) -> None:
    import time

    from gmcp_sandbox.audit.encode import encode
    from gmcp_sandbox.cli.terminal import visible

    if args.json:
        print(encode({"session": session.id, **question}).decode())
        return
    left = max(0, (question["deadline_ns"] - time.time_ns()) // 1_000_000_000)
    times = f" ×{question['waiting']}" if question["waiting"] > 1 else ""
    what = f"{visible(question['tool'])}  {visible(question['object'])}"
    print(f"{session.id} {question['id']}{times}  {what}  {left} s left")
    for _, reason, detail in question["reasons"]:
        print(f"    {visible(reason)}: {visible(detail)}")


def _show(client: Client, session: SessionDir, question: dict[str, Any]) -> None:
    """Print all that is known of a question: arguments, reasons, patterns, and the change, else the content."""
    from gmcp_sandbox.audit.encode import encode
    from gmcp_sandbox.cli.difference import shown_change, shown_content
    from gmcp_sandbox.cli.terminal import visible

    print(f"session {session.id}, question {question['id']}, call {question['seq']} of {visible(question['agent'])}")
    print(f"  {visible(question['tool'])}  {visible(question['object'])}  (label {visible(question['label'])})")
    if question["arguments"]:
        print(f"  {encode(question['arguments']).decode()}")
    for layer, reason, detail in question["reasons"]:
        print(f"  {visible(layer)}: {visible(reason)}: {visible(detail)}")
    for number, pattern in enumerate(question["patterns"]):
        print(f"  {'--session' if number == 0 else '--pattern'} would cover: {visible(pattern)}")
    change = client.change(question["id"])
    if change is not None:
        print(shown_change(*change))
        return
    content = client.content(question["id"])
    if content is not None:
        print(shown_content(*content))

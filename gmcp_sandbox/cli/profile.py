"""`profile`: make, list, show, check, compare and approve profiles, and print their JSON Schema."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gmcp_sandbox.cli.terminal import visible
from gmcp_sandbox.errors import ProfileError

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.policy.profile import Profile

CLEAN, FINDINGS = 0, 1


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "profile",
        help="make, show, check, compare and approve profiles",
        description="Make, show, check, compare and approve trust profiles.",
        epilog="Example: gmcp-sandbox profile show --explain .env\n"
        "Exit status: 0 fine, 1 findings, a difference or a wrong profile, 2 usage.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="profile_command", metavar="COMMAND", required=True)
    init = _action(
        commands, "init", _init, "write a gmcp.toml for the project here, and approve it", "profile init -w ~/src/app"
    )
    init.add_argument("-w", "--workspace", metavar="DIR", help="the project (default: this directory)")
    _action(commands, "list", _list, "list the shipped profiles and your own", "profile list")
    show = _action(commands, "show", _show, "print a profile, `extends` resolved", "profile show strict --explain .env")
    show.add_argument("--explain", metavar="PATH", help="say which label a path has, why, and what is granted on it")
    show.add_argument("--json", action="store_true", help="print the profile as JSON")
    check = _action(
        commands, "check", _check, "look for mistakes and for grants that give much", "profile check ./gmcp.toml"
    )
    for one in (show, check):
        one.add_argument("profile", nargs="?", help="name or file (default: gmcp.toml of the workspace, else default)")
        one.add_argument("-w", "--workspace", metavar="DIR", help="what ${workspace} stands for (default: here)")
    diff = _action(
        commands, "diff", _diff, "show which calls two profiles answer differently", "profile diff default strict"
    )
    diff.add_argument("first", metavar="A", help="name or file")
    diff.add_argument("second", metavar="B", help="name or file")
    diff.add_argument("-w", "--workspace", metavar="DIR", help="what ${workspace} stands for (default: here)")
    diff.add_argument("--all", action="store_true", help="every call of the sample, not a few of each kind")
    trust = _action(
        commands, "trust", _trust, "approve a gmcp.toml, by the bytes that it has now", "profile trust ./gmcp.toml"
    )
    trust.add_argument("file", nargs="?", default="gmcp.toml", metavar="FILE", help="default: ./gmcp.toml")
    trust.add_argument("--forget", action="store_true", help="take the approval back")
    _action(commands, "schema", _schema, "print the JSON Schema of profile files", "profile schema > profile.json")
    parser.set_defaults(run=run)


def _action(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    word: str,
    action: Callable[[argparse.Namespace], int],
    text: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        word, help=text, description=text[0].upper() + text[1:] + ".", epilog=f"Example: gmcp-sandbox {example}"
    )
    parser.set_defaults(run_profile=action)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the chosen sub-command; return 0, or 1 when there are findings."""
    status: int = args.run_profile(args)
    return status


def _list(_args: argparse.Namespace) -> int:
    from gmcp_sandbox.monitor.profiles import own_directory, read_chain
    from gmcp_sandbox.monitor.shipped import shipped_names
    from gmcp_sandbox.policy.fields import read_document

    home = _home()
    own = sorted(path.stem for path in own_directory(home).glob("*.toml"))
    for name in (*shipped_names(), *(name for name in own if name not in shipped_names())):
        try:
            text = read_document(read_chain(name, home=home)[-1].source).description or ""
        except ProfileError as error:
            text = f"wrong: {error}"
        print(f"{name:<12} {visible(text)}")
    return CLEAN


def _show(args: argparse.Namespace) -> int:
    from gmcp_sandbox.cli.profile_show import explain, whole

    profile = _load(args)
    if args.explain is not None:
        print("\n".join(explain(profile, args.explain, workspace=_workspace(args), home=_home())))
    elif args.json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(profile), indent=2))
    else:
        print("\n".join(whole(profile)))
    return CLEAN


def _check(args: argparse.Namespace) -> int:
    from gmcp_sandbox.policy.findings import findings_of

    try:
        profile = _load(args)
    except ProfileError as error:
        print(error.render(), file=sys.stderr)
        return FINDINGS
    found = findings_of(profile, str(_home()))
    for finding in found:
        print(f"{finding.key}: {visible(finding.text)}" + (f" (try: {finding.hint})" if finding.hint else ""))
    print(f"{profile.name}: {len(found)} finding{'' if len(found) == 1 else 's'}")
    return FINDINGS if found else CLEAN


def _schema(_args: argparse.Namespace) -> int:
    from gmcp_sandbox.policy.published import profile_schema

    sys.stdout.write(profile_schema())
    return CLEAN


def _init(args: argparse.Namespace) -> int:
    from gmcp_sandbox.cli.profile_init import write_first

    print(write_first(_workspace(args), home=_home()))
    return CLEAN


def _diff(args: argparse.Namespace) -> int:
    from gmcp_sandbox.cli.profile_diff import run_diff

    return run_diff(args)


def _trust(args: argparse.Namespace) -> int:
    from gmcp_sandbox.cli.profile_trust import run_trust

    return run_trust(args)


def _load(args: argparse.Namespace) -> Profile:
    """Return a profile to look at: an unapproved one, too."""
    from gmcp_sandbox.monitor.choosing import choose
    from gmcp_sandbox.monitor.profiles import load_profile

    workspace = _workspace(args)
    choice = choose(args.profile, workspace=workspace, environ=os.environ)
    return load_profile(choice.reference, workspace=workspace, home=_home())


def _workspace(args: argparse.Namespace) -> Path:
    return Path(args.workspace or os.getcwd()).resolve()


def _home() -> Path:
    return Path(os.environ.get("HOME") or os.path.expanduser("~"))

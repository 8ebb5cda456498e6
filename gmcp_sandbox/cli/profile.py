"""`profile`: list, show and check profiles, and print their JSON Schema."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gmcp_sandbox.errors import ProfileError, UsageError

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.policy.profile import Profile

CLEAN, FINDINGS = 0, 1


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "profile",
        help="list, show and check profiles",
        description="List, show and check trust profiles.",
        epilog="Exit status: 0 fine, 1 findings or a wrong profile, 2 usage.",
    )
    commands = parser.add_subparsers(dest="profile_command", metavar="COMMAND", required=True)
    listing = commands.add_parser("list", help="list the shipped profiles and your own")
    listing.set_defaults(run_profile=_list)
    show = commands.add_parser("show", help="print a profile, `extends` resolved")
    show.add_argument("--explain", metavar="PATH", help="say which label a path has and what is granted on it")
    show.add_argument("--json", action="store_true", help="print the profile as JSON")
    show.set_defaults(run_profile=_show)
    check = commands.add_parser("check", help="look for mistakes and for grants that give much")
    check.set_defaults(run_profile=_check)
    for one in (show, check):
        one.add_argument("profile", nargs="?", default="default", help="name or file (default: default)")
        one.add_argument("-w", "--workspace", metavar="DIR", help="what ${workspace} stands for (default: here)")
    schema = commands.add_parser("schema", help="print the JSON Schema of profile files")
    schema.set_defaults(run_profile=_schema)
    parser.set_defaults(run=run)


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
        print(f"{name:<12} {_safe(text)}")
    return CLEAN


def _show(args: argparse.Namespace) -> int:
    profile = _load(args)
    if args.explain is not None:
        _explain(profile, args)
    elif args.json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(profile), indent=2))
    else:
        _print(profile)
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
        print(f"{finding.key}: {_safe(finding.text)}" + (f" (try: {finding.hint})" if finding.hint else ""))
    print(f"{profile.name}: {len(found)} finding{'' if len(found) == 1 else 's'}")
    return FINDINGS if found else CLEAN


def _schema(_args: argparse.Namespace) -> int:
    from gmcp_sandbox.policy.published import profile_schema

    sys.stdout.write(profile_schema())
    return CLEAN


def _load(args: argparse.Namespace) -> Profile:
    from gmcp_sandbox.monitor.profiles import load_profile

    return load_profile(args.profile, workspace=_workspace(args), home=_home())


def _workspace(args: argparse.Namespace) -> Path:
    return Path(args.workspace or os.getcwd()).resolve()


def _home() -> Path:
    return Path(os.environ.get("HOME") or os.path.expanduser("~"))


def _print(profile: Profile) -> None:
    print(f"profile      {profile.name} ({profile.digest[:16]})\ntier         {profile.tier.name.lower()}")
    print(f"toolchains   {'shown' if profile.toolchains else 'not shown'}")
    print(f"home         {'kept' if profile.persist_home else 'gone with the session'}")
    print("\nview")
    for mount in profile.mounts:
        right = "exec" if mount.executable else "-"
        print(f"  {mount.mode:<8} {mount.label.name:<10} {right:<5} {_safe(mount.path)}")
    for name in profile.home_files:
        print(f"  {'ro':<8} {'private':<10} {'-':<5} ~/{_safe(name)}")
    print("\ngranted")
    for capability in profile.capabilities:
        objects = "" if capability.objects is None else " under " + " ".join(map(_safe, capability.objects))
        print(f"  {' '.join(capability.tools)} on {' '.join(capability.labels)}{objects}")
    print("\nnetwork")
    for line in _network_lines(profile):
        print(f"  {line}")
    print("\nlabels by path")
    for label in dict.fromkeys(rule.label.name for rule in profile.path_rules):
        count = sum(rule.label.name == label for rule in profile.path_rules)
        print(f"  {label:<10} {count} globs")
    print("\nrates")
    for rate in profile.rates:
        hosts = "" if rate.hosts is None else " to " + " ".join(map(_safe, rate.hosts))
        print(f"  {rate.per_second:g}/s, burst {rate.burst}: {' '.join(rate.tools)}{hosts}")
    print("\nprinciples")
    for rule in profile.rules:
        print(f"  {rule.effect:<5} {rule.id}: {_safe(rule.text)}")
    print("\nenvironment\n  " + " ".join(profile.environment.allow))


def _network_lines(profile: Profile) -> list[str]:
    from gmcp_sandbox.policy.describe import describe_network

    return [_safe(line) for line in describe_network(profile.net)]


def _explain(profile: Profile, args: argparse.Namespace) -> None:
    from gmcp_sandbox.monitor.resolve import resolve_view
    from gmcp_sandbox.policy.guards import guard_for
    from gmcp_sandbox.policy.labelling import Labeller
    from gmcp_sandbox.policy.match import compile_globs

    workspace = _workspace(args)
    path = os.path.normpath(os.path.join(workspace, args.explain))
    path = "/" + path.lstrip("/")
    view = resolve_view(profile, workspace=workspace, home=_home(), environ=os.environ)
    rules = profile.path_rules + view.path_rules
    label = Labeller(view.mounts, rules, view.symlinks).of(path)
    mount = view.mount_of(path)
    shown = "nothing shows it" if mount is None else f"{mount.mode} tree {mount.path}"
    print(f"{_safe(path)}: {label.name} ({_safe(shown)})")
    for rule in rules:
        if compile_globs([rule.pattern])(path):
            is_excepted = compile_globs(rule.unless)(path)
            print(
                f"  rule     {_safe(rule.pattern)} says {rule.label.name}" + (", but not here" if is_excepted else "")
            )
    for capability in profile.capabilities:
        if label.name in capability.labels and _covers(capability.objects, path):
            print(f"  granted  {' '.join(capability.tools)}")
    if guard_for(path) is not None:
        print("  guarded  by what it would come to say (git configuration)")


def _covers(objects: tuple[str, ...] | None, path: str) -> bool:
    from gmcp_sandbox.policy.match import GlobError, compile_globs

    try:
        return objects is None or compile_globs(objects)(path)
    except GlobError as error:
        raise UsageError(str(error)) from None


def _safe(text: str) -> str:
    """Escape control characters and bytes that are no UTF-8."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)

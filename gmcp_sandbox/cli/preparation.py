"""From the words of `exec` to everything that a session needs, before anything is started.

Whatever is the operator's mistake comes out here, as an error that names it; nothing has been made yet but the
session's directory.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gmcp_sandbox.cli.explanations import EXPLANATIONS_MOUNT
from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.cli.sshsupply import SSH_VARIABLES, find_supply
from gmcp_sandbox.errors import AgentError, UsageError
from gmcp_sandbox.monitor.choosing import choose
from gmcp_sandbox.monitor.interpreters import find_python
from gmcp_sandbox.monitor.profiles import files_of, state_of
from gmcp_sandbox.monitor.resolve import check_workspace, resolve_view
from gmcp_sandbox.monitor.semantics import installed_manifest, model_directory
from gmcp_sandbox.monitor.statedir import state_root
from gmcp_sandbox.net.publications import Publication, parse_publications
from gmcp_sandbox.policy.ceiling import may_publish
from gmcp_sandbox.policy.profile import Profile
from gmcp_sandbox.proc.environment import allowed_environment
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.program import Program

if TYPE_CHECKING:
    from gmcp_sandbox.monitor.statedir import StateDir


def prepare(args: argparse.Namespace, environ: Mapping[str, str]) -> Preparation:
    """Return the preparation for the parsed words of `exec`.

    Raises:
        UsageError, ProfileError, AgentError: The operator's mistake.
    """
    workspace = _workspace(args.workspace)
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    check_workspace(workspace, home=home, state=state_root(environ))  # first: a profile is read for a sound one
    agent = args.name or Path("".join(args.command[:1])).stem
    choice = choose(args.profile, workspace=workspace, environ=environ, agent=agent)
    files = tuple(str(path) for path in files_of(choice.reference, home=home))
    state = state_of((*files, *choice.beside()))
    profile = choice.load(workspace=workspace, home=home)
    _check_demands(profile, environ)
    resolved = resolve_view(profile, workspace=workspace, home=home, environ=environ)
    argv = _command(args.command, environ, workspace)
    program = Program(
        argv=tuple(os.fsencode(word) for word in argv),
        environment=_environment(profile, environ, args.env),
        cwd=os.fsencode(_working_directory(workspace)),
    )
    if profile.explain:
        resolved = msgspec.structs.replace(resolved, mounts=(*resolved.mounts, EXPLANATIONS_MOUNT))
    ssh = find_supply(profile.net, home, environ)
    if ssh is not None:
        program = msgspec.structs.replace(program, environment=program.environment | SSH_VARIABLES)
    return Preparation(
        agent,
        str(workspace),
        str(home),
        profile,
        resolved,
        Identity.of_caller(),
        program,
        choice=choice,
        profile_files=files,
        profile_state=state,
        published=_published(args.publish, profile),
        ssh=ssh,
    )


def _published(words: list[str], profile: Profile) -> tuple[Publication, ...]:
    if words and not may_publish(profile):
        raise UsageError(
            "no port can be published",
            cause=f"the profile {profile.name}, or the organisation's ceiling above it, forbids it (net.publish)",
        )
    return parse_publications(words)


def _environment(profile: Profile, environ: Mapping[str, str], further: list[str]) -> dict[bytes, bytes]:
    """Return what the profile allows, and what the operator names beside it.

    Raises:
        UsageError: A variable that is named is not set.
    """
    allowed = allowed_environment(profile.environment, environ)
    for each in further:
        name, _, ours = each.partition("=")
        value = environ.get(ours or name)
        if value is None or not name:
            raise UsageError(f"--env {each}: the variable is not set")
        allowed[os.fsencode(name)] = os.fsencode(value)
    return allowed


def _check_demands(profile: Profile, environ: Mapping[str, str]) -> None:
    """Refuse to start below what the profile demands of the host and of the installation.

    Raises:
        HostError: It demands a probe model and none is installed, or the installed one is incomplete; or a facility of
            its floor is missing.
    """
    installed_manifest(model_directory(), profile)
    if profile.host_floor:
        from gmcp_sandbox.monitor.host import check_floor, survey

        check_floor(profile, survey(state_root(environ)))


def with_kept_home(prepared: Preparation, state: StateDir) -> Preparation:
    """Put the agent's kept directory behind scratch trees that the profile wants to persist."""
    if not any(mount.persist for mount in prepared.view.mounts):
        return prepared
    kept = str(state.home_of(prepared.agent))
    mounts = [msgspec.structs.replace(each, source=kept) if each.persist else each for each in prepared.view.mounts]
    view = msgspec.structs.replace(prepared.view, mounts=tuple(mounts))
    return msgspec.structs.replace(prepared, view=view)


def _workspace(wanted: str | None) -> Path:
    path = Path(wanted or ".")
    try:
        resolved = path.resolve(strict=True)
    except OSError as error:
        hint = "start in a project directory, or name one with -w DIR"
        raise UsageError(f"cannot use {path} as the workspace: {error.strerror}", hint=hint) from error
    if not resolved.is_dir():
        raise UsageError(f"the workspace {path} is no directory", hint="-w DIR")
    return resolved


def _working_directory(workspace: Path) -> Path:
    """Return the caller's directory when it lies in the workspace, else the workspace."""
    try:
        here = Path(os.getcwd())
    except FileNotFoundError:  # somebody has removed it
        return workspace
    return here if here == workspace or workspace in here.parents else workspace


def _command(words: list[str], environ: Mapping[str, str], workspace: Path) -> list[str]:
    if not words:
        raise UsageError("nothing to run", hint="gmcp-sandbox exec agent.py")
    if not words[0].endswith(".py"):
        return words
    script = Path(words[0]) if os.path.isabs(words[0]) else _working_directory(workspace) / words[0]
    if not script.is_file():
        hint = "gmcp-sandbox exec -w DIR …, with the directory that it is in"
        raise AgentError(f"there is no {words[0]}", cause=f"looked in {script.parent}", hint=hint)
    return [find_python(environ), str(script), *words[1:]]

"""Why a program did not start, in words for whoever typed its name.

The kernel says ENOENT or EACCES and no more. Here the host is looked at once more, when all is over: for a message, not
for a decision. Nothing is opened but a regular file whose first line may name an interpreter.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Mapping

import msgspec

from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.policy.profile import MountMode
from gmcp_sandbox.proc.program import NOT_FOUND

_FIRST_LINE = 256
_HELP = "gmcp-sandbox help profiles"


class Reason(msgspec.Struct, frozen=True):
    """What failed, why, and what to try."""

    what: str
    cause: str
    hint: str


def explain(prepared: Preparation, code: int, session: str, environ: Mapping[str, str]) -> Reason:
    """Return why the program of a session that ended with 126 or 127 was not started."""
    name = os.fsdecode(prepared.program.argv[0])
    if code == NOT_FOUND and "/" not in name:
        return _no_such_word(prepared, name, environ)
    path = os.path.normpath(os.path.join(os.fsdecode(prepared.program.cwd), name))
    return _no_such_file(prepared, name, path) if code == NOT_FOUND else _refused(prepared, name, path, session)


def _no_such_word(prepared: Preparation, name: str, environ: Mapping[str, str]) -> Reason:
    what = f"there is no program {name!r} in the view"
    beside = os.path.join(os.fsdecode(prepared.program.cwd), name)
    if os.path.isfile(beside):
        command = shlex.join([f"./{name}", *map(os.fsdecode, prepared.program.argv[1:])])
        return Reason(
            what, "PATH does not lead to this directory, where a file has this name", f"gmcp-sandbox exec -- {command}"
        )
    outside = shutil.which(name, path=environ.get("PATH"))
    if outside is None:
        return Reason(what, "none behind PATH, on this machine neither", "look at the spelling, or install it")
    return Reason(what, f"this machine has it as {outside}, which the profile {prepared.profile.name!r} hides", _HELP)


def _no_such_file(prepared: Preparation, name: str, path: str) -> Reason:
    what = f"there is no program {name}"
    if not os.path.lexists(path):
        return Reason(
            f"{what} in the view", f"looked in {os.path.dirname(path)}", "gmcp-sandbox exec -w DIR … where it is"
        )
    mount = prepared.view.mount_of(path)
    if mount is None or mount.source is None or mount.mode is MountMode.HIDDEN:
        cause = f"{path} of this machine is not shown by the profile {prepared.profile.name!r}"
        return Reason(f"{what} in the view", cause, _HELP)
    interpreter = _interpreter(path)
    named = f"its first line names {interpreter}" if interpreter else "the loader or interpreter that it names"
    return Reason(f"{name} cannot be started", f"{named}, which is not in the view", "--dry-run shows the view")


def _refused(prepared: Preparation, name: str, path: str, session: str) -> Reason:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        mode = 0
    if stat.S_ISDIR(mode):
        return Reason(f"{name} is a directory", "a program or a script is wanted", "gmcp-sandbox exec agent.py")
    what = f"{name} may not be executed"
    if stat.S_ISREG(mode) and not mode & 0o111:
        runner = _interpreter(path) or "PROGRAM"
        run = f"gmcp-sandbox exec -- {runner} {shlex.quote(name)}"
        return Reason(what, "it is not marked as a program", f"chmod +x {shlex.quote(name)}, or: {run}")
    if stat.S_ISREG(mode) and _interpreter(path) is None and not _is_binary(path):
        return Reason(what, "its first line names no interpreter (`#!/bin/sh`)", f"gmcp-sandbox exec -- sh {name}")
    cause = f"the profile {prepared.profile.name!r} does not let it run, or not from there"
    return Reason(what, cause, f"gmcp-sandbox why {session}, or --dry-run for what may run")


def _interpreter(path: str) -> str | None:
    """Return the program that the first line of a script names."""
    first = _head(path).split(b"\n")[0]
    return os.fsdecode(first[2:].strip()) or None if first.startswith(b"#!") else None


def _is_binary(path: str) -> bool:
    return _head(path).startswith(b"\x7fELF")


def _head(path: str) -> bytes:
    """Return the beginning of a regular file; nothing of anything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, _FIRST_LINE) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(fd)

"""Find the files of a profile and read it.

Guarantees: a name is a shipped profile or one of the user's own (`~/.config/gmcp-sandbox/profiles/NAME.toml`; shipped
names win, so that nothing can pass for them); anything with a slash or `.toml` is a path. What cannot be read whole is
a `ProfileError`. A profile that the agent could write, every link that led to it, and the `gmcp.toml` of its workspace,
there or not, are labelled `watched` in its session, and so are the names that their next content may have before it
takes their place; so is the user's configuration, where a tree holds it. No grant of watched files is one of these.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from gmcp_sandbox.calls.labels import WATCHED
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.ceiling import CEILING, load_ceiling
from gmcp_sandbox.monitor.links import trace
from gmcp_sandbox.monitor.shipped import PARTS, shipped_names, shipped_profile
from gmcp_sandbox.policy.build import glob_quoted
from gmcp_sandbox.policy.ceiling import bounded
from gmcp_sandbox.policy.fields import Source, read_document, suggest
from gmcp_sandbox.policy.parse import digest_of, parse_profile
from gmcp_sandbox.policy.profile import MountMode, PathRule, Profile, Rule

PROJECT_FILE = "gmcp.toml"
"""In a workspace: the profile that its project brings."""
GUARD = "guard.own-profile"
"""Id of the principle that a profile which grants changes of watched files gets; no profile's own id has a dot."""
_CHANGING = (Tool.FS_WRITE, Tool.FS_CREATE, Tool.FS_DELETE, Tool.FS_RENAME, Tool.FS_SETATTR)
_LARGEST = 1 << 20
_DEEPEST = 16


class Located(msgspec.Struct, frozen=True):
    """One file of a chain: its text, where it is (None for a shipped one), and the links that led there."""

    source: Source
    path: Path | None
    links: tuple[Path, ...] = ()

    @property
    def places(self) -> tuple[Path, ...]:
        """Everything that, once changed, would make another file the profile."""
        return self.links if self.path is None else (self.path, *self.links)


def load_profile(reference: str, *, workspace: Path, home: Path, ceiling: str = CEILING) -> Profile:
    """Return the profile of a name or path, `extends` resolved and variables put in.

    Raises:
        ProfileError: Any of its files is missing, unreadable or wrong.
    """
    return profile_of(read_chain(reference, home=home), workspace=workspace, home=home, ceiling=ceiling)


def profile_of(chain: Sequence[Located], *, workspace: Path, home: Path, ceiling: str = CEILING) -> Profile:
    """Return the profile that the files of a chain describe, below the organisation's ceiling.

    Raises:
        ProfileError: Any of them is wrong, or the ceiling is.
    """
    if not home.is_absolute() or home == Path("/"):
        raise ProfileError(f"{home} cannot be a home directory", hint="set HOME to a directory of your own")
    variables = {"workspace": str(workspace), "home": os.path.normpath(home), "user": user_name()}
    profile = parse_profile([located.source for located in chain], variables)
    watched = dict.fromkeys(glob for one in chain for glob in _watched(one, profile, workspace))
    watched |= dict.fromkeys(_watched_beside(profile, workspace, home))
    rules = tuple(PathRule(glob, WATCHED) for glob in watched)
    guard = _guard(profile, tuple(watched))
    profile = msgspec.structs.replace(profile, path_rules=(*profile.path_rules, *rules), rules=(*guard, *profile.rules))
    above = load_ceiling(ceiling, variables)
    if above is not None:
        from gmcp_sandbox.policy.excess import refuse_excess  # a host without a ceiling: no cost

        refuse_excess([(located.source, located.path is None) for located in chain], variables, above)
        return bounded(profile, above)
    return msgspec.structs.replace(profile, digest=digest_of(profile))


def _watched(located: Located, profile: Profile, workspace: Path) -> Iterator[str]:
    """Return globs for a file of the profile, the links to it, and the drafts that are put in its place."""
    for place in located.places:
        for name in _shown_as(place, profile, workspace):
            yield glob_quoted(name)
            if place == located.path:
                yield from _drafts(name)


def _watched_beside(profile: Profile, workspace: Path, home: Path) -> Iterator[str]:
    """Return globs for what decides about later sessions: the workspace's own profile, there or not, and the user's."""
    for name in _shown_as(workspace / PROJECT_FILE, profile, workspace):
        yield glob_quoted(name)
        yield from _drafts(name)
    for name in _shown_as(own_directory(home).parent, profile, workspace):
        yield f"{glob_quoted(name)}/**"


def _guard(profile: Profile, globs: tuple[str, ...]) -> tuple[Rule, ...]:
    """Return the principle that keeps an agent from its profile, for one that may change other watched files."""
    grants = (one for one in profile.capabilities if WATCHED.name in one.labels)
    if all(tool not in _CHANGING for one in grants for tool in one.tools):
        return ()
    return (Rule(GUARD, "No agent changes the profile that it runs under.", "deny", tools=_CHANGING, paths=globs),)


def _drafts(name: str) -> Iterator[str]:
    """Return globs for what programs write first and then put in the place of a file."""
    above, _, last = name.rpartition("/")
    yield from (f"{glob_quoted(above)}/{mark}{glob_quoted(last)}*" for mark in ("", ".", "#"))


def _shown_as(place: Path, profile: Profile, workspace: Path) -> Iterator[str]:
    """Return the names under which an agent could write to a file of the host: rules and labels go by these."""
    trees = [(workspace, str(workspace))]
    for mount in profile.mounts:
        if mount.mode is MountMode.RW and mount.source:
            tree = Path(mount.source)
            trees += [(source, mount.path) for source in (tree, tree.resolve())]
    for tree, path in trees:
        if place.is_relative_to(tree):
            yield os.path.normpath(os.path.join(path, place.relative_to(tree)))


def files_of(reference: str, *, home: Path) -> tuple[Path, ...]:
    """Return the files that a profile is read from, the profile itself last; shipped ones have none.

    Raises:
        ProfileError: A file is missing or unreadable.
    """
    return tuple(located.path for located in read_chain(reference, home=home) if located.path is not None)


def state_of(files: Iterable[str]) -> tuple[tuple[int, ...] | None, ...]:
    """Return what changes when one of these files does; None for one that is not there."""
    return tuple(_identity(path) for path in files)


def _identity(path: str) -> tuple[int, ...] | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size)


def read_chain(reference: str, *, home: Path) -> tuple[Located, ...]:
    """Return the files behind a name or path, the first ancestor first.

    Raises:
        ProfileError: A file is missing or unreadable, or the chain comes back to itself.
    """
    chain: list[Located] = []
    seen: list[str] = []
    base: Path | None = None
    following: str | None = reference
    while following is not None:
        located = _extended(chain, following, base, home) if chain else _locate(following, base, home)
        identity = str(located.path or located.source.name)
        if identity in seen or len(seen) >= _DEEPEST:
            raise chain[0].source.fault(f"{following!r} leads back to itself, or too deep", ("extends",))
        seen.append(identity)
        chain.insert(0, located)
        base = None if located.path is None else located.path.parent
        following = _extends(located.source)
    return tuple(chain)


def _extended(chain: Sequence[Located], reference: str, base: Path | None, home: Path) -> Located:
    """Return what the first file of a chain extends; the error is that file's."""
    try:
        return _locate(reference, base, home)
    except ProfileError as error:
        fault = chain[0].source.fault(str(error), ("extends",), hint=error.hint)
        fault.cause = error.cause
        raise fault from None


def user_name() -> str:
    """Return the caller's name; the number where the host knows no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _extends(source: Source) -> str | None:
    return read_document(source).extends


def _locate(reference: str, base: Path | None, home: Path) -> Located:
    if is_path(reference):
        path = Path(os.path.expanduser(reference))
        return read_source((base or Path.cwd()) / path)
    if reference in (*shipped_names(), *PARTS):
        return Located(Source(f"{reference} (shipped)", shipped_profile(reference)), None)
    own = own_directory(home) / f"{reference}.toml"
    if own.is_file():
        return read_source(own)
    raise ProfileError(f"no profile {reference!r}", hint=f"{suggest(reference, shipped_names())} (or give a path)")


def is_path(reference: str) -> bool:
    """True when a profile is named by its file and not by its name."""
    return "/" in reference or reference.endswith(".toml")


def own_directory(home: Path) -> Path:
    """Return where the user's own profiles are."""
    config = os.environ.get("XDG_CONFIG_HOME", "")
    top = Path(config) if config.startswith("/") else home / ".config"
    return top / "gmcp-sandbox" / "profiles"


def read_source(path: Path) -> Located:
    """Read one file through one descriptor: the text is that of the file whose kind and size were looked at.

    Raises:
        ProfileError: It cannot be read whole.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
                raise ProfileError(f"cannot read the profile {path}", cause="no regular file of at most 1 MiB")
            text = file.read(_LARGEST + 1).decode("utf-8")
    except OSError as error:
        hint = "gmcp-sandbox profile list shows those that have a name" if isinstance(error, FileNotFoundError) else ""
        raise ProfileError(f"cannot read the profile {path}", cause=error.strerror or str(error), hint=hint) from None
    except UnicodeDecodeError:
        raise ProfileError(f"cannot read the profile {path}", cause="it is not UTF-8") from None
    found = trace(str(Path.cwd() / path))
    links = () if found is None else tuple(Path(place) for place, _target in found.links)
    return Located(Source(str(path), text), path.resolve(), links)

"""The installed model, and the gate that a session makes of it.

Guarantees: where a model is installed, there is a gate or an error, never a session without it; where none is, the
profile says whether that is allowed. What the model said before is remembered in the state directory, which no view
shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.monitor.shipped import shipped_directory
from gmcp_sandbox.monitor.statedir import state_root
from gmcp_sandbox.policy.profile import Profile
from gmcp_sandbox.probe.manifest import Manifest, is_installed, read_manifest

if TYPE_CHECKING:
    from gmcp_sandbox.probe.gate import Gate
    from gmcp_sandbox.probe.question import Surroundings


def model_directory() -> Path | None:
    """Return where the installed model is; None when there is none."""
    try:
        directory = shipped_directory("model")
    except HostError:
        return None
    return directory if is_installed(directory) else None


def installed_manifest(directory: Path | None, profile: Profile) -> Manifest | None:
    """Return what is known of the model before it is loaded; None without a model, where the profile allows that.

    Raises:
        HostError: The profile demands a model and there is none; or the model is incomplete.
    """
    if directory is not None:
        return read_manifest(directory)
    if profile.probe.required:
        raise HostError(
            f"the profile {profile.name} demands the semantic gate",
            cause="probe.required is true and no model is installed",
            hint="set probe.required = false, or another profile with -p",
        )
    return None


def surroundings(profile: Profile, workspace: str, home: str, command: tuple[str, ...] = ()) -> Surroundings:
    """Return what holds for all questions of a session, which begins with a command."""
    from gmcp_sandbox.probe.question import Surroundings

    shown = frozenset(f"{home.rstrip('/')}/{name}" for name in profile.home_files)
    return Surroundings(workspace, home, shown=shown, command=command)


def open_gate(
    directory: Path | None,
    profile: Profile,
    around: Surroundings,
    *,
    environ: Mapping[str, str] | None,
    warn: Callable[[str], None],
) -> Gate | None:
    """Return the gate of a session, its model not yet loaded; None without a model.

    Args:
        directory: The installed model.
        environ: Whose state directory remembers; None: of this process.
        warn: Told of what is wrong with the remembered answers.

    Raises:
        HostError: As `installed_manifest`.
    """
    # Some ten milliseconds of imports, which the front of a launch, who needs only the manifest, has no time for.
    from gmcp_sandbox.probe.engine import Engine
    from gmcp_sandbox.probe.gate import Gate, Scoring
    from gmcp_sandbox.probe.memory import Memory
    from gmcp_sandbox.probe.model import Model

    manifest = installed_manifest(directory, profile)
    if directory is None or manifest is None:
        return None
    found, known = directory, manifest
    memory = Memory(manifest.digest, state_root(environ) / "probe", warn)
    engine = Engine(lambda: Model.load(found, known), memory)
    return Gate(engine, Scoring.of(manifest, profile.probe), profile.probe, around)

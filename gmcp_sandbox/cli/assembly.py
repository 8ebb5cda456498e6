"""Put the parts of a session together: audit log, pipeline, monitor, labels, and the file system over them."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gmcp_sandbox import __version__, kernel
from gmcp_sandbox.audit.record import Genesis
from gmcp_sandbox.audit.signing import load_key
from gmcp_sandbox.audit.writer import AuditWriter
from gmcp_sandbox.calls.verdicts import Layer
from gmcp_sandbox.fs.budget import Budget
from gmcp_sandbox.fs.core import Core, TakingBack
from gmcp_sandbox.fs.ids import IdView
from gmcp_sandbox.monitor.approvals import Approvals
from gmcp_sandbox.monitor.arrivals import Arrivals
from gmcp_sandbox.monitor.derived import Derivation, DerivedStore
from gmcp_sandbox.monitor.monitor import Monitor
from gmcp_sandbox.monitor.starts import Starts
from gmcp_sandbox.monitor.statedir import DERIVED, KEYS
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.policy.approving import ApprovalPolicy, ApproverKind
from gmcp_sandbox.policy.auditing import compile_redaction
from gmcp_sandbox.policy.guards import guard_for
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.profile import Mount, MountMode, Profile
from gmcp_sandbox.policy.state import SessionState

if TYPE_CHECKING:
    from gmcp_sandbox.cli.explanations import Explanations
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.mcp.service import Gateway
    from gmcp_sandbox.monitor.session import Service
    from gmcp_sandbox.monitor.statedir import SessionDir
    from gmcp_sandbox.net.publish import Publisher
    from gmcp_sandbox.net.service import Network
    from gmcp_sandbox.probe.gate import Gate
    from gmcp_sandbox.proc.announcing import Announcements

_SCRATCH_MODES = {"/tmp": 0o1777, "/var/tmp": 0o1777}


class Assembled(NamedTuple):
    """The parts of a running session."""

    profile: Profile
    audit: AuditWriter
    monitor: Monitor
    filesystem: Core
    approvals: Approvals
    pipeline_of: Callable[[Profile], Pipeline]
    """Makes the layers of another profile, around the same gate."""
    starts: Starts
    """Program starts that were announced; without announcements none is granted."""
    gate: Gate | None = None
    network: Network | None = None
    publisher: Publisher | None = None
    ssh: Service | None = None
    announcements: Announcements | None = None
    gateway: Gateway | None = None


def open_log(
    prepared: Preparation, session: SessionDir, host: Mapping[str, str], gate: Gate | None = None
) -> AuditWriter:
    """Start the session's audit log. Raises AuditError."""
    genesis = Genesis(
        session=session.id,
        agent=prepared.agent,
        argv=tuple(os.fsdecode(word) for word in prepared.program.argv),
        started_ns=time.time_ns(),
        uid=prepared.identity.uid,
        profile=prepared.profile.name,
        profile_digest=prepared.profile.digest,
        ceiling=None if prepared.profile.ceiling is None else prepared.profile.ceiling.digest,
        layers=tuple(layer.value for layer in Layer if gate is not None or layer is not Layer.PROBE),
        model_digest=None if gate is None else gate.scoring.manifest.model.blake3,
        versions={
            "gmcp-sandbox": __version__,
            "python": platform.python_version(),
            "kernel": platform.release(),
        },
        host=host,
        view=[[mount.path, mount.mode.value, mount.label.name] for mount in prepared.view.mounts],
    )
    directory = os.open(session.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return AuditWriter.create(
            directory,
            genesis,
            budget_bytes=prepared.profile.limits.log_bytes,
            clock=time.time_ns,
            signer=load_key(str(session.state / KEYS)),
            redact=compile_redaction(prepared.profile.audit.redact),
        )
    finally:
        os.close(directory)


def assemble(  # noqa: PLR0913 - the parts of a session, each said by name
    prepared: Preparation,
    session: SessionDir,
    audit: AuditWriter,
    scratch: int | None,
    explanations: Explanations,
    *,
    has_person: bool = False,
    gate: Gate | None = None,
) -> Assembled:
    """Build monitor and file system on an open log.

    Args:
        has_person: Whether somebody sits at the terminal that the session was started from.
        scratch: Root of the memory file system for scratch trees; None where the caller is root, who makes it here.
        gate: The semantic gate; None where no model is installed.

    Raises:
        HostError: A tree of the view cannot be opened.
    """
    profile = prepared.profile
    approvals = approvals_of(profile.approvals, has_person=has_person)
    monitor = Monitor(
        Pipeline(profile, gate),
        SessionState(profile.tier),
        audit,
        session=session.id,
        agent=prepared.agent,
        clock=time.time_ns,
        probe=gate,
        explain=explanations.explain if profile.explain else None,
        approver=approvals,
        deadline=profile.approvals.deadline_seconds,
    )
    if scratch is None:
        scratch = kernel.detached_tmpfs({"size": str(profile.limits.scratch_bytes), "mode": "0755"})
    trees = _scratch_trees(prepared.view.mounts, scratch)
    explanations.open(trees)
    starts = Starts()
    filesystem = _filesystem(prepared, session, monitor, trees, starts)
    return Assembled(profile, audit, monitor, filesystem, approvals, lambda new: Pipeline(new, gate), starts, gate)


def _filesystem(
    prepared: Preparation, session: SessionDir, monitor: Monitor, trees: dict[str, int], starts: Starts
) -> Core:
    """Build the file system; what the kernel remembers of it ends with each epoch."""
    view, state, limits = prepared.view, monitor.state, prepared.profile.limits
    filesystem = Core(
        view,
        monitor,
        Labeller(view.mounts, (*prepared.profile.path_rules, *view.path_rules), view.symlinks),
        guard_for=guard_for,
        ids=IdView.for_root() if prepared.identity.is_root else IdView.for_user(),
        backings=trees,
        secret_places=secret_places(prepared),
        every_read=prepared.profile.every_read,
        taking_back=TakingBack(monitor, Derivation(DerivedStore.open(session.state / DERIVED), state), monitor.note),
        budget=Budget(limits.written_bytes, limits.new_files, monitor.note),
        starts=starts,
        arrivals=Arrivals(monitor, state),
    )
    state.watch(filesystem.revocation.begin)
    return filesystem


def approvals_of(policy: ApprovalPolicy, *, has_person: bool) -> Approvals:
    """Return the questions of a session: open where the profile names somebody who can answer."""
    anyone = policy.approver is ApproverKind.ANYONE
    return Approvals(
        policy.grants,
        deadline_seconds=policy.deadline_seconds,
        clock=time.time_ns,
        is_open=anyone or (has_person and policy.approver is ApproverKind.TERMINAL),
    )


def _scratch_trees(mounts: tuple[Mount, ...], scratch: int) -> dict[str, int]:
    """Make a directory for each scratch tree that has no host directory of its own; return them open, by path."""
    trees: dict[str, int] = {}
    for number, mount in enumerate(mounts):
        if mount.source is None and mount.mode is not MountMode.HIDDEN:
            name = str(number)
            os.mkdir(name, 0o700, dir_fd=scratch)
            trees[mount.path] = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=scratch)
            os.fchmod(trees[mount.path], _SCRATCH_MODES.get(mount.path, 0o755))
    return trees


def secret_places(prepared: Preparation) -> tuple[str, ...]:
    """Return the host's usual places of credentials, whose files stay secret under any other name."""
    names = (".ssh", ".aws", ".gnupg", ".kube", ".docker", ".azure", ".config/gcloud", ".netrc", ".git-credentials")
    home = [f"{prepared.home}/{name}" for name in names]
    return (*home, "/etc/shadow", "/etc/gshadow", "/etc/ssh", "/etc/sudoers")

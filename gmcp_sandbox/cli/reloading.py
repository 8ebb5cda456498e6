"""Read the profile again while the session runs, and judge by it from the next call on.

Guarantees:
- All or nothing: rules, grants, rates, labels and answers change between two calls, or nothing does.
- A profile that is wrong changes nothing; the user is told why, once for each state of the files, and so is the log.
- No half of a profile: files that changed while they were read are not taken, and changes are looked at once they rest.
- The log names the old and the new digest. What cannot change while an agent runs (its view, environment, limits) is
  named and waits for the next start. Of the network, grants and denials of hosts change at once.
- Before anything is answered under the new profile, what the kernel remembers of the old one is taken back: the epoch
  rises, and whoever watches it acts.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import trio

from gmcp_sandbox.cli.terminal import visible
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.profiles import files_of, state_of
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.netreload import in_force

if TYPE_CHECKING:
    from collections.abc import Callable

    from gmcp_sandbox.audit.encode import JSON
    from gmcp_sandbox.audit.writer import AuditWriter
    from gmcp_sandbox.cli.explanations import Notices
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.fs.core import Core
    from gmcp_sandbox.monitor.approvals import Approvals
    from gmcp_sandbox.monitor.monitor import Monitor
    from gmcp_sandbox.net.service import Network
    from gmcp_sandbox.pipeline.pipeline import Pipeline
    from gmcp_sandbox.policy.profile import Profile

LOOK_SECONDS = 0.5
_WAITS = (
    "mounts",
    "symlinks",
    "environment",
    "limits",
    "toolchains",
    "home_files",
    "persist_home",
    "explain",
    "host_floor",
    "ptrace",
    "audit",
    "probe",
    "every_read",
    "mcp",
)
"""What an agent that runs was started with."""


class Parts(Protocol):
    """What of a session takes a new profile; one without an agent has neither files nor a network."""

    @property
    def audit(self) -> AuditWriter: ...
    @property
    def monitor(self) -> Monitor: ...
    @property
    def approvals(self) -> Approvals: ...
    @property
    def pipeline_of(self) -> Callable[[Profile], Pipeline]: ...
    @property
    def filesystem(self) -> Core | None: ...
    @property
    def network(self) -> Network | None: ...


class Reloading:
    """The profile of one session, as its files have it."""

    def __init__(self, prepared: Preparation, assembled: Parts, notices: Notices) -> None:
        self.profile = prepared.profile
        self._prepared = prepared
        self._assembled = assembled
        self._notices = notices
        self._home = Path(prepared.home)
        self._seen = prepared.profile_state
        self._files = prepared.profile_files
        self._beside = prepared.choice.beside()
        self._turn = trio.Lock()

    @property
    def _watched(self) -> tuple[str, ...]:
        """The files of the profile, and those that decide whether it may be taken."""
        return (*self._files, *self._beside)

    async def watch(self) -> None:
        """Read again whenever a file of the profile has changed and is at rest, until cancelled."""
        before = self._seen
        while self._watched:
            await trio.sleep(LOOK_SECONDS)
            before, now = state_of(self._watched), before
            if self._seen != before == now:  # half of a profile may lack the rules at its end
                with contextlib.suppress(ProfileError):  # it was told, and will be read when it changes again
                    await self.reload()

    async def reload(self) -> dict[str, JSON]:
        """Read the profile again and judge by it; return the digests and what waits for the next start.

        Raises:
            ProfileError: It is wrong; the old one stays.
        """
        async with self._turn:
            self._seen = state_of(self._watched)
            try:
                new, files = await trio.to_thread.run_sync(self._read)
                if state_of(self._watched) != self._seen:
                    raise ProfileError("the profile was written to while it was read", hint="reload it again")
                old, self._files = self.profile, files
                if new.digest == old.digest:
                    return {"old": old.digest, "new": new.digest, "waits": []}
                return await self._adopt(old, new)
            except ProfileError as error:
                self._refuse(error)
                raise

    def _read(self) -> tuple[Profile, tuple[str, ...]]:
        prepared = self._prepared
        profile = prepared.choice.load(workspace=Path(prepared.workspace), home=self._home)
        return profile, tuple(str(path) for path in files_of(prepared.choice.reference, home=self._home))

    async def _adopt(self, old: Profile, new: Profile) -> dict[str, JSON]:
        assembled, view = self._assembled, self._prepared.view
        if new.tier > old.tier or new.probe.required != old.probe.required:
            raise ProfileError(
                f"the profile {new.name} cannot be taken while the agent runs",
                cause="it raises the tier" if new.tier > old.tier else "it changes whether a model is required",
                hint="start the agent again",
            )
        net = in_force(self._prepared.profile.net, new.net)
        pipeline = await trio.to_thread.run_sync(assembled.pipeline_of, msgspec.structs.replace(new, net=net))
        waits = [*_waiting(old, new), *(["net"] if net != new.net else [])]
        fields: dict[str, JSON] = {"old": old.digest, "new": new.digest, "waits": waits}
        assembled.audit.event("reload", profile=new.name, **fields)
        # From here on nothing waits: no call is answered between two of these lines.
        if assembled.filesystem is not None:
            assembled.filesystem.relabel(Labeller(view.mounts, (*new.path_rules, *view.path_rules), view.symlinks))
        assembled.approvals.replace_grants(new.approvals.grants)
        if assembled.network is not None and net is not None:
            assembled.network.adopt(net)
        assembled.monitor.replace(pipeline)
        assembled.monitor.state.demote(new.tier)
        self.profile = new
        ending = f"; {', '.join(waits)} from the next start on" if waits else ""
        self._notices.offer("notice", text=f"gmcp-sandbox: the profile {new.name} was read again{ending}")
        return fields

    def _refuse(self, error: ProfileError) -> None:
        """Keep the old profile, and say why."""
        why = f"{error}: {error.cause}" if error.cause else str(error)
        self._assembled.audit.event("reload_refused", digest=self.profile.digest, why=why[:2000])
        self._notices.offer("notice", text=f"gmcp-sandbox: the profile stays as it was: {visible(why)}"[:4096])


def _waiting(old: Profile, new: Profile) -> list[str]:
    """Return what differs and is not taken over; of the approvals, only grants are."""
    waits = [name for name in _WAITS if getattr(new, name) != getattr(old, name)]
    fixed = (msgspec.structs.replace(one.approvals, grants=()) for one in (old, new))
    return waits if len(set(fixed)) == 1 else [*waits, "approvals"]

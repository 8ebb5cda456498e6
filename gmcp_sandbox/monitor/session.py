"""One session: a nursery that holds everything that runs for one agent, and the one way in which it ends.

Invariants:
- The first ending wins; whatever comes after changes neither outcome nor exit code.
- No task outlives the session. What must be undone is undone in reverse order, also on an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import trio

from gmcp_sandbox import kernel
from gmcp_sandbox.errors import SandboxError

Service = Callable[[], Awaitable[None]]
SYNC_SECONDS = 0.2
"""How often what was written since is synced to the disk."""
SIGN_SECONDS = 5.0
"""How long a quiet session leaves records without a signature."""
GIVE_BACK_SECONDS = 30.0
"""How long freed memory is kept for what may come; looking for it costs some milliseconds of a thread."""


class Ending(msgspec.Struct, frozen=True):
    """How a session ended.

    Attributes:
        reason: `exited`, `signalled`, `not_executed`, `time_limit`, `front_gone`, `view_changed`, `failed`.
        code: Exit code for the user's shell.
        error: For the operator, where something went wrong.
        hint: What to try.
        remarks: For the operator, of what went on.
    """

    reason: str
    code: int
    error: str = ""
    hint: str = ""
    remarks: tuple[str, ...] = ()


class Session:
    """Runs services until one of them ends the session."""

    def __init__(self) -> None:
        self._ending: Ending | None = None
        self._ended = trio.Event()

    def end(self, ending: Ending) -> None:
        """End the session; only the first call counts."""
        if self._ending is None:
            self._ending = ending
            self._ended.set()

    async def run(self, *services: Service) -> Ending:
        """Run the services side by side until `end` is called; cancel what still runs; return how it ended.

        A service that raises ends the session with reason `failed`.
        """
        async with trio.open_nursery() as nursery:
            for service in services:
                nursery.start_soon(self._guarded, service)
            await self._ended.wait()
            nursery.cancel_scope.cancel()
        if self._ending is None:
            raise RuntimeError("a session ended without an ending")
        return self._ending

    async def _guarded(self, service: Service) -> None:
        try:
            await service()
        except SandboxError as error:
            self.end(Ending("failed", error.exit_code, str(error), error.hint))
        except Exception as error:  # noqa: BLE001 - the documented boundary: a broken service ends the session, and it is said
            import traceback

            traceback.print_exc()
            self.end(Ending("failed", 125, f"internal error: {type(error).__name__}: {error}", "please report this"))


async def sync_in_groups(sync: Callable[[], None], is_dirty: Callable[[], bool]) -> None:
    """Sync the log every `SYNC_SECONDS` while there is something to sync, off the loop."""
    while True:
        await trio.sleep(SYNC_SECONDS)
        if is_dirty():
            await trio.to_thread.run_sync(sync)


async def sign_in_groups(warm: Callable[[], None], checkpoint: Callable[[], None]) -> None:
    """Get the signing key ready off the loop, then sign what was written every `SIGN_SECONDS`."""
    await trio.to_thread.run_sync(warm)
    while True:
        await trio.sleep(SIGN_SECONDS)
        checkpoint()


async def give_memory_back(used: Callable[[], int], release: Callable[[], None] = kernel.release_freed_memory) -> None:
    """Give the kernel back what was freed, every `GIVE_BACK_SECONDS` in which something was done, off the loop.

    The allocator keeps the most that was ever wanted at once (a burst of large reads, a pass of the model), else.
    `used` is a figure that rises with what is done.
    """
    done = used()
    while True:
        await trio.sleep(GIVE_BACK_SECONDS)
        before, done = done, used()
        if done != before:
            await trio.to_thread.run_sync(release)


async def end_after(session: Session, seconds: float) -> None:
    """End the session when its wall-clock limit is reached."""
    await trio.sleep(seconds)
    session.end(
        Ending("time_limit", 124, f"the session reached its limit of {seconds:g} seconds", "limits.wall_seconds")
    )

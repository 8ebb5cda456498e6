"""The supervisor: where the shells, the monitor and the audit log meet, in one process of its own.

Order of a start: the stage process is forked while little is imported, and makes namespaces and mounts while this process
imports the event loop and FUSE; the audit log is open before the agent's first process exists.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from gmcp_sandbox.errors import SandboxError
from gmcp_sandbox.proc import launch as proc_launch

if TYPE_CHECKING:
    from gmcp_sandbox.cli.preparation import Preparation
    from gmcp_sandbox.monitor.statedir import SessionDir
    from gmcp_sandbox.proc.channel import Channel
    from gmcp_sandbox.proc.launch import Launch, LaunchPlan


def supervise(
    prepared: Preparation, session: SessionDir, plan: LaunchPlan, agent_line: Channel, report: Channel
) -> NoReturn:
    """Run the session to its end, tell the front how it ended, and end this process."""
    final: dict[str, Any] = {"code": 125, "error": "the supervisor ended early"}
    try:
        os.setsid()
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        _raise_descriptor_limit()
        started = proc_launch.start(plan, agent_line)
        try:
            final = _serve(prepared, session, started, report)
        finally:
            started.kill()
    except SandboxError as error:
        final = {"code": error.exit_code, "error": str(error), "cause": error.cause, "hint": error.hint}
    except BaseException:  # our own bug: the whole traceback goes to the operator
        final = {"code": 125, "error": "internal error\n" + traceback.format_exc()[-6000:], "hint": "please report it"}
    finally:
        with contextlib.suppress(OSError):
            report.send("final", **final)
        os._exit(0)


def _raise_descriptor_limit() -> None:
    """Use what the hard limit gives: directories of the view are held open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _serve(prepared: Preparation, session: SessionDir, started: Launch, report: Channel) -> dict[str, Any]:
    from gmcp_sandbox.cli.assembly import assemble

    started.map_ids(prepared.identity)
    assembled = assemble(prepared, session)
    try:
        fds = started.receive_mounts()
        import trio

        from gmcp_sandbox.cli.services import Services

        ending = trio.run(Services(assembled, started, report, fds).run)
        assembled.audit.seal({"reason": ending.reason, "code": ending.code})
    finally:
        assembled.audit.close()
    return {
        "code": ending.code,
        "error": ending.error,
        "hint": ending.hint,
        "reason": ending.reason,
        "allowed": assembled.audit.allowed,
        "denied": assembled.audit.denied,
        "probe": False,
    }

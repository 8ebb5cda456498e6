"""The supervisor: where the shells, the monitor and the audit log meet, in one process of its own.

Order of a start: this process is forked as early as it pays and imports what it will need while the front reads the
profile and finds the view. As soon as orders come the set-up process is forked, and imports go on beside it. The audit
log is open before the agent's first process exists.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import select
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from gmcp_sandbox import collector
from gmcp_sandbox.cli.sshsupply import answer_for
from gmcp_sandbox.errors import HostError, SandboxError, shortage
from gmcp_sandbox.libraries import found_by_name, lean_imports
from gmcp_sandbox.monitor.procfacts import identify
from gmcp_sandbox.monitor.statedir import KEYS, Meta
from gmcp_sandbox.policy.network import MCP_HOST
from gmcp_sandbox.proc import landlock
from gmcp_sandbox.proc import launch as proc_launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from gmcp_sandbox.audit.encode import JSON
    from gmcp_sandbox.audit.writer import AuditWriter
    from gmcp_sandbox.cli.assembly import Assembled
    from gmcp_sandbox.cli.orders import Orders
    from gmcp_sandbox.cli.outfit import Outfit
    from gmcp_sandbox.cli.prepared import Preparation
    from gmcp_sandbox.monitor.session import Ending
    from gmcp_sandbox.monitor.statedir import SessionDir
    from gmcp_sandbox.probe.gate import Gate
    from gmcp_sandbox.probe.manifest import Manifest
    from gmcp_sandbox.proc.channel import Channel
    from gmcp_sandbox.proc.launch import Launch


_NO_NETWORK = "none but its own loopback"
_NETWORK = "TUN, pump and relay without capabilities (seccomp allow-list), gateway namespace without a way out"


_TURN_SECONDS = 0.0005
"""How long a thread keeps the interpreter from the one that serves: the key and the model are read beside it."""


def supervise(front: Channel) -> NoReturn:
    """Get ready, take orders, run the session to its end, tell the front how it ended, and end this process."""
    final: dict[str, Any] = {"code": 125, "error": "the supervisor ended early"}
    try:
        os.setsid()
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        _raise_descriptor_limit()
        final = _obey(front)
    except SandboxError as error:
        final = _told(error)
    except OSError as error:
        final = _told(shortage(error) or _bug())
    except BaseException:  # noqa: BLE001 - our own bug: the whole traceback goes to the operator
        final = _told(_bug())
    finally:
        with contextlib.suppress(OSError):
            front.send("final", **final)
        os._exit(0)


def _told(error: SandboxError) -> dict[str, Any]:
    return {"code": error.exit_code, "error": str(error), "cause": error.cause, "hint": error.hint}


def _bug() -> SandboxError:
    """Return what to tell of the exception that is being handled."""
    return SandboxError("internal error\n" + traceback.format_exc()[-6000:], hint="please report it")


def _raise_descriptor_limit() -> None:
    """Use what the hard limit gives: directories of the view are held open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_NEEDED = (
    "trio",
    "gmcp_sandbox.pipeline.pipeline",
    "gmcp_sandbox.monitor.monitor",
    "gmcp_sandbox.cli.assembly",
    "pyfuse3",
    "gmcp_sandbox.cli.services",
    "gmcp_sandbox.probe.gate",
)
"""What serving a session needs and setting it up does not, in pieces of about ten milliseconds."""


def _import_until_wanted(front: Channel) -> None:
    """Import what a session needs, as far as that goes while the front has no orders yet."""
    import gmcp_sandbox.cli.planning  # noqa: F401 - set-up processes are forked with it, and can import nothing later

    for module in _NEEDED:
        if select.select([front.fileno()], [], [], 0)[0]:
            break
        _import(module)


def _import(module: str) -> None:
    with found_by_name(), lean_imports():
        importlib.import_module(module)


def _obey(front: Channel) -> dict[str, Any]:
    """Take the orders and run them; end quietly when there are none. Returns the last message to the front."""
    from gmcp_sandbox.cli.orders import take

    _import_until_wanted(front)
    from gmcp_sandbox.cli.planning import plan_of

    taken = take(front)
    if taken is None:
        os._exit(0)
    orders, stdio, agent_line = taken
    prepared, outfit = _fit_out(orders.prepared, orders.session_dir)
    started = proc_launch.start(plan_of(prepared, stdio), agent_line)
    try:
        started.map_ids(prepared.identity)
        for module in _NEEDED:  # while the set-up process mounts
            _import(module)
        collector.resume()
        sys.setswitchinterval(_TURN_SECONDS)
        if prepared.profile.mcp is not None and outfit is not None:
            from gmcp_sandbox.cli.mcpwiring import start_starter

            outfit = outfit._replace(starter=start_starter())  # while this process has neither threads nor a mount
        orders = msgspec.structs.replace(orders, prepared=prepared)
        return _serve(orders, started, front, outfit, has_person=stdio.agent_side[0] is None)
    finally:
        started.kill()


def _fit_out(prepared: Preparation, session: SessionDir) -> tuple[Preparation, Outfit | None]:
    """Make what a network has to have before the agent's environment is fixed; a session without one pays nothing."""
    if prepared.profile.net is None:
        return prepared, None
    from gmcp_sandbox.cli.outfit import fit_out, with_variables

    outfit = fit_out(prepared.profile.net, session)
    return with_variables(prepared, outfit), outfit


def _serve(
    orders: Orders, started: Launch, report: Channel, outfit: Outfit | None = None, *, has_person: bool
) -> dict[str, Any]:
    """Run the session on a launch that has begun; return the last message to the front."""
    prepared, session, limits = orders.prepared, orders.session_dir, orders.prepared.profile.limits
    from gmcp_sandbox.cli.assembly import open_log
    from gmcp_sandbox.cli.limiting import remarks_of, write_down
    from gmcp_sandbox.monitor.semantics import model_directory, open_gate, surroundings

    if outfit is not None:
        importlib.import_module("gmcp_sandbox.cli.networking")
    remarks: list[str] = []
    command = tuple(map(os.fsdecode, prepared.program.argv))
    around = surroundings(prepared.profile, prepared.workspace, prepared.home, command)
    gate = open_gate(model_directory(), prepared.profile, around, environ=None, warn=remarks.append)
    model = None if gate is None else gate.scoring.manifest
    audit = open_log(prepared, session, enforced(prepared, model, started.groups.describe(limits)), gate)
    meta = describe(prepared)
    session.write_meta(meta)
    ending = None
    try:

        def assembled(fds: dict[str, int]) -> Assembled:
            from gmcp_sandbox.cli.assembly import assemble
            from gmcp_sandbox.cli.explanations import Explanations

            scratch, explanations = fds.get("scratch"), Explanations(report)
            parts = assemble(prepared, session, audit, scratch, explanations, has_person=has_person, gate=gate)
            return _connected(parts, prepared, outfit, fds)

        ending = _run(orders, started, report, assembled)
    finally:
        remarks += remarks_of(write_down(started.groups, audit), limits)
        started.kill()
        close_log(audit, session, meta, ending, gate)
    remarks += ending.remarks
    return _last_message(ending, audit, gate, remarks)


def _run(orders: Orders, started: Launch, report: Channel, assembled: Callable[[dict[str, int]], Assembled]) -> Ending:
    """Run the session over the mounts that the set-up process made; return how it ended."""
    import trio

    from gmcp_sandbox.cli.questions import open_control
    from gmcp_sandbox.cli.services import Services
    from gmcp_sandbox.proc.lockdown import lock_down

    fds = started.receive_mounts()
    parts = assembled(fds)
    with open_control(orders.session_dir) as line:
        lock_down()
        return trio.run(Services(parts, started, report, fds["fuse"]).run, orders.prepared, line)


def close_log(audit: AuditWriter, session: SessionDir, meta: Meta, ending: Ending | None, gate: Gate | None) -> None:
    """Seal and close the log, and write down that the session is over; None: it broke."""
    code = 125 if ending is None else ending.code
    reason = "failed" if ending is None else ending.reason
    with contextlib.suppress(SandboxError):  # a log that broke is the ending already
        outcome = {"reason": reason, "code": code, "probe": gate.effort() if gate is not None else None}
        seal(audit, session, outcome)
    audit.close()
    with contextlib.suppress(SandboxError):  # a full disk: `ps` finds out by the pid that the session is over
        session.write_meta(msgspec.structs.replace(meta, ended_ns=time.time_ns(), exit_code=code))


def _last_message(ending: Ending, audit: AuditWriter, gate: Gate | None, remarks: list[str]) -> dict[str, Any]:
    return {
        "code": ending.code,
        "error": ending.error,
        "hint": ending.hint,
        "reason": ending.reason,
        "allowed": audit.allowed,
        "denied": audit.denied - audit.unseen,
        "unseen": audit.unseen,
        "probe": gate.effort() if gate is not None else None,
        "remarks": remarks,
    }


def seal(audit: AuditWriter, session: SessionDir, outcome: dict[str, JSON]) -> None:
    """Write and sign the end of the log, and enter it in the ledger of sessions. Raises AuditError."""
    from gmcp_sandbox.audit.ledger import Line, enter
    from gmcp_sandbox.audit.signing import load_key

    audit.seal(outcome)
    line = Line(session.id, time.time_ns(), audit.records, audit.head.hex(), prev="")
    enter(str(session.state), line, load_key(str(session.state / KEYS)))


def _connected(assembled: Assembled, prepared: Preparation, outfit: Outfit | None, fds: dict[str, int]) -> Assembled:
    """Add the exec gate, and what leads out of the sandbox and into it, as far as there is any. Raises HostError."""
    from gmcp_sandbox.monitor.attempts import Attempts
    from gmcp_sandbox.proc.announcing import Announcements
    from gmcp_sandbox.proc.gatestep import ANNOUNCING, TALKING
    from gmcp_sandbox.proc.startline import Line

    audit = assembled.audit
    lines = Line.of(fds[ANNOUNCING]), Line.of(fds[TALKING])
    attempts = Attempts(assembled.monitor, audit.event)
    announcements = Announcements(*lines, assembled.starts, audit.event, attempts)
    assembled = assembled._replace(announcements=announcements)
    if outfit is not None:
        from gmcp_sandbox.cli.networking import build_network

        assembled = _with_gateway(assembled, prepared, outfit)
        doors = {} if assembled.gateway is None else {MCP_HOST: assembled.gateway.connect}
        network = build_network(prepared, assembled.monitor, audit, outfit, (fds["pump"], fds["relay"]), doors)
        assembled = assembled._replace(network=network)
    if prepared.published:
        from gmcp_sandbox.cli.publishing import open_ports

        assembled.monitor.state.hears_hosts = True  # whoever connects from outside may send something, at any time
        assembled = assembled._replace(publisher=open_ports(prepared, audit, fds["door"]))
    if prepared.ssh is not None:
        assembled = assembled._replace(ssh=answer_for(prepared.ssh, audit, fds["ssh-agent"]))
    return assembled


def _with_gateway(assembled: Assembled, prepared: Preparation, outfit: Outfit) -> Assembled:
    if outfit.starter is None:
        return assembled
    from gmcp_sandbox.cli.mcpwiring import INSIDE, build_gateway

    parts = (assembled.monitor, assembled.audit)
    gateway = build_gateway(prepared.profile, outfit.starter, *parts, (prepared.agent, INSIDE))
    return assembled._replace(gateway=gateway)


def describe(prepared: Preparation) -> Meta:
    """Return what `ps` shows of this session. The caller is its supervisor."""
    from gmcp_sandbox.audit.redact import redact_words

    myself = identify(os.getpid())
    if myself is None:
        raise HostError("cannot read /proc", cause="/proc is not mounted, or hides processes")
    return Meta(
        agent=prepared.agent,
        profile=prepared.profile.name,
        digest=prepared.profile.digest,
        supervisor=myself,
        argv=tuple(redact_words([os.fsdecode(word) for word in prepared.program.argv])),
        started_ns=time.time_ns(),
        workspace=prepared.workspace,
        profile_path=prepared.profile_files[-1] if prepared.profile_files else None,
    )


def enforced(prepared: Preparation, model: Manifest | None = None, limits: str = "as the host gives") -> dict[str, str]:
    """Say what this session enforces, for the genesis record: every step of the plan takes effect or nothing starts."""
    kind = "root's unprivileged range" if prepared.identity.is_root else "the caller's own id"
    return {
        "namespaces": "user, mount, pid, network, ipc, uts, cgroup",
        "ids": kind,
        "filesystem": "FUSE, noexec but for bound trees",
        "network": _NO_NETWORK if prepared.profile.net is None else _NETWORK,
        "seccomp": "allow-list" if not prepared.profile.ptrace else "allow-list with ptrace",
        "landlock": landlock.said(landlock.interface()),
        "exec": "announced with its words, judged with the opened file, compared before the first instruction",
        "capabilities": "none",
        "limits": limits,
        "probe": "no model" if model is None else f"model {model.model.blake3[:16]}",
    }

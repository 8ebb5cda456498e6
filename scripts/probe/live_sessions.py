"""Run ordinary developer sessions inside, under the default profile with its gate, and see what the gate stops.

`data/live` holds the sessions: shell scripts, each with a line that says what its user wants (`# task:`) and one that
names the programs it needs (`# needs:`). What is stopped in them is a false stop. Each runs in an empty workspace of
its own with nothing remembered. Everything is read from the sessions' audit logs.

A session runs in one of two shapes: as one script, whose commands the gate is asked about one by one; or as an agent
works, each line of it given to a shell of its own (`bash -c …`), where it is asked about the whole line, too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gmcp_sandbox.audit.entries import CallEntry
from gmcp_sandbox.audit.query import read

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = Path(__file__).with_name("data") / "live"
_COMMAND = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from gmcp_sandbox.cli.main import main; sys.exit(main())"
_SHELL = "trap 'echo \"failed ($?): $BASH_COMMAND\" >&2' ERR; . ./{name}"
_AGENT = """
import subprocess, sys
parts = open(sys.argv[1]).read().split("\\n\\n")
for part in filter(str.strip, parts):
    subprocess.run(["bash", "-c", part], check=False)
"""
_SECONDS = 300
_HEADER = re.compile(r"^# (task|needs): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a user's.

    Attributes:
        task: What the user wants, in a line.
        needs: Programs without which it cannot run.
    """

    path: Path
    task: str
    needs: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its file's name."""
        return self.path.stem

    @property
    def is_possible(self) -> bool:
        """True when this machine has what it needs."""
        return all(shutil.which(program) for program in self.needs)


@dataclass(frozen=True, slots=True)
class Stop:
    """One call that the gate denied; a call that is asked about is one, too: nobody is there to say yes."""

    tool: str
    words: tuple[str, ...]
    reason: str
    score: float | None


@dataclass(slots=True)
class Outcome:
    """What became of a session.

    Attributes:
        starts: Programs that were started.
        asked: Of these, the gate was asked about.
        waits: Microseconds that each start waited which no memory answered.
        stops: What the gate stopped.
        others: Program starts that another layer stopped.
        output: What the session said on its standard error.
    """

    session: Session
    starts: int = 0
    asked: int = 0
    waits: list[int] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    others: list[Stop] = field(default_factory=list)
    output: str = ""


def sessions(names: Iterable[str] = ()) -> list[Session]:
    """Return the sessions, or those named. Raises FileNotFoundError: there is none of a name."""
    paths = [SESSIONS / f"{name}.sh" for name in names] or sorted(SESSIONS.glob("*.sh"))
    return [_session(path) for path in paths]


def _session(path: Path) -> Session:
    header = dict(_HEADER.findall(path.read_text(encoding="utf-8")))
    return Session(path, header["task"], tuple(header["needs"].split()))


def run(session: Session, directory: Path, *, with_task: bool, as_agent: bool) -> Outcome:
    """Run one session inside; return what its log says."""
    shutil.rmtree(directory, ignore_errors=True)
    work, state = directory / "work", directory / "state"
    work.mkdir(parents=True)
    script = work / session.path.name
    shutil.copyfile(session.path, script)
    profile = "default"
    if with_task:
        profile = str(directory / "task.toml")
        Path(profile).write_text(f'name = "task"\nextends = "default"\n[probe]\ntask = "{session.task}"\n')
    words = ["python3", "-c", _AGENT, script.name] if as_agent else ["bash", "-c", _SHELL.format(name=script.name)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", _COMMAND, "exec", "-p", profile, "--", *words],
        cwd=work,
        env={**os.environ, "XDG_STATE_HOME": str(state)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=_SECONDS,
    )
    outcome = Outcome(session, output=done.stderr.decode(errors="replace"))
    logs = list(state.glob("gmcp-sandbox/sessions/*"))
    if len(logs) != 1:
        raise RuntimeError(f"{session.name} did not start: {outcome.output}")
    _read(str(logs[0]), outcome)
    return outcome


def _read(log: str, outcome: Outcome) -> None:
    for entry in read(log):
        if isinstance(entry, CallEntry) and (entry.args.get("argv") is not None or _is_stopped(entry)):
            _note(entry, outcome)


def _note(entry: CallEntry, outcome: Outcome) -> None:
    if entry.tool == "proc.exec":
        verdict = _verdict(entry)
        outcome.starts += 1
        outcome.asked += verdict is not None
        if verdict is not None and entry.ref is None and str(verdict[3]).startswith("model"):
            outcome.waits.append(entry.us)
    if entry.outcome == "deny":
        argv = entry.args.get("argv")
        words = tuple(map(str, argv)) if isinstance(argv, list | tuple) else (entry.object,)
        stop = Stop(entry.tool, words, entry.reason or "", entry.score)
        (outcome.stops if _is_stopped(entry) else outcome.others).append(stop)


def _is_stopped(entry: CallEntry) -> bool:
    return entry.layer == "probe"


def _verdict(entry: CallEntry) -> tuple[object, ...] | list[object] | None:
    """Return the gate's verdict when it was asked: one with a score."""
    if isinstance(entry.verdicts, int):
        return None
    for one in entry.verdicts:
        if isinstance(one, list | tuple) and one[0] == "probe" and len(one) > 4 and one[4] is not None:
            return one
    return None


def report(outcomes: Iterable[Outcome], *, is_verbose: bool = False) -> Iterator[str]:
    """Yield a line a session and stop, and the sums."""
    ran = starts = asked = 0
    stops: list[Stop] = []
    waits: list[int] = []
    yield f"{'session':<24}{'starts':>8}{'asked':>8}{'stopped':>9}"
    for outcome in outcomes:
        ran, starts, asked = ran + 1, starts + outcome.starts, asked + outcome.asked
        stops += outcome.stops
        waits += outcome.waits[1:]  # the first may have waited for the model to be loaded
        yield f"{outcome.session.name:<24}{outcome.starts:>8}{outcome.asked:>8}{len(outcome.stops):>9}"
        for stop in outcome.stops:
            score = "" if stop.score is None else f" {stop.score:+.2f}"
            yield f"    {stop.tool} {stop.reason}{score}: {' '.join(stop.words)[:300]!r}"
        for stop in outcome.others:
            yield f"    (not the gate: {stop.reason}: {' '.join(stop.words)[:200]!r})"
        if is_verbose:
            yield from (f"    | {line}" for line in outcome.output.splitlines() if line.startswith("failed"))
    programs = sum(stop.tool == "proc.exec" for stop in stops)
    yield f"{ran} sessions, {starts} program starts, {asked} asked about, {programs} stopped"
    if len(stops) > programs:
        yield f"other calls stopped: {len(stops) - programs}"
    if waits:
        waits.sort()
        middle, high = waits[len(waits) // 2], waits[len(waits) * 95 // 100]
        yield f"not remembered: {len(waits)}; {middle / 1000:.1f} ms in the middle, 95 % within {high / 1000:.1f} ms"

"""From results to a page with plots. What is written depends on results and explanations alone."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchlib.explanations import Explanations
from scripts.benchlib.peers import PEERS
from scripts.benchlib.report import ITEMS, Samples, aim_value, from_json, is_met, number, reached
from scripts.plotlib.dots import Plot, Row

PAGE, RESULTS = "BENCHMARKS.md", "results.json"
_CORE = ("pipeline miss", "pipeline hit", "mediate miss", "mediate hit")
SECTIONS: dict[str, tuple[str, ...]] = {
    "Starts": ("launch /bin/true", "python first", "python later", "exec", "exec /bin/true"),
    "Work": ("git status first", "git status second", "pytest suite", "gcc build", "unpack 3,000 files"),
    "Operations": (
        "lookup missing",
        "lookup",
        "open+read+close cold",
        "open+read+close warm",
        "create+write+close",
    ),
    "Throughput": tuple(name for name, item in ITEMS.items() if item.is_rate),
    "The decision core": _CORE,
}
"""Heading → its items; together they are all."""
METHOD = """
Native is the program as it is. The sandbox runs it under `gmcp-sandbox exec`, in a new session each time; “first” is
what nobody has asked for before in that session, while the host's page cache is warm for everybody. What the gate
remembers on disk is kept from round to round, as it is for a user. Peers are told to do the nearest equal: the host's
files read-only, the workspace writable, a /tmp to write to, processes of their own, no network, no new privileges.
Most of them decide once, when the program starts, and none records what happens.{rules}

All but the launch is timed inside, by the program or by bash, so that a sandbox's own start is in the launch alone.
Python and git wait for two seconds first: within the first of a session the gate's model is loaded, which takes a
third of a second of one processor, and on two cores slows what runs beside it. File operations: {count} of a kind in
a round, each on a name that nothing has looked at, the median of them; the large file of the workspace has {mib} MiB.
Program starts: {starts} of a kind in a round by posix_spawn, the median; the static program makes one system call, so
that what is added is the exec gate, the judged open and its record. The semantic gate was asked about that line
before, at the first of them. What was written is on the disk before the next one begins.

Python keeps its bytecode, as it does where it is installed: the package's is compiled before the first round, and
PYTHONDONTWRITEBYTECODE is taken out of the environment. pytest runs in a checkout with a virtual environment beside
it, in the workspace, and has run once before. `make` and `tar` find nothing of an earlier round. The decision core is
measured in one process, without a sandbox.
"""
_AGAINST_NATIVE = (*SECTIONS["Starts"][1:], *SECTIONS["Work"])


def write(directory: Path, results: Mapping[str, Any], explanations: Explanations) -> list[str]:
    """Write page, plots and results; return what is wanting: missed aims that nothing explains."""
    for name, text in render(results, explanations).items():
        (directory / name).write_text(text, encoding="utf-8")
    samples = from_json(results)
    return [
        f"{item} is missed, and explanations.toml does not say why" for item in explanations.lacking(_missed(samples))
    ]


def render(results: Mapping[str, Any], explanations: Explanations) -> dict[str, str]:
    """Return file name → text of everything that is written."""
    samples = from_json(results)
    drawings = {f"{name}.svg": plot.draw() for name, plot in _plots(samples).items()}
    page = "\n".join(_page(results, samples, explanations, drawings))
    kept = json.dumps(results, indent=1, ensure_ascii=False, sort_keys=True)
    return {PAGE: page + "\n", RESULTS: kept + "\n", **drawings}


# --------------------------------------------------------------------------------------------------------------- plots


def _plots(samples: Samples) -> dict[str, Plot]:
    worlds = samples.worlds
    others = [world for world in worlds if world != "native"]
    relative = [_row(samples, name, others, per="native") for name in _AGAINST_NATIVE if name in samples.values]

    def absolute(title: str, unit: str, names: Sequence[str]) -> Plot:
        return Plot(title, unit, worlds, [_row(samples, name, worlds) for name in names if name in samples.values])

    plots = {
        "starts": absolute("Starting a program", "milliseconds", SECTIONS["Starts"][:3]),
        "work": Plot("Programs, beside running them natively", "times native", others, relative, one="native"),
        "operations": absolute("Single operations", "microseconds", SECTIONS["Operations"] + _CORE),
        "throughput": absolute("Large files", "MiB/s (more is better)", SECTIONS["Throughput"]),
    }
    return {name: plot for name, plot in plots.items() if any(row.values for row in plot.rows)}


def _row(samples: Samples, name: str, worlds: Sequence[str], per: str | None = None) -> Row:
    """Return medians, or how many times another world's they are."""
    unit = samples.median(name, per) if per else 1.0
    if not unit:
        return Row(name, {})
    aim = aim_value(name, samples)
    values = {world: value / unit for world in worlds if (value := samples.median(name, world))}
    return Row(name, values, aim / unit if aim else None)


# ---------------------------------------------------------------------------------------------------------------- page


def _page(
    results: Mapping[str, Any], samples: Samples, explanations: Explanations, drawings: Iterable[str]
) -> Iterator[str]:
    missed = _missed(samples)
    yield "# Benchmarks"
    yield ""
    yield from _filled(
        f"Written by `{results['command']}` on {results['date']}; do not edit. `scripts/bench --from FILE --write`, "
        f"with the same {RESULTS}, makes it anew. Every world has its turn in every round, and another one begins each "
        "time, so that ratios hold where a machine is slower at one hour than at another. Medians; in brackets, times "
        "native."
    )
    yield ""
    yield from _machine(results)
    shown = {"Starts": "starts", "Work": "work", "Operations": "operations", "Throughput": "throughput"}
    for heading, names in SECTIONS.items():
        there = [name for name in names if name in samples.values]
        if there:
            yield from ("", f"## {heading}", "")
            yield from _table(samples, there)
            if f"{shown.get(heading)}.svg" in drawings:
                yield from ("", f"![{heading}]({shown[heading]}.svg)")
    yield from ("", "## Aims", "")
    yield from _aims(samples)
    if missed:
        yield from ("", "## Why aims are missed")
        yield from _reasons(samples, explanations, missed)
    yield from ("", "## How it is measured", "")
    yield from _method(results, samples)


def _missed(samples: Samples) -> list[str]:
    return [name for name in samples.items if is_met(name, samples) is False]


def _machine(results: Mapping[str, Any]) -> Iterator[str]:
    host, load = results["host"], results["load"]
    yield "| | |"
    yield "|---|---|"
    processor = f"{host['cores']} cores, {host['processor'] or host['machine']}, {host['memory_gib']} GiB"
    yield f"| machine | {processor} |"
    yield f"| system | {host['system']}, kernel {host['kernel']}, Python {host['python']}, as {host['user']} |"
    yield f"| measured | {results['revision'] or 'no revision'}, profile `{results['profile']}`, its gate and log on |"
    peers = ", ".join(said or name for name, said in results["peers"].items())
    yield f"| peers | {peers or 'none installed'} |"
    yield f"| rounds | {results['rounds']}; load of the machine before {load[0]:.1f}, after {load[-1]:.1f} |"


def _table(samples: Samples, names: Sequence[str]) -> Iterator[str]:
    worlds = [world for world in samples.worlds if any(samples.median(name, world) for name in names)]
    yield f"| | unit | {' | '.join(worlds)} |"
    yield "|---|---|" + "--:|" * len(worlds)
    for name in names:
        about = ITEMS[name].about
        label = f"**{name}**" + (f"<br>{about}" if about else "")
        yield f"| {label} | {ITEMS[name].unit} | {' | '.join(_cell(samples, name, world) for world in worlds)} |"


def _cell(samples: Samples, name: str, world: str) -> str:
    value = number(samples.median(name, world))
    ratio = samples.ratio(name, "native", world)
    shown = f"**{value}**" if world == "sandbox" else value
    return shown if ratio is None or world == "native" else f"{shown} ({number(ratio)}×)"


def _aims(samples: Samples) -> Iterator[str]:
    yield "| | aim | reached | |"
    yield "|---|---|--:|---|"
    for name, item in samples.items.items():
        met = is_met(name, samples)
        if met is not None:
            yield f"| {name} | {item.aim} | {_reached(name, samples)} | {'met' if met else '**missed**'} |"


def _reached(name: str, samples: Samples) -> str:
    item, value = ITEMS[name], reached(name, samples)
    if item.over is None:
        return f"{number(value)} {item.unit}"
    if item.is_added:
        return f"{number(value)} {item.unit} added"
    return f"{(value or 0) * 100:.0f} %" if item.is_rate else f"{number(value)}×"


def _reasons(samples: Samples, explanations: Explanations, missed: Sequence[str]) -> Iterator[str]:
    for each, concerned in explanations.of(missed):
        yield from ("", f"### {each.title}", "")
        said = "; ".join(f"{name}: {_reached(name, samples)}, aim {ITEMS[name].aim}" for name in concerned)
        yield from _filled(f"{said}.")
        yield from ("", *each.text.splitlines(), "")
        yield from _filled(f"Found by: {each.profile}")
    lacking = explanations.lacking(missed)
    if lacking:
        yield from ("", "### Not explained yet", "")
        yield from _filled(f"{', '.join(lacking)}.")


def _method(results: Mapping[str, Any], samples: Samples) -> Iterator[str]:
    rules = "; ".join(PEERS[name].rules for name in results["peers"] if name in PEERS)
    said = {**results["sizes"], "rules": f" {rules}." if rules else ""}
    for paragraph in METHOD.format(**said).strip().split("\n\n"):
        yield from (*_filled(paragraph.replace("\n", " ")), "")
    yield from _filled("Other machines, and other hours of this one, differ by a factor of two: the ratios tell more.")


def _filled(text: str) -> list[str]:
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)

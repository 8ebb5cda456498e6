"""`probe`: the model of the semantic gate: what it is, what it says to calls, how well it tells them apart.

    probe info               digests, thresholds, what was measured
    probe score --jsonl F    one JSON line a row: id, score, verdict
    probe eval FILE…         F1 and the like, for rows that say what they are

Ends with 0; 1 when a row could not be scored; 2 for a wrong question; 125 without a sound model.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gmcp_sandbox.cli.terminal import columns, visible
from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.monitor.semantics import model_directory
from gmcp_sandbox.policy.profile import ProbePolicy
from gmcp_sandbox.probe.gate import Scoring
from gmcp_sandbox.probe.manifest import Manifest, read_manifest
from gmcp_sandbox.probe.metrics import Report, Scored, by, report
from gmcp_sandbox.probe.model import Model
from gmcp_sandbox.probe.scorer import Scorer, scored

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers

_HEADINGS = ("", "rows", "dangerous", "F1", "95 %", "precision", "recall", "FPR", "AUC", "pairs", "both right")


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "probe",
        help="show, ask and measure the semantic gate's model",
        description="Show, ask and measure the model of the semantic gate.",
        epilog="Example: gmcp-sandbox probe info\n"
        'Rows: {"id": 1, "tool": "proc.exec", "args": {"command": "ls"}, "label": 0}; optional: "content",\n'
        '"context" with "task", "label" and "taint", "pair", "source".',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-p", "--profile", help="use this profile's thresholds (default: the model's own)")
    parser.add_argument("--model", metavar="DIR", help="another model than the installed one")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    info = verbs.add_parser(
        "info", help="which model this is and what was measured", epilog="Example: gmcp-sandbox probe info --json"
    )
    info.add_argument("--json", action="store_true", help="one JSON object")
    info.set_defaults(run=run_info)
    score = verbs.add_parser(
        "score", help="score calls", epilog="Example: gmcp-sandbox probe score --jsonl calls.jsonl"
    )
    score.add_argument(
        "--jsonl", metavar="FILE", required=True, help="rows, one JSON object a line; - for standard input"
    )
    score.set_defaults(run=run_score)
    evaluate = verbs.add_parser(
        "eval",
        help="measure on rows that say what they are",
        epilog="Example: gmcp-sandbox probe eval rows.jsonl --wrong",
    )
    evaluate.add_argument("files", metavar="FILE", nargs="+", help="rows with label 1 (dangerous) or 0")
    evaluate.add_argument("--at", type=float, metavar="SCORE", help="stop from this score on (default: where it asks)")
    evaluate.add_argument("--wrong", action="store_true", help="list the rows that come out wrong, too")
    evaluate.add_argument("--json", action="store_true", help="one JSON object")
    evaluate.set_defaults(run=run_eval)


def run_info(args: argparse.Namespace) -> int:
    """Print what is known of the model, its bytes compared."""
    model, scoring = _model(args)
    manifest = model.manifest
    if args.json:
        print(msgspec.json.encode(manifest).decode())
        return 0
    for line in columns([(name, visible(value)) for name, value in _facts(manifest, scoring)]):
        print(line)
    return 0


def _facts(manifest: Manifest, scoring: Scoring) -> Iterator[tuple[str, str]]:
    yield "base", manifest.base
    yield "model", f"{manifest.model.file}  blake3 {manifest.model.blake3}"
    yield "tokenizer", f"{manifest.tokenizer.file}  blake3 {manifest.tokenizer.blake3}"
    yield "answers", manifest.digest[:32]
    yield "alpha", f"{scoring.alpha:g}"
    yield "ask at", f"{scoring.ask_at:g}"
    yield "deny at", f"{scoring.deny_at:g}"
    yield "incoming at", f"{scoring.incoming_at:g}"
    yield "categories", " ".join(manifest.categories)
    for tool, bias in sorted(manifest.bias.items()):
        yield f"bias {tool}", f"{bias:+.3f}"
    for name, value in manifest.metrics.items():
        yield name, value if isinstance(value, str) else json.dumps(value)


def run_score(args: argparse.Namespace) -> int:
    """Print one JSON line for each row."""
    scorer = Scorer(*_model(args))
    status = 0
    for result, _row in scorer.results(_lines(args.jsonl)):
        said = {name: value for name, value in msgspec.structs.asdict(result).items() if value != ""}
        print(json.dumps(said))
        status |= bool(result.error)
    return status


def run_eval(args: argparse.Namespace) -> int:
    """Print the measures of all rows, and by tool and source."""
    model, scoring = _model(args)
    threshold = scoring.ask_at if args.at is None else args.at
    rows, left_out, broken = _scored_rows(Scorer(model, scoring), args.files)
    if not rows:
        raise UsageError("no row has a label of 0 or 1", hint="gmcp-sandbox probe --help")
    groups = {"all": rows} | _groups(rows)
    reports = {name: report(group, threshold) for name, group in groups.items()}
    if args.json:
        facts = {"threshold": threshold, "without_label": left_out, "broken": broken}
        print(json.dumps(facts | {name: msgspec.to_builtins(each) for name, each in reports.items()}))
    else:
        print("\n".join(_table(reports)))
        print(f"stopped from {threshold:g} on · {left_out} rows without a label, {broken} broken")
    if args.wrong and not args.json:
        for row in rows:
            if (row.score >= threshold) is not row.is_dangerous:
                print(
                    f"{'missed' if row.is_dangerous else 'stopped'}  {row.score:+.2f}  {row.source}  {visible(row.id)}"
                )
    return 1 if broken else 0


def _scored_rows(scorer: Scorer, files: list[str]) -> tuple[list[Scored], int, int]:
    """Return the rows with a truth, how many have none, and how many are no rows."""
    rows: list[Scored] = []
    left_out = broken = 0
    for name in files:
        for result, row in scorer.results(_lines(name)):
            found = scored(result, row, Path(name).stem)
            if found is not None:
                rows.append(found)
            broken += bool(result.error)
            left_out += found is None and not result.error
    return rows, left_out, broken


def _groups(rows: list[Scored]) -> dict[str, list[Scored]]:
    tools = by(rows, lambda row: f"tool {row.tool}")
    sources = by(rows, lambda row: f"source {row.source}")
    return (tools if len(tools) > 1 else {}) | (sources if len(sources) > 1 else {})


def _table(reports: dict[str, Report]) -> list[str]:
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for name, each in reports.items():
        between = "" if each.f1_interval is None else f"{each.f1_interval[0]:.3f}–{each.f1_interval[1]:.3f}"
        measures = (each.f1, between, each.precision, each.recall, each.false_positive_rate, each.auc)
        pairs = (str(each.pairs or ""), each.pair_accuracy)
        rows.append((visible(name), str(each.rows), str(each.dangerous), *map(_shown, (*measures, *pairs))))
    return columns(rows)


def _shown(value: float | str | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.3f}"


def _model(args: argparse.Namespace) -> tuple[Model, Scoring]:
    directory = model_directory() if args.model is None else Path(args.model)
    if directory is None:
        raise HostError("no model is installed", hint="install gmcp-sandbox again")
    manifest = read_manifest(directory)
    policy = ProbePolicy() if args.profile is None else _policy(args.profile)
    return Model.load(directory, manifest), Scoring.of(manifest, policy)


def _policy(profile: str) -> ProbePolicy:
    return load_profile(profile, workspace=Path.cwd(), home=Path.home()).probe


def _lines(name: str) -> Iterator[str]:
    if name == "-":
        yield from sys.stdin
        return
    try:
        with open(name, encoding="utf-8", errors="surrogateescape") as file:
            yield from file
    except OSError as error:
        raise UsageError(f"cannot read {visible(name)}: {error.strerror}") from None

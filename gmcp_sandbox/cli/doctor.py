"""`doctor`: what this host can enforce, with a fix for each finding. Ends with 0 when `exec` would work, else 1."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from gmcp_sandbox.cli.terminal import Painter
from gmcp_sandbox.monitor.host import Finding, HostFacts, Status, survey
from gmcp_sandbox.monitor.statedir import state_root

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers

_COLOURS = {Status.OK: "green", Status.DEGRADED: "yellow", Status.MISSING: "red"}


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="check what this host can enforce",
        description="Check what this host can enforce. Ends with 0 when `exec` would work, else with 1.",
        epilog="Example: gmcp-sandbox doctor",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line and finding")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, print, and return the status."""
    facts = survey(state_root())
    if args.json:
        for finding in facts.findings:
            print(json.dumps(_as_json(finding)))
    else:
        painter = Painter(sys.stdout, args.color)
        for line in render(facts, painter):
            print(line)
    return 0 if facts.can_run else 1


def render(facts: HostFacts, painter: Painter) -> list[str]:
    """Return the findings as lines, the conclusion last."""
    lines = []
    width = max(len(finding.name) for finding in facts.findings)
    for finding in facts.findings:
        status = painter.paint(f"{finding.status:<8}", _COLOURS[finding.status])
        lines.append(f"{status}  {finding.name:<{width}}  {finding.what}")
        if finding.fix and finding.status is not Status.OK:
            lines.append(f"{'':8}  {'':{width}}  try: {finding.fix}")
    lines.append("")
    lines.append("gmcp-sandbox exec works here." if facts.can_run else "gmcp-sandbox exec cannot work here.")
    return lines


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.name,
        "status": finding.status.value,
        "what": finding.what,
        "fix": finding.fix,
        "required": finding.is_required,
    }

"""`scripts/scoreboard`: the table "trick → what stops it → test", from the tests themselves.

A test says by `@pytest.mark.trick("what is tried", stops="what stops it")` that it tries one; nothing is written twice.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "tests" / "SCOREBOARD.md"
HEAD = """# Scoreboard

Known ways around a sandbox, what stops each, and the test that tries it, as root and as an ordinary user.
`scripts/test` runs them all, and passes when each is stopped; `scripts/scoreboard --run` runs these alone. Written by
`scripts/scoreboard --write` from the tests; a test fails when the two differ.

"""


@dataclass
class Row:
    """One trick."""

    trick: str
    stops: str
    place: str
    tests: list[str] = field(default_factory=list)

    def result(self, outcomes: dict[str, str]) -> str:
        """Return how its tests ended, in a word and counts."""
        passed = sum(outcomes.get(test) == "passed" for test in self.tests)
        return (
            f"stopped, {passed} of {len(self.tests)}"
            if passed == len(self.tests)
            else f"**{passed}** of {len(self.tests)}"
        )


class Collector:
    """A pytest plugin that keeps the tests that try something, and notes how they end."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.outcomes: dict[str, str] = {}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Take the tricks; leave all other tests out."""
        kept = [item for item in items if item.get_closest_marker("trick")]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
        for item in kept:
            self._note(item)

    def _note(self, item: pytest.Item) -> None:
        mark = item.get_closest_marker("trick")
        if mark is None:
            return
        place = item.nodeid.partition("[")[0]
        trick = str(mark.args[0])
        self.rows.setdefault((place, trick), Row(trick, mark.kwargs["stops"], place)).tests.append(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the worst that was said of a test: a set-up that fails counts."""
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Print or write the table; with `--run`, how the tests ended. Ends with 1 when one of them did not pass."""
    parser = argparse.ArgumentParser(prog="scripts/scoreboard", description="\n".join(__doc__.splitlines()[:1]))
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--run", action="store_true", help="run the tests and say how they ended")
    way.add_argument("--write", action="store_true", help=f"write the table of all tests to {COMMITTED.name}")
    parser.add_argument("tests", nargs="*", default=["tests"], help="files or directories (default: tests)")
    args = parser.parse_args(argv)
    if args.write and args.tests != ["tests"]:
        parser.error("--write takes the whole of the tests")
    os.chdir(ROOT)
    found, status = collect(args.tests, is_run=args.run)
    said = "\n".join(table(found, is_run=args.run)) + "\n"
    if not args.write:
        print(said, end="")
    elif not status:
        COMMITTED.write_text(HEAD + said, encoding="utf-8")
    return status


def collect(tests: Sequence[str], *, is_run: bool) -> tuple[Collector, int]:
    """Collect, and run when asked to; what pytest prints goes to stderr."""
    found = Collector()
    said = io.StringIO()
    words = ["-q", *([] if is_run else ["--collect-only"]), *tests]
    with contextlib.redirect_stdout(said):
        status = int(pytest.main(words, plugins=[found]))
    if is_run or status:
        print(said.getvalue(), file=sys.stderr)
    return found, status


def table(found: Collector, *, is_run: bool) -> list[str]:
    """Return lines of Markdown."""
    lines = [
        "| trick | what stops it | test |" + (" result |" if is_run else ""),
        "|---|---|---|" + ("---|" if is_run else ""),
    ]
    for row in sorted(found.rows.values(), key=lambda row: (row.place, row.trick)):
        result = f" {row.result(found.outcomes)} |" if is_run else ""
        lines.append(f"| {_cell(row.trick)} | {_cell(row.stops)} | `{row.place.removeprefix('tests/')}` |{result}")
    tests = sum(len(row.tests) for row in found.rows.values())
    lines += ["", f"{len(found.rows)} tricks, {tests} tests (as root and as an ordinary user)"]
    if is_run:
        lines[-1] += f", {sum(each == 'passed' for each in found.outcomes.values())} passed"
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

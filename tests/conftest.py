"""What every test gets.

- `@pytest.mark.needs("fuse", "program:git", …)` skips where the host lacks a facility, and names it. With CI=true it
  fails, and so does every other skip: a check that never runs is no check.
- A test that is not over after four minutes fails, and says where it hung.
- A log record of WARNING or above fails the test, unless `@pytest.mark.expects_log("regex")` says it is meant.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path

import pytest

from gmcp_sandbox.monitor.cgroupfs import CONTROLLERS, find_places
from gmcp_sandbox.monitor.trial import Trial, try_launch
from tests.deadline import within

IN_CI = os.environ.get("CI") == "true"

# ---------------------------------------------------------------------------------------------------------- facilities


@cache
def _trial() -> Trial:
    return try_launch()


def _opens(device: str) -> bool:
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


FACILITIES: dict[str, Callable[[], bool]] = {
    "root": lambda: os.geteuid() == 0,
    "userns": lambda: _trial().passed("id map"),
    "internet": lambda: os.geteuid() == 0 or _trial().passed("id map"),
    "fuse": lambda: _trial().passed("FUSE mount"),
    "tun": lambda: _opens("/dev/net/tun"),
    "cgroups": lambda: len(find_places()) == len(CONTROLLERS),
    "sandbox": lambda: _trial().failed is None,
    "seccomp-notify": lambda: (
        "user_notif" in Path("/proc/sys/kernel/seccomp/actions_avail").read_text(encoding="ascii")
    ),
}
"""Name → whether the host has it. `program:NAME` asks for a program on PATH."""


def lacking(facility: str) -> bool:
    """True when the host does not have the facility."""
    kind, _, name = facility.partition(":")
    if kind == "program":
        return shutil.which(name) is None
    return not FACILITIES[facility]()


def _require(*facilities: str) -> None:
    missing = [facility for facility in facilities if lacking(facility)]
    if missing and IN_CI:
        pytest.fail(f"this host lacks {', '.join(missing)}", pytrace=False)
    if missing:
        pytest.skip(f"this host lacks {', '.join(missing)}")


@pytest.fixture
def needs() -> Callable[..., None]:
    """Return the function behind the marker, for facilities that are known only inside a test."""
    return _require


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """End a test that hangs: the others shall run, and the traceback says in what it hung."""
    with within(240):
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Honour `needs` and `root` before any fixture is made."""
    facilities = [name for mark in item.iter_markers("needs") for name in mark.args]
    if item.get_closest_marker("root"):
        facilities.append("root")
    _require(*facilities)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


# ---------------------------------------------------------------------------------------------------------------- logs


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.levelname} {record.name}: {record.getMessage()}")


@pytest.fixture(autouse=True)
def _no_unexpected_warnings(request: pytest.FixtureRequest) -> Generator[None, None, None]:
    collector = _Collector()
    logging.getLogger().addHandler(collector)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(collector)
    expected = [re.compile(mark.args[0]) for mark in request.node.iter_markers("expects_log")]
    unexpected = [text for text in collector.messages if not any(each.search(text) for each in expected)]
    if unexpected:
        pytest.fail("unexpected log records:\n" + "\n".join(unexpected), pytrace=False)

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from gmcp_sandbox.cli.doctor import render
from gmcp_sandbox.cli.main import main
from gmcp_sandbox.cli.terminal import Painter
from gmcp_sandbox.monitor.host import Finding, HostFacts, Status

GOOD = Finding("fuse", Status.OK, "mountable", "unused", is_required=True)
WEAK = Finding("tun", Status.DEGRADED, "closed", "chmod it")
GONE = Finding("proc", Status.MISSING, "covered", "uncover it", is_required=True)
PLAIN = Painter(io.StringIO())


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_each_finding_is_a_line_and_what_is_not_well_has_its_fix() -> None:
    assert render(HostFacts((GOOD, WEAK)), PLAIN) == [
        "ok        fuse  mountable",
        "degraded  tun   closed",
        "                try: chmod it",
        "",
        "gmcp-sandbox exec works here.",
    ]


def test_the_conclusion_says_when_nothing_can_run() -> None:
    assert render(HostFacts((GOOD, GONE)), PLAIN)[-1] == "gmcp-sandbox exec cannot work here."


def test_colour_repeats_the_word() -> None:
    lines = render(HostFacts((GONE,)), Painter(io.StringIO(), "always"))
    assert "\x1b[" in lines[0]
    assert "missing" in lines[0]


def test_json_lines_and_status_agree(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"fuse", "user_namespaces", "probe_model"} <= {finding["name"] for finding in findings}
    assert status == any(finding["required"] and finding["status"] == "missing" for finding in findings)


@pytest.mark.needs("sandbox")
def test_a_host_that_can_run_agents_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("gmcp-sandbox exec works here.\n")

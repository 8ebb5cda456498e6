from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

import pytest

from gmcp_sandbox.errors import HostError, ProfileError
from gmcp_sandbox.monitor import host
from gmcp_sandbox.monitor.host import Finding, HostFacts, Status, _probe_model, check_floor, survey
from gmcp_sandbox.monitor.trial import Trial
from gmcp_sandbox.policy.profile import Environment, Limits, ProbePolicy, Profile, Tier
from tests.probe.models import make_model

GOOD = Finding("fuse", Status.OK, "mountable", is_required=True)
WEAK = Finding("cgroups", Status.DEGRADED, "no group of one's own", "delegate one")
GONE = Finding("proc", Status.MISSING, "covered", "uncover it", is_required=True)


def profile(*floor: str) -> Profile:
    return Profile(
        name="p",
        digest="0" * 64,
        tier=Tier.STANDARD,
        mounts=(),
        symlinks=(),
        path_rules=(),
        capabilities=(),
        rates=(),
        rules=(),
        environment=Environment(()),
        limits=Limits(),
        probe=ProbePolicy(),
        host_floor=floor,
    )


def test_a_survey_names_each_facility_once(tmp_path: Path) -> None:
    facts = survey(tmp_path)
    names = [finding.name for finding in facts.findings]
    assert len(names) == len(set(names))
    assert facts.as_record().keys() == set(names)
    assert all(finding.what for finding in facts.findings)


def test_what_is_missing_and_required_has_a_fix(tmp_path: Path) -> None:
    for finding in survey(tmp_path).findings:
        assert finding.fix or finding.status is not Status.MISSING


@pytest.mark.needs("sandbox")
def test_a_host_that_can_launch_can_run(tmp_path: Path) -> None:
    assert survey(tmp_path).can_run


def test_the_missing_model_is_said() -> None:
    finding = _probe_model(None)
    assert (finding.status, finding.what) == (Status.DEGRADED, "no model: the semantic gate does not judge")


def test_a_sound_model_is_well(tmp_path: Path) -> None:
    finding = _probe_model(make_model(tmp_path / "m"))
    assert finding.status is Status.OK and finding.what.startswith("sums, ")


def test_an_altered_model_lets_nothing_run(tmp_path: Path) -> None:
    directory = make_model(tmp_path / "m")
    (directory / "vocab.txt").write_text("other")
    finding = _probe_model(directory)
    assert finding.status is Status.MISSING and finding.is_required
    assert "was altered" in finding.what and finding.fix


def test_the_record_holds_status_and_finding() -> None:
    assert HostFacts((GOOD, WEAK)).as_record() == {
        "fuse": "ok: mountable",
        "cgroups": "degraded: no group of one's own",
    }


def test_only_what_is_required_stops() -> None:
    assert HostFacts((GOOD, WEAK)).can_run
    assert not HostFacts((GOOD, GONE)).can_run
    assert HostFacts((GOOD, dataclasses.replace(GONE, is_required=False))).can_run


def test_a_floor_that_the_host_reaches_passes() -> None:
    check_floor(profile("fuse"), HostFacts((GOOD, WEAK)))


@pytest.mark.parametrize("name", ["cgroups", "proc"])
def test_a_floor_above_the_host_refuses_and_says_the_fix(name: str) -> None:
    with pytest.raises(HostError) as caught:
        check_floor(profile("fuse", name), HostFacts((GOOD, WEAK, GONE)))
    assert name in str(caught.value)
    assert caught.value.hint in ("delegate one", "uncover it")


def test_an_unknown_floor_is_the_profiles_mistake() -> None:
    with pytest.raises(ProfileError, match="unknown facility: 'fuze'"):
        check_floor(profile("fuze"), HostFacts((GOOD,)))


@pytest.mark.parametrize(
    ("release", "status"),
    [
        ("6.18.4-amd64", Status.OK),
        ("5.11", Status.OK),
        ("5.10.0-28-amd64", Status.MISSING),
        ("4.19.1", Status.MISSING),
        ("nonsense", Status.MISSING),
    ],
)
def test_an_old_kernel_is_missing(release: str, status: Status) -> None:
    assert host._kernel(release).status is status


def test_an_old_python_is_slower_but_works() -> None:
    assert host._python((3, 11, 2)).status is Status.DEGRADED
    assert host._python((3, 13, 0)).status is Status.OK


@pytest.mark.parametrize(
    ("trial", "missing"),
    [
        (Trial(), set()),
        (Trial("namespaces", errno.EPERM), {"user_namespaces", "proc", "fuse"}),
        (Trial("id map", errno.EPERM), {"user_namespaces", "proc", "fuse"}),
        (Trial("private /proc", errno.EPERM), {"proc", "fuse"}),
        (Trial("FUSE mount", errno.EINVAL), {"fuse"}),
        (Trial("nested user namespace", errno.ENOSPC), {"user_namespaces"}),
    ],
)
@pytest.mark.needs("fuse")
def test_each_step_of_a_launch_has_its_finding(trial: Trial, missing: set[str]) -> None:
    findings = [host._user_namespaces(trial), host._proc(trial), host._fuse(trial)]
    assert {finding.name for finding in findings if finding.status is Status.MISSING} == missing


def test_seccomp_without_notification_is_weaker() -> None:
    findings = list(host._seccomp("kill_process kill_thread trap errno trace log allow"))
    assert [finding.status for finding in findings] == [Status.OK, Status.DEGRADED]


def test_no_seccomp_at_all_is_missing() -> None:
    assert next(host._seccomp(None)).status is Status.MISSING


@pytest.mark.parametrize(
    ("modules", "status"),
    [("capability,landlock,yama", Status.OK), ("capability", Status.DEGRADED), (None, Status.DEGRADED)],
)
def test_landlock_is_read_from_the_active_modules(modules: str | None, status: Status) -> None:
    assert host._landlock(modules).status is status


def test_a_state_directory_that_does_not_exist_yet_is_measured_at_its_parent(tmp_path: Path) -> None:
    finding = host._state_space(tmp_path / "a" / "b")
    assert finding.status is not Status.MISSING
    assert str(tmp_path / "a" / "b") in finding.what


def test_a_state_directory_of_another_file_system_without_room_is_missing() -> None:
    finding = host._state_space(Path("/proc/self"))
    assert finding.status is Status.MISSING


def test_few_descriptors_are_said() -> None:
    assert host._open_files(1024).status is Status.DEGRADED
    assert host._open_files(4096).status is Status.OK
    assert host._open_files(-1).status is Status.OK


def test_a_device_that_is_not_there_is_a_refusal() -> None:
    assert host._refusal("/dev/does-not-exist") == os.strerror(errno.ENOENT)
    assert host._refusal("/dev/null") == ""


def test_bounds_of_whole_sessions_are_said_with_what_is_missing() -> None:
    assert host._cgroups({"memory": 2, "pids": 2, "cpu": 1}).status is Status.OK
    some, none = host._cgroups({"pids": 1}), host._cgroups({})
    assert some.status is none.status is Status.DEGRADED
    assert some.what == "pids (v1); no group of one's own for memory, cpu: limits are per process"
    assert "memory, pids, cpu" in none.what and none.fix

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

import pytest

from gmcp_sandbox.errors import HostError, ProfileError
from gmcp_sandbox.monitor import host
from gmcp_sandbox.monitor.host import Finding, HostFacts, Status, _probe_model, check_floor, survey
from gmcp_sandbox.monitor.inside import Maker
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
    findings = [host._user_namespaces(trial, {}, None), host._proc(trial, None), host._fuse(trial, None)]
    assert {finding.name for finding in findings if finding.status is Status.MISSING} == missing


def test_seccomp_without_notification_is_weaker() -> None:
    findings = list(host._seccomp("kill_process kill_thread trap errno trace log allow"))
    assert [finding.status for finding in findings] == [Status.OK, Status.DEGRADED]


def test_no_seccomp_at_all_is_missing() -> None:
    assert next(host._seccomp(None)).status is Status.MISSING


def test_landlock_is_asked_by_its_system_call() -> None:
    finding = host._landlock()
    assert finding.status is not Status.MISSING
    assert finding.what.startswith("version ") or finding.status is Status.DEGRADED
    assert finding.status is not Status.OK or "second wall" in finding.what


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


REFUSED = Trial("namespaces", errno.EPERM)
DOCKER = Maker("Docker", "docker run --device /dev/fuse")


@pytest.mark.parametrize(
    ("sysctls", "what", "fix"),
    [
        (
            {"kernel/apparmor_restrict_unprivileged_userns": "1", "user/max_user_namespaces": "62832"},  # Ubuntu 24.04
            "kernel.apparmor_restrict_unprivileged_userns is 1",
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (
            {
                "kernel/unprivileged_userns_clone": "0",
                "kernel/apparmor_restrict_unprivileged_userns": None,
            },  # Debian 10
            "kernel.unprivileged_userns_clone is 0",
            "sudo sysctl kernel.unprivileged_userns_clone=1",
        ),
        ({"user/max_user_namespaces": "0"}, "user.max_user_namespaces is 0", "user.max_user_namespaces="),  # RHEL 7
        ({"user/max_net_namespaces": "0"}, "user.max_net_namespaces is 0", "user.max_net_namespaces="),
    ],
)
def test_refused_namespaces_name_the_setting(sysctls: dict[str, str | None], what: str, fix: str) -> None:
    finding = host._user_namespaces(REFUSED, sysctls, DOCKER)  # a setting is surer than a container
    assert what in finding.what and fix in finding.fix and finding.status is Status.MISSING


def test_refused_namespaces_without_a_setting_name_the_container() -> None:
    finding = host._user_namespaces(REFUSED, {"user/max_user_namespaces": "62832"}, DOCKER)
    assert "Docker refuses them" in finding.what and finding.fix == DOCKER.remedy
    assert "CONFIG_USER_NS" in host._user_namespaces(REFUSED, {}, None).fix


def test_covered_proc_in_a_container_has_its_remedy() -> None:
    trial = Trial("private /proc", errno.EPERM)
    assert host._proc(trial, DOCKER).fix in (DOCKER.remedy, host._SYSCTLS[host._APPARMOR][1])


def test_a_closed_tun_says_what_does_not_start() -> None:
    assert host._tun("", None).status is Status.OK
    closed = host._tun("Operation not permitted", DOCKER)
    assert closed.status is Status.DEGRADED and "[net]" in closed.what and closed.fix == DOCKER.remedy
    assert "modprobe tun" in host._tun("No such file or directory", None).fix


def test_surroundings_are_in_the_way_only_where_something_failed() -> None:
    assert host._surroundings(None, REFUSED).status is Status.OK
    assert host._surroundings(DOCKER, Trial()).status is Status.OK
    found = host._surroundings(DOCKER, REFUSED)
    assert (found.status, found.fix) == (Status.DEGRADED, DOCKER.remedy)


@pytest.mark.parametrize(
    ("uid", "id_map", "status"),
    [
        (0, "         0          0 4294967295\n", Status.OK),
        (0, "         0     100000      65536\n", Status.MISSING),  # LXC without privileges
        (0, "         0       1000          1\n         1     100000      65536\n", Status.MISSING),  # rootless Podman
        (0, None, Status.MISSING),
        (1000, "         0       1000          1\n", Status.OK),
    ],
)
def test_root_of_a_container_with_few_ids_is_told(uid: int, id_map: str | None, status: Status) -> None:
    finding = host._root_ids(uid, id_map, id_map)
    assert finding.status is status and finding.is_required
    assert bool(finding.fix) == (status is Status.MISSING)


def test_libraries_that_the_loader_refuses_are_named() -> None:
    finding = host._libraries(["libfuse3.so.3: cannot open shared object file: No such file or directory"])
    assert finding.status is Status.MISSING and "libfuse3.so.3" in finding.what and "apt-get install" in finding.fix
    assert host._libraries(host._library_faults()).status is Status.OK  # or nothing here would have been imported

"""The ceiling of an organisation bounds every profile."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import BUILTIN, NETWORK, SECRET, TOOL, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.shipped import shipped_profile
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.pipeline.trust import Trust
from gmcp_sandbox.policy.approving import ApproverKind, Grant
from gmcp_sandbox.policy.ceiling import bounded, is_of_ceiling, parse_ceiling
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.parse import parse_profile
from gmcp_sandbox.policy.profile import Capability, Ceiling, Profile, Tier
from gmcp_sandbox.policy.sample import calls_on_path
from gmcp_sandbox.policy.state import SessionState

VARIABLES = {"workspace": "/ws", "home": "/home/u", "user": "u"}
SHIPPED = [Source(name, shipped_profile(name)) for name in ("constitution", "default")]
GRANT = '[[capabilities]]\ntools = ["fs.read", "fs.write"]\nlabels = ["workspace"]\n'
SMALL = f'name = "acme"\ntier = "limited"\n{GRANT}'


def profile(text: str = "") -> Profile:
    return parse_profile([*SHIPPED, Source("mine.toml", f'name = "mine"\nextends = "default"\n{text}')], VARIABLES)


def ceiling(text: str = SMALL) -> Ceiling:
    return parse_ceiling([Source("ceiling.toml", text)], VARIABLES)


def allowed(judged: Profile, path: str = "/ws/a") -> set[str]:
    state = SessionState(judged.tier)
    label = Labeller(judged.mounts, judged.path_rules).of(path)
    pipeline = Pipeline(judged, None)
    return {
        call.tool.value for call in calls_on_path(path, label) if pipeline.judge(call, state).outcome is Outcome.ALLOW
    }


def test_a_call_needs_the_grant_of_both() -> None:
    assert allowed(profile()) > {"fs.read", "fs.write", "fs.delete"}
    assert allowed(bounded(profile(), ceiling())) == {"fs.read", "fs.write"}
    assert "fs.write" not in allowed(
        bounded(profile('replaces = ["capabilities"]\n' + GRANT.replace(', "fs.write"', "")), ceiling())
    )


def test_the_reason_names_the_ceiling() -> None:
    low = bounded(profile(), ceiling())
    (call,) = [call for call in calls_on_path("/ws/a", WORKSPACE) if call.tool is Tool.FS_DELETE]
    verdict = Trust(low).judge(call, SessionState(low.tier))
    assert (verdict.reason, verdict.outcome) == ("trust.ceiling", Outcome.DENY)


def test_the_lower_tier_holds() -> None:
    assert bounded(profile('tier = "trusted"\n'), ceiling()).tier is Tier.LIMITED
    assert bounded(profile('tier = "untrusted"\n'), ceiling()).tier is Tier.UNTRUSTED


def test_labels_are_only_raised() -> None:
    text = SMALL + '[[paths]]\nlabel = "secret"\nmatch = ["/ws/private/**"]\n'
    low = bounded(profile('replaces = ["paths"]\n'), ceiling(text))
    assert Labeller(low.mounts, low.path_rules).of("/ws/private/a") is SECRET
    assert allowed(low, "/ws/private/a") == set()
    assert "fs.read" in allowed(low, "/ws/a")


RULE = '[[rules]]\nid = "{}"\ntext = "No."\neffect = "{}"\ntools = ["fs.write"]\npaths = ["/ws/*"]\n'


def test_its_principles_deny_under_names_of_their_own() -> None:
    low = bounded(
        profile(RULE.format("no-write", "demote") + 'tier = "limited"\n'),
        ceiling(SMALL + RULE.format("no-write", "deny")),
    )
    assert "fs.write" not in allowed(low)
    assert [rule.id for rule in low.rules if is_of_ceiling(rule)] == ["ceiling.no-write"]


def test_an_ask_of_the_ceiling_is_not_hidden_by_another_nor_answered_in_advance() -> None:
    mine = profile(RULE.format("mine", "ask"))
    grants = tuple(Grant((f"constitution.{name}",), (Tool.FS_WRITE,), ("/**",)) for name in ("mine", "ceiling.theirs"))
    mine = msgspec.structs.replace(mine, approvals=msgspec.structs.replace(mine.approvals, grants=grants))
    low = bounded(mine, ceiling(SMALL + RULE.format("theirs", "ask")))
    (call,) = [call for call in calls_on_path("/ws/a", WORKSPACE) if call.tool is Tool.FS_WRITE]
    judgement = Pipeline(low, None).judge(call, SessionState(low.tier))
    assert judgement.verdicts[-1].reason == "constitution.ceiling.theirs"
    assert low.approvals.grants == grants[:1]


def test_a_principle_of_both_is_asked_once() -> None:
    text = RULE.format("same", "deny")
    low = bounded(profile(text), ceiling(SMALL + text))
    assert [rule.id for rule in low.rules if rule.id.endswith("same")] == ["ceiling.same"]


def test_the_narrower_bounds_hold() -> None:
    text = (
        SMALL
        + '[limits]\nprocesses = 10\nmemory_bytes = "1MiB"\n[approvals]\napprover = "none"\ndeadline_seconds = 5\n'
    )
    low = bounded(profile('[limits]\nprocesses = 5\n[approvals]\napprover = "anyone"\n'), ceiling(text))
    assert (low.limits.processes, low.limits.memory_bytes) == (5, 1 << 20)
    assert (low.approvals.approver, low.approvals.deadline_seconds) == (ApproverKind.NONE, 5)
    assert bounded(profile('[approvals]\napprover = "none"\n'), ceiling()).approvals.approver is ApproverKind.NONE


def test_debuggers_need_the_word_of_both() -> None:
    with_word = SMALL.replace('tier = "limited"', 'tier = "limited"\nptrace = true')
    for own, above, both in (
        ("", with_word, False),
        ("ptrace = true\n", SMALL, False),
        ("ptrace = true\n", with_word, True),
    ):
        assert bounded(profile(own), ceiling(above)).ptrace is both


def test_demands_add_up() -> None:
    text = SMALL.replace(
        "[[capa", 'host_floor = ["seccomp"]\n[probe]\nrequired = true\n[audit]\nredact = ["hunter2"]\n[[capa', 1
    )
    low = bounded(profile('[audit]\nredact = ["x"]\n'), ceiling(text))
    assert low.host_floor == ("seccomp",)
    assert low.probe.required
    assert low.audit.redact == ("x", "hunter2")


def test_the_digest_tells_of_the_ceiling() -> None:
    digests = {profile().digest, bounded(profile(), ceiling()).digest}
    digests |= {bounded(profile(), ceiling(SMALL.replace("limited", "standard"))).digest}
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL + '[[mounts]]\npath = "/x"\nmode = "ro"\nlabel = "system"\n', "cannot say this"),
        (SMALL + "[home]\npersist = true\n", "cannot say this"),
        (SMALL + '[probe]\ntask = "x"\n', "probe.task: a ceiling cannot"),
        (SMALL + '[net]\ndenial = "reset"\n', "net.denial: a ceiling cannot"),
        (SMALL + '[[approvals.grants]]\nreasons = ["x"]\ntools = ["fs.read"]\nobjects = ["/x"]\n', "cannot say this"),
        (f'name = "acme"\n{GRANT}', "`tier` is missing"),
        ('name = "acme"\ntier = "limited"\n', "`capabilities` is missing"),
        (SMALL + "[limits]\nprocesses = 0\n", "limits.processes"),
        ("name = 1", "name"),
    ],
)
def test_what_a_ceiling_cannot_say(text: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        ceiling(text)


TOOLS = st.sampled_from([tool for tool in Tool if tool.startswith(("fs.", "proc."))])
LABELS = st.sampled_from([name for name in BUILTIN if name not in ("outside", NETWORK.name, TOOL.name)])
GRANTS = st.lists(
    st.builds(
        Capability,
        st.lists(TOOLS, min_size=1, unique=True).map(tuple),
        st.lists(LABELS, min_size=1, unique=True).map(tuple),
        st.none() | st.lists(st.sampled_from(["/ws/**", "/ws/a", "/x"]), min_size=1).map(tuple),
    ),
    min_size=1,
)


@given(GRANTS, st.sampled_from(Tier), GRANTS, st.sampled_from(Tier), LABELS)
def test_nothing_is_allowed_that_one_of_both_denies(
    own: list[Capability], tier: Tier, theirs: list[Capability], top: Tier, name: str
) -> None:
    mine = msgspec.structs.replace(profile(), capabilities=tuple(own), tier=tier)
    above = Ceiling("acme", "", top, tuple(theirs))
    low = bounded(mine, above)
    for call in calls_on_path("/ws/a", BUILTIN[name]):
        both = [Trust(mine).judge(call, SessionState(tier)), Trust(above).judge(call, SessionState(top))]
        is_allowed = Trust(low).judge(call, SessionState(low.tier)).outcome is Outcome.ALLOW
        assert is_allowed == all(verdict.outcome is Outcome.ALLOW for verdict in both)

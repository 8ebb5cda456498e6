from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gmcp_sandbox.net.flows import Answer, FlowKey, FlowTable, Stage

KEY = FlowKey(40000, "198.18.0.9", 443)
OTHER = FlowKey(40001, "198.18.0.9", 443)
SYN, AGAIN = b"syn", b"syn again"


def table(most=8, most_half_open=4):
    return FlowTable(most, most_half_open)


def test_a_repeated_syn_is_no_new_call_and_the_newest_is_let_in():
    flows = table()
    assert flows.syn(KEY, 1, SYN, 0) is Answer.JUDGE
    assert flows.syn(KEY, 1, AGAIN, 1) is Answer.HOLD
    assert flows.ready(KEY) == AGAIN
    assert flows.syn(KEY, 1, AGAIN, 2) is Answer.LET_IN
    assert flows.open(KEY)
    assert flows.syn(KEY, 1, AGAIN, 3) is Answer.LET_IN


def test_a_connection_is_expected_once_and_only_when_ready():
    flows = table()
    assert not flows.open(KEY)
    flows.syn(KEY, 1, SYN, 0)
    assert not flows.open(KEY)
    flows.ready(KEY)
    assert flows.open(KEY)
    assert not flows.open(KEY)


def test_a_flow_that_has_ended_begins_anew():
    flows = table()
    flows.syn(KEY, 1, SYN, 0)
    assert flows.close(KEY) == SYN
    assert flows.close(KEY) == b""
    assert flows.syn(KEY, 1, SYN, 0) is Answer.JUDGE


def test_no_more_flows_than_are_allowed():
    flows = table(most=1)
    flows.syn(KEY, 1, SYN, 0)
    assert flows.syn(OTHER, 1, SYN, 0) is Answer.REFUSE
    flows.close(KEY)
    assert flows.syn(OTHER, 1, SYN, 0) is Answer.JUDGE


def test_half_open_flows_wait_for_their_turn():
    flows = table(most_half_open=1)
    flows.syn(KEY, 1, SYN, 0)
    assert flows.syn(OTHER, 1, SYN, 0) is Answer.WAIT
    flows.ready(KEY)
    assert flows.syn(OTHER, 1, SYN, 0) is Answer.WAIT
    flows.open(KEY)
    assert flows.syn(OTHER, 1, SYN, 0) is Answer.JUDGE


def test_silence_lasts_for_the_repetitions_of_one_syn():
    flows = table()
    flows.syn(KEY, 1, SYN, 0)
    flows.silence(KEY, until=100)
    assert flows.syn(KEY, 1, SYN, 50) is Answer.HOLD
    assert flows.stage(KEY) is Stage.SILENT
    assert flows.syn(KEY, 2, SYN, 60) is Answer.JUDGE  # the agent tries anew
    flows.silence(KEY, until=100)
    assert flows.syn(KEY, 2, SYN, 101) is Answer.JUDGE


def test_hosts_that_do_not_answer_leave_room_for_those_that_do():
    flows = table(most=2, most_half_open=1)
    for number in range(50):
        key = FlowKey(number, "198.18.0.9", 443)
        assert flows.syn(key, 1, SYN, 0) is Answer.JUDGE
        flows.silence(key, until=100)
    assert flows.syn(KEY, 1, SYN, 1) is Answer.JUDGE


def test_of_too_many_silent_flows_the_oldest_is_forgotten():
    flows = FlowTable(8, 4, most_silent=1)
    for key in (KEY, OTHER):
        flows.syn(key, 1, SYN, 0)
        flows.silence(key, until=100)
    assert flows.syn(OTHER, 1, SYN, 1) is Answer.HOLD
    assert flows.syn(KEY, 1, SYN, 1) is Answer.JUDGE


class Life(RuleBasedStateMachine):
    """Any order of events: the bounds hold, and nothing opens that was not ready."""

    keys = st.integers(0, 6).map(lambda number: FlowKey(number, "198.18.0.9", 443))

    def __init__(self):
        super().__init__()
        self.flows = FlowTable(5, 3, 2)
        self.now = 0.0

    @rule(key=keys, sequence=st.integers(0, 2))
    def syn(self, key, sequence):
        before = self.flows.stage(key)
        answer = self.flows.syn(key, sequence, SYN, self.now)
        if before in (Stage.READY, Stage.OPEN):
            assert answer is Answer.LET_IN

    @rule(key=keys)
    def get_ready(self, key):
        if self.flows.stage(key) is Stage.JUDGED:
            self.flows.ready(key)

    @rule(key=keys)
    def open(self, key):
        was_ready = self.flows.stage(key) is Stage.READY
        assert self.flows.open(key) is was_ready

    @rule(key=keys, seconds=st.floats(0, 10))
    def silence(self, key, seconds):
        if self.flows.stage(key) is Stage.JUDGED:
            self.flows.silence(key, self.now + 10)

    @rule(key=keys)
    def close(self, key):
        self.flows.close(key)
        assert self.flows.stage(key) is None

    @rule(seconds=st.floats(0, 10))
    def pass_time(self, seconds):
        self.now += seconds

    @invariant()
    def bounds_hold(self):
        stages = [self.flows.stage(FlowKey(number, "198.18.0.9", 443)) for number in range(7)]
        there = [stage for stage in stages if stage is not None]
        silent = there.count(Stage.SILENT)
        assert len(there) - silent == len(self.flows) <= 5
        assert silent <= 2
        assert there.count(Stage.JUDGED) + there.count(Stage.READY) <= 3


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

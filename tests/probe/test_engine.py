"""The model on a thread of its own."""

from __future__ import annotations

import threading

import pytest

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.probe.engine import MOST, Asked, Engine, ProbeError, ProbeTimeout
from gmcp_sandbox.probe.memory import Memory
from gmcp_sandbox.probe.model import Answer, Model
from tests.probe.models import make_model

DIGEST = "00" * 32


class Slow:
    """A model that answers when it is let, and says what it was asked together."""

    def __init__(self):
        self.may = threading.Event()
        self.began = threading.Event()
        self.asked = []

    def answer(self, lines):
        self.began.set()
        assert self.may.wait(20)
        self.asked.append(list(lines))
        if "break" in lines:
            raise ValueError
        return [Answer(float(len(line)), 0) for line in lines]


@pytest.fixture
def engines():
    made = []

    def make(load):
        made.append(Engine(load, Memory(DIGEST, None, lambda text: None)))
        return made[-1]

    yield make
    for engine in made:
        engine.stop()


def test_a_real_model_answers_and_is_remembered(engines, tmp_path):
    engine = engines(lambda: Model.load(make_model(tmp_path / "m")))
    assert engine.recall("run: rm") is None
    assert engine.ask("run: rm", 20) == Asked(Answer(4.0, 0), False)
    assert engine.ask("run: rm", 20) == Asked(Answer(4.0, 0), True)
    assert engine.recall("run: rm") == Answer(4.0, 0)
    assert (engine.asked, engine.passes) == (1, 1)


def test_what_queues_up_is_computed_together_and_once(engines):
    model = Slow()
    engine = engines(lambda: model)
    found = {}

    def ask(number, line):
        found[number] = engine.ask(line, 20).answer.margin

    first = threading.Thread(target=ask, args=(0, "x"))
    first.start()
    assert model.began.wait(20)
    lines = ["a", "bb", "a", "ccc"]
    others = [threading.Thread(target=ask, args=(number, line)) for number, line in enumerate(lines, 1)]
    for thread in others:
        thread.start()
    while engine._waiting.qsize() < len(lines):
        pass
    model.may.set()
    for thread in (first, *others):
        thread.join()
    assert model.asked[0] == ["x"] and sorted(model.asked[1]) == ["a", "bb", "ccc"] and len(model.asked) == 2
    assert found == {0: 1.0, 1: 1.0, 2: 2.0, 3: 1.0, 4: 3.0}
    assert len(lines) <= MOST


def test_who_waits_too_long_gets_no_answer(engines):
    model = Slow()
    engine = engines(lambda: model)
    with pytest.raises(ProbeTimeout):
        engine.ask("x", 0.001)
    model.may.set()


def refuses():
    raise HostError("the model was altered", cause="another digest", hint="install again")


def breaks():
    raise KeyError("secret")


@pytest.mark.parametrize(
    ("load", "fault"), [(refuses, "the model was altered: another digest"), (breaks, "the model failed: KeyError")]
)
def test_a_model_that_cannot_be_loaded_answers_nobody_ever(engines, load, fault):
    told = threading.Event()
    engine = engines(load)
    engine.watch(told.set)
    engine.start()
    assert told.wait(20)
    for _ in range(2):
        with pytest.raises(ProbeError, match=fault):
            engine.ask("x", 20)
        with pytest.raises(ProbeError, match=fault):
            engine.recall("x")
    assert (engine.error is not None) is (load is refuses)


def test_a_model_that_breaks_answers_nobody_any_more(engines):
    model = Slow()
    model.may.set()
    engine = engines(lambda: model)
    assert engine.ask("x", 20).answer.margin == 1.0
    with pytest.raises(ProbeError):
        engine.ask("break", 20)
    with pytest.raises(ProbeError, match="ValueError"):
        engine.ask("x", 20)


def test_an_end_leaves_nobody_waiting(engines):
    model = Slow()
    engine = engines(lambda: model)
    failures = []

    def ask():
        try:
            engine.ask("y", 20)
        except ProbeError as error:
            failures.append(error)

    waiting = threading.Thread(target=lambda: engine.ask("x", 20))
    waiting.start()
    assert model.began.wait(20)
    late = threading.Thread(target=ask)
    stop = threading.Thread(target=engine.stop)
    stop.start()
    while engine.fault is None:
        pass
    late.start()
    model.may.set()
    for thread in (waiting, late, stop):
        thread.join()
    assert len(failures) == 1

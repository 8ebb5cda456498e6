"""The fuzz entry points: every parser takes what they throw, and a finding is shown so that it can be repeated."""

import random

import pytest

from scripts.fuzzlib.command import main
from scripts.fuzzlib.mutate import LONGEST, mutated
from scripts.fuzzlib.targets import TARGETS, Target


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_their_mutants_find_nothing(name, capsys):
    for seed in TARGETS[name].seeds:
        TARGETS[name].feed(seed)
    assert main([name, "--runs", "2000", "--seed", "1"]) == 0, capsys.readouterr().out


def test_a_finding_can_be_repeated(capsys, monkeypatch):
    def breaks(data):
        raise KeyError(data)

    monkeypatch.setitem(TARGETS, "sniff", Target(breaks, (b"abc",)))
    assert main(["sniff", "--runs", "5", "--seed", "7"]) == 1
    said = capsys.readouterr()
    assert "--seed 7" in said.out
    assert "KeyError" in said.err
    data = said.out.split("--reproduce ")[1].strip()
    with pytest.raises(KeyError):
        main(["sniff", "--reproduce", data])


def test_the_same_seed_gives_the_same_bytes():
    first, second = random.Random(3), random.Random(3)
    for _ in range(200):
        one = mutated(first, (b"abc", b"defghi"))
        assert one == mutated(second, (b"abc", b"defghi"))
        assert len(one) <= LONGEST


def test_what_does_not_fit_together_is_said(capsys):
    with pytest.raises(SystemExit):
        main(["all", "--reproduce", "00"])
    assert "one target" in capsys.readouterr().err

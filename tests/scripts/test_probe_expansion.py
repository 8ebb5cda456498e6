"""Templates of calls become rows that differ only where the template says so."""

import json
import random

import pytest

from scripts.probe import generate_incoming, generate_mcp, generate_net, generate_write
from scripts.probe.expansion import _filled, _groups, _slots, expand

GENERATORS = (generate_incoming, generate_mcp, generate_net, generate_write)
SLOTS = _slots("place: home || «room»\nroom: attic || cellar\n")


def filled(value: object, seed: int = 0, values: dict[str, str] | None = None) -> object:
    return _filled(value, {} if values is None else values, SLOTS, random.Random(seed))


def test_a_slot_is_a_word_of_its_list() -> None:
    assert {filled("in «room»", seed) for seed in range(20)} == {"in attic", "in cellar"}


def test_a_word_may_have_slots_itself() -> None:
    assert {filled("«place»", seed) for seed in range(40)} == {"home", "attic", "cellar"}


def test_a_choice_may_have_slots_and_bars() -> None:
    assert {filled("«go to «room»|a \\| b»", seed) for seed in range(40)} == {"go to attic", "go to cellar", "a | b"}


def test_one_slot_has_one_value_in_an_expansion() -> None:
    values: dict[str, str] = {}
    assert filled("«room»", values=values) == filled(["«room»"], seed=9, values=values)[0]


def test_a_number_alone_is_a_number() -> None:
    assert filled({"port": "«80|80»"}) == {"port": 80}


def test_an_unknown_slot_is_an_error() -> None:
    with pytest.raises(KeyError):
        filled("«nowhere»")


def test_groups_know_family_category_and_label() -> None:
    text = '# a.b destruction\n+ {"tool": "x"}\n- {"tool": "y"}\n\n+privilege {"tool": "z"}\n'
    first, second = _groups(text)
    assert first.lines == ((1, "destruction", {"tool": "x"}), (0, "destruction", {"tool": "y"}))
    assert second.lines == ((1, "privilege", {"tool": "z"}),)
    assert second.family == "a.b"


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_rows_of_a_generator_are_distinct_paired_and_filled(generator) -> None:
    rows = generator.rows()
    calls = {json.dumps([row["tool"], row["args"], row["context"]], sort_keys=True) for row in rows}
    assert len(calls) == len(rows) >= 1_000
    assert not [row["id"] for row in rows if "«" in json.dumps(row, ensure_ascii=False)]
    assert sum(1 for row in rows if row["pair"]) > len(rows) // 2


def test_together_they_are_many() -> None:
    assert sum(len(generator.rows()) for generator in GENERATORS) >= 8_000


def test_the_seed_decides() -> None:
    assert expand("net", 3, 1) == expand("net", 3, 1) != expand("net", 3, 2)

"""What the probe's training does around the model: labels, variations, splits, measures, bytes for weights."""

import random
from xml.etree import ElementTree

import numpy as np
import pytest

from gmcp_sandbox.probe.render import render_row
from scripts.plotlib.lines import Axis, Series, plot
from scripts.probe import augment, everyday, grammar, tldr
from scripts.probe.dedup import without_lookalikes
from scripts.probe.measure import hardest, heat_of, roc, threshold_for
from scripts.probe.rows import DANGEROUS, SAFE, command, row_of
from scripts.probe.sampling import epoch
from scripts.probe.splits import place_of


def a_row(text, label=DANGEROUS, **more):
    return row_of(command(text, label, **more), "test")


@pytest.mark.parametrize(
    ("text", "describes", "expected"),
    [
        ("linode-cli domains delete domain_id", "Delete a managed domain", (1, "destruction")),
        ("sudo wipefs --all /dev/sdX", "Wipe all available signature types", (1, "destruction")),
        ("git push --force", "Force a push", (1, "destruction")),
        ("secretsdump.py domain/user@target", "Dump hashes from a machine", (1, "credential_access")),
        ("dropdb --help", "Display help", None),
        ("terraform plan --dry-run", "Show what would be destroyed", (0, None)),
        ("gh repo list", "List repositories", (0, None)),
        ("npm cache clean", "Delete the cache", None),
        ("<Ctrl d>", "Delete a character", None),
        ("systemctl stop unit", "Stop a unit", None),
    ],
)
def test_labels_follow_what_a_page_says(text, describes, expected):
    assert tldr.label(text, describes) == expected


def test_a_command_that_is_only_mentioned_is_safe():
    row = augment.mentioned(a_row("rm -rf ~/work"), "rm -rf ~/work", random.Random(1))
    assert row.label == SAFE
    assert row.call["category"] is None
    assert row.text == render_row(row.call)


def test_a_command_that_is_run_otherwise_keeps_its_label_or_becomes_a_mention():
    for seed in range(200):
        row = augment.varied(a_row("shred -u ~/notes.txt"), random.Random(seed))
        assert row.label == DANGEROUS or row.call["category"] is None


def test_safe_rows_never_become_dangerous():
    assert all(augment.varied(a_row("ls -la", SAFE), random.Random(seed)).label == SAFE for seed in range(100))


def test_generated_rows_are_the_same_in_every_run_and_come_in_pairs():
    first, second = grammar.generated_rows(3), grammar.generated_rows(3)
    assert [row.text for row in first] == [row.text for row in second]
    assert all(row.pair for row in first)
    assert 0.4 < sum(row.label == DANGEROUS for row in first) / len(first) < 0.6


def test_what_the_product_asks_all_day_is_always_learnt():
    rows = everyday.everyday_rows()
    assert {place_of(row) for row in rows} == {"train"}
    assert len({row.text for row in rows}) == len(rows)


def test_a_family_stays_in_one_split():
    rows = [a_row(f"tool{number} go", family=f"f{number % 50}") for number in range(500)]
    places = {}
    for row in rows:
        assert places.setdefault(row.family, place_of(row)) == place_of(row)
    assert set(places.values()) == {"train", "tools", "calibration"}


def test_lookalikes_of_what_is_measured_are_taken_out():
    kept = without_lookalikes(
        [a_row("rm -rf /home/user/docs"), a_row("curl https://example.com")], [a_row("rm -rf /home/user/doc")]
    )
    assert [row.text for row in kept] == ["run: curl https://example.com"]


def test_an_epoch_is_drawn_anew_from_its_seed():
    rows = [a_row(f"frob delete item{number}", number % 2) for number in range(60)]
    assert [row.text for row in epoch(rows, 1)] == [row.text for row in epoch(rows, 1)]
    assert [row.text for row in epoch(rows, 1)] != [row.text for row in epoch(rows, 2)]


def test_the_temperature_of_calibrated_scores_is_one():
    chance = np.random.default_rng(1)
    scores = chance.normal(0, 3, 20_000)
    truth = (chance.random(20_000) < 1 / (1 + np.exp(-scores))).astype(np.int64)
    assert heat_of(scores, truth, np.ones(20_000)) == pytest.approx(1.0, abs=0.1)


def test_a_threshold_keeps_its_promise_about_false_stops():
    scores, truth = np.arange(100.0), np.zeros(100, dtype=np.int64)
    assert (scores >= threshold_for(scores, truth, np.ones(100), 0.05)).mean() <= 0.05


def test_the_hardest_third_is_what_the_other_judge_gets_wrong():
    rows = [
        a_row("a b c", SAFE),
        a_row("d e f", SAFE),
        a_row("g h i", SAFE),
        a_row("j", 1),
        a_row("k", 1),
        a_row("l", 1),
    ]
    assert hardest(rows, np.array([5.0, 0, 0, 1, -4, 1])) == [0, 4]


def test_the_curve_goes_from_corner_to_corner():
    false_stops, hits = roc(np.array([3.0, 2, 1, 0]), np.array([1, 0, 1, 0]))
    assert (false_stops[0], hits[0], false_stops[-1], hits[-1]) == (0, 0, 1, 1)


def test_plots_are_documents():
    drawing = plot("a < b", Axis("x"), Axis("y"), [Series("one & two", [(0, 0), (1, 1)], marked=True)])
    assert ElementTree.fromstring(drawing).tag.endswith("svg")


def test_bytes_for_weights_change_little_and_do_not_depend_on_batch_mates(tmp_path):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from scripts.probe.quantize import quantize

    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.random.default_rng(2).normal(size=(64, 96)).astype(np.float32)
    bias = np.arange(96, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["y"])],
        "one product",
        [helper.make_tensor_value_info("x", floats, ["n", 64])],
        [helper.make_tensor_value_info("y", floats, ["n", 96])],
        [onnx.numpy_helper.from_array(weight, "w"), onnx.numpy_helper.from_array(bias, "b")],
    )
    full, small = str(tmp_path / "full.onnx"), str(tmp_path / "small.onnx")
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), full)
    quantize(full, small)
    rows = np.random.default_rng(3).normal(size=(4, 64)).astype(np.float32)
    rows[3] *= 1000
    session = runtime.InferenceSession(small, providers=["CPUExecutionProvider"])
    together = session.run(None, {"x": rows})[0]
    alone = session.run(None, {"x": rows[:1]})[0]
    assert np.array_equal(together[:1], alone)
    for index, row in enumerate(rows):
        exact = row @ weight + bias
        assert np.abs(together[index] - exact).max() < 0.05 * np.abs(exact).max()

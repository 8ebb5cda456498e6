"""Lines in, answers out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.probe.manifest import CATEGORIES
from gmcp_sandbox.probe.model import Answer, Model
from tests.probe.models import make_model


@pytest.fixture(scope="module", params=[True, False], ids=["batch", "single"])
def model(request, tmp_path_factory):
    return Model.load(make_model(tmp_path_factory.mktemp("model") / "m", batch=request.param))


def test_the_margin_and_the_likeliest_category_are_read(model):
    assert model.answer(["run: rm"]) == [Answer(4.0, 0)]
    (answer,) = model.answer(["steal"])
    assert (answer.margin, answer.reason) == (5.0, CATEGORIES[7])


def test_lines_together_get_the_answers_of_lines_alone(model):
    lines = ["run: rm", "run: ls ls ls", "", "curl " * 60]
    assert model.answer(lines) == [answer for line in lines for answer in model.answer([line])]
    assert model.answer([]) == []


def test_the_template_is_around_a_line_and_the_line_is_cut(model):
    ids = model.encode("rm " * 1000)
    assert ids[:2] == [2, 4] and ids[-1] == 3 and len(ids) == 2 + 64 + 1


def test_what_is_no_model_is_refused(tmp_path):
    directory = make_model(tmp_path / "m")
    (directory / "probe.onnx").write_bytes(b"nonsense")
    with pytest.raises(HostError, match="was altered"):
        Model.load(directory)


def test_a_sound_file_that_is_no_model_is_refused(tmp_path):
    directory = make_model(tmp_path / "m")
    vocabulary = (directory / "vocab.txt").read_bytes()
    (directory / "probe.onnx").write_bytes(vocabulary)
    from blake3 import blake3

    make_manifest = {"file": "probe.onnx", "blake3": blake3(vocabulary).hexdigest()}
    kept = (directory / "probe.onnx").read_bytes()
    make_model(directory, model=make_manifest)
    (directory / "probe.onnx").write_bytes(kept)
    with pytest.raises(HostError, match="no model that onnxruntime takes"):
        Model.load(directory)


def test_the_runtime_leaves_nothing_in_the_users_home(tmp_path):
    """Without a word onnxruntime makes a device id and a telemetry database there."""
    make_model(tmp_path / "m")
    home = tmp_path / "home"
    home.mkdir()
    load = "import sys, pathlib; from gmcp_sandbox.probe.model import Model; Model.load(pathlib.Path(sys.argv[1]))"
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", load, str(tmp_path / "m")], env=environment, check=True, timeout=60)
    assert list(home.iterdir()) == []


_COUNT_THREADS = """
import os, pathlib, sys
import numpy, onnxruntime
from gmcp_sandbox.probe.model import Model
before = len(os.listdir("/proc/self/task"))
model = Model.load(pathlib.Path(sys.argv[1]))
print(len(os.listdir("/proc/self/task")) - before)
"""


def test_a_pass_takes_the_callers_thread_alone(tmp_path):
    words = [sys.executable, "-c", _COUNT_THREADS, str(make_model(tmp_path / "m"))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout) == 0

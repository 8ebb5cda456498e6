"""What lies beside a model."""

from __future__ import annotations

import json

import pytest

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.probe.manifest import is_installed, read_manifest, read_part
from gmcp_sandbox.probe.render import VERSION
from tests.probe.models import make_model


def test_a_whole_model_is_read(tmp_path):
    directory = make_model(tmp_path / "m")
    manifest = read_manifest(directory)
    assert manifest.bias_of("incoming") == 1.0 and manifest.bias_of("proc.exec") == 0.0
    assert read_part(directory, manifest.model) == (directory / "probe.onnx").read_bytes()
    assert len(manifest.digest) == 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "no model manifest"),
        ({"more": 1}, "no model manifest"),
        ({"model": {"file": "../probe.onnx", "blake3": "0" * 64}}, "no model manifest"),
        ({"rendering": VERSION + 1}, "does not fit this version"),
        ({"categories": ["mischief"]}, "other categories"),
        ({"alpha": "much"}, "no model manifest"),
        ({"tokenizer": {"file": "gone.txt", "blake3": "0" * 64}}, "is missing"),
    ],
)
def test_what_is_not_exactly_a_manifest_is_refused(tmp_path, changes, message):
    with pytest.raises(HostError, match=message):
        read_manifest(make_model(tmp_path / "m", **changes))


def test_another_byte_is_another_model(tmp_path):
    directory = make_model(tmp_path / "m")
    manifest = read_manifest(directory)
    data = bytearray((directory / "probe.onnx").read_bytes())
    data[-1] ^= 1
    (directory / "probe.onnx").write_bytes(data)
    with pytest.raises(HostError, match="was altered") as refused:
        read_part(directory, manifest.model)
    assert refused.value.hint


def test_answers_depend_on_the_template_too(tmp_path):
    one = read_manifest(make_model(tmp_path / "a"))
    other = read_manifest(make_model(tmp_path / "b", prefix_ids=[2]))
    assert one.digest != other.digest


def test_no_manifest_is_no_model_and_a_broken_one_is_one(tmp_path):
    assert not is_installed(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    assert is_installed(tmp_path)
    with pytest.raises(HostError, match="no model manifest"):
        read_manifest(tmp_path)


def test_a_manifest_of_text_is_json(tmp_path):
    make_model(tmp_path / "m")
    assert json.loads((tmp_path / "m" / "manifest.json").read_text())["base"] == "sums"
